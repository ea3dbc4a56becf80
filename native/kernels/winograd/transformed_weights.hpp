// Weights at the 36 points, brought up to date when the canonical ones have changed.
#pragma once

#include "../memory_block.hpp"
#include "kernels.hpp"

namespace verydeep::winograd {

class TransformedWeights {
 public:
  TransformedWeights(const Kernels& kernels, const Weights& weights);
  const float* data() const { return block_.floats(); }
  std::size_t bytes() const { return block_.size(); }
  void refresh(uint64_t version);

 private:
  const Kernels& kernels_;
  Weights weights_;
  MemoryBlock block_;
  uint64_t version_ = 0;
};

}  // namespace verydeep::winograd
