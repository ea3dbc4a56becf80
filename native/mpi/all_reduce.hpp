#pragma once

#include <cstdint>
#include <memory>

#include "operation.hpp"

namespace verydeep {

/**
 * Replaces `data[0 … count)` on every rank by the sum over ranks, in float32 and always in the order of the ranks, so
 * that all ranks get the same bits, whatever the network does. With `brief`, values travel as bfloat16.
 */
std::unique_ptr<Operation> makeAllReduce(float* data, int64_t count, bool brief);

}  // namespace verydeep
