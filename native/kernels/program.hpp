// A chain of layers compiled for one input shape.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "layers.hpp"

namespace verydeep {

/** A layer as TypeScript describes it. Each kind uses some of the fields. */
struct LayerSpec {
  enum class Kind { convolution, relu, maxPool, adaptivePool, lrn, dropout } kind;
  ConvolutionSpec convolution{};
  LrnSpec lrn{};
  bool ceil = false, maximum = false;
  int64_t side = 1;
  double rate = 0;
};

struct ProgramOptions {
  std::vector<LayerSpec> layers;
  Shape input{};
  bool training = false;
  bool inputGradient = false;
};

/** All methods run on the worker's thread. */
class Program {
 public:
  Program(Context& context, std::shared_ptr<Parameters> parameters, const ProgramOptions& options);

  const Shape& input() const { return input_.shape; }
  const Shape& output() const { return output_.shape; }
  bool training() const { return planner_.training(); }
  bool hasInputGradient() const { return inputGradient_.slot != nullptr; }
  /** The times of the last run's stages. */
  std::vector<Stage> stages() const;
  MemoryUse memoryUse() const { return planner_.memoryUse(); }

  /** Throws before the next step once `stop` is set. */
  void forward(const Batch& batch, const std::atomic<bool>& stop);
  /** Forward, loss, backward. */
  void accumulate(const Batch& batch, const std::atomic<bool>& stop);
  /** Forward, and backward from the batch's output gradient. */
  void backward(const Batch& batch, const std::atomic<bool>& stop);

 private:
  void planForward(const ProgramOptions& options);
  void planBackward(const ProgramOptions& options);
  void planReady(const ProgramOptions& options, std::size_t layer);

  Planner planner_;
  std::vector<std::unique_ptr<Layer>> layers_;
  /** Each layer's index in the chain, or that of the first layer fused into it. */
  std::vector<std::size_t> numbers_;
  Tensor input_{}, output_{}, outputGradient_{}, inputGradient_{};
};

}  // namespace verydeep
