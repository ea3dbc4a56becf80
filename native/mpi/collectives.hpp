#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "collective_operation.hpp"

namespace verydeep {

/** Copies `data[0 … count)` of `root` to every rank. */
std::unique_ptr<CollectiveOperation> makeBroadcast(float* data, int64_t count, int root);

using Bytes = std::vector<uint8_t>;

/** Gives every rank the bytes of all ranks, concatenated. Lengths may differ; `ends` receives where each rank's end. */
std::unique_ptr<CollectiveOperation> makeAllGather(Bytes mine, std::shared_ptr<Bytes> all,
                                                   std::shared_ptr<std::vector<int>> ends);

}  // namespace verydeep
