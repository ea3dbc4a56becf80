#pragma once

#include <cstdint>
#include <memory>

#include "operation.hpp"

namespace verydeep {

/**
 * Makes `data[0 … count)` on every rank the sum over ranks, in float32 and always in the order of the ranks, so
 * that all have the same bits whatever the network does. With `brief` values travel as bfloat16.
 */
std::unique_ptr<Operation> makeAllReduce(float* data, int64_t count, bool brief);

}  // namespace verydeep
