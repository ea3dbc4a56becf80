// Learned tensors: their values and, for training, gradients and velocities.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "memory_block.hpp"
#include "winograd/transformed_weights.hpp"

namespace verydeep {

/** Where a tensor is in each block. */
struct TensorPlace {
  int64_t offset, count;
  bool isBias;
  /** Factor on the learning rate; 0 freezes the tensor. */
  float rate;
};

struct SgdStep {
  float learningRate, momentum, weightDecay, biasDecay;
};

/** Which weights a kernel reads, and in which layout. */
struct WeightUse {
  /**
   * Forward and backward: weights of a 3×3 convolution, `[outputs, inputs, 3, 3]`. Blocked: of any convolution, `[outputs,
   * inputs, kernel, kernel]`. Dots and direct: weights of dot products or of a direct convolution (whose taps are its
   * inputs), `[outputs, inputs]`.
   */
  enum class Pass { forward, backward, blocked, blockedBackward, dots, direct } pass;
  const winograd::Kernels* kernels;
  std::size_t tensor;
  int64_t inputs, outputs;
  /** Only for a 3×3 convolution. */
  winograd::Scheme scheme = winograd::Scheme::tiles4;
  /** Only for blocked weights. */
  int64_t kernel = 3;
};

/**
 * One contiguous block per field, in canonical layout (weights OIHW) and in the order of the specs. Frozen tensors before
 * the first trained one have neither gradients nor velocities. All methods except the constructor run on the worker's
 * thread.
 */
class Parameters {
 public:
  enum class Field { values, gradients, velocities };

  /** @param rates of the tensors (default: 1) @throws OutOfMemory */
  Parameters(const std::vector<int64_t>& counts, const std::vector<bool>& isBias, bool training,
             Allocation allocation = Allocation::real, const std::vector<float>& rates = {});

  bool training() const { return training_; }
  /** `dryRun` if nothing is allocated for these parameters and their programs. */
  Allocation allocation() const { return allocation_; }
  bool has(Field field) const { return field == Field::values || (training_ && field <= Field::velocities); }
  bool has(Field field, std::size_t tensor) const {
    return tensor < tensors() && has(field) && (field == Field::values || tensor >= firstTrained_);
  }
  std::size_t tensors() const { return places_.size(); }
  int64_t count(std::size_t tensor) const { return places_.at(tensor).count; }
  /** Null in a dry run. */
  float* data(Field field, std::size_t tensor) const;
  /** The block of a field, and its number of values. */
  float* block(Field field, int64_t& count) const;
  /** Increases whenever the tensor's values may have changed. */
  uint64_t version(std::size_t tensor) const { return tensor < firstTrained_ ? frozenVersion_ : version_; }

  void read(Field field, std::size_t tensor, float* to) const;
  void write(Field field, std::size_t tensor, const float* from);
  /** v ← momentum · v − learningRate · (g + decay · w), w ← w + v, g ← 0 */
  void update(const SgdStep& step);
  void zeroGradients();

  /** Shared by all programs that use this layout of a tensor, and freed with the last of them. */
  std::shared_ptr<winograd::TransformedWeights> transformedOf(const WeightUse& use);

 private:
  struct TransformedEntry {
    WeightUse use;
    std::weak_ptr<winograd::TransformedWeights> copy;
  };

  const MemoryBlock& memory(Field field) const;

  bool training_;
  Allocation allocation_;
  std::vector<TensorPlace> places_;
  MemoryBlock values_, gradients_, velocities_;
  /** The first tensor with a gradient, and the number of values before it. */
  std::size_t firstTrained_ = 0;
  int64_t frozen_ = 0;
  std::vector<TransformedEntry> transformed_;
  uint64_t version_ = 1, frozenVersion_ = 1;
};

}  // namespace verydeep
