#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "operation.hpp"

namespace verydeep {

/** Copies `data[0 … count)` of `root` to every rank. */
std::unique_ptr<Operation> makeBroadcast(float* data, int64_t count, int root);

using Bytes = std::vector<uint8_t>;

/** Gives every rank the bytes of all ranks, concatenated; lengths may differ, and `ends` are the ends of each. */
std::unique_ptr<Operation> makeAllGather(Bytes mine, std::shared_ptr<Bytes> all, std::shared_ptr<std::vector<int>> ends);

}  // namespace verydeep
