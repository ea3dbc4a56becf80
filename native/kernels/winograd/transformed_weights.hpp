// Weights packed for our own kernels (see weight_transform.hpp), updated when the canonical ones have changed.
#pragma once

#include <functional>

#include "../memory_block.hpp"
#include "kernels.hpp"

namespace verydeep::winograd {

class Team;

class TransformedWeights {
 public:
  /** All threads of a team call it together. */
  using Transform = std::function<void(void* to, Team& team, int thread)>;

  TransformedWeights(Allocation allocation, int64_t floats, Transform transform);
  const void* data() const { return block_.bytes(); }
  std::size_t bytes() const { return block_.size(); }
  void refresh(uint64_t version);

 private:
  MemoryBlock block_;
  Transform transform_;
  uint64_t version_ = 0;
};

}  // namespace verydeep::winograd
