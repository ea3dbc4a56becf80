#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "operation.hpp"

namespace verydeep {

/** Makes `data[0 … count)` on every rank what it is on `root`. */
std::unique_ptr<Operation> makeBroadcast(float* data, int64_t count, int root);

using Bytes = std::vector<uint8_t>;

/** Gives every rank the bytes of all, which may differ in length, one after the other; `ends` are where each ends. */
std::unique_ptr<Operation> makeAllGather(Bytes mine, std::shared_ptr<Bytes> all, std::shared_ptr<std::vector<int>> ends);

}  // namespace verydeep
