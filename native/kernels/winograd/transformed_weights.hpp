// Weights as kernels read them, brought up to date when the canonical ones have changed.
#pragma once

#include <functional>

#include "../memory_block.hpp"
#include "kernels.hpp"

namespace verydeep::winograd {

class Team;

class TransformedWeights {
 public:
  /** Called by every thread of a team at once. */
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
