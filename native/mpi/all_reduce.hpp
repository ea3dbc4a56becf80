#pragma once

#include <cstdint>
#include <memory>

#include "collective_operation.hpp"

namespace verydeep {

/**
 * Replaces `data[0 … count)` on every rank by the sum over ranks. Sums are in float32 and always in rank order, so all
 * ranks get the same bits whatever the network does. With `brief`, values are sent as bfloat16.
 */
std::unique_ptr<CollectiveOperation> makeAllReduce(float* data, int64_t count, bool brief);

}  // namespace verydeep
