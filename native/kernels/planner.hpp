// Turns a chain of layers into flat lists of steps over planned memory.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "parameters.hpp"
#include "step_list.hpp"
#include "tensor.hpp"
#include "winograd/transformed_weights.hpp"
#include "winograd/tuner.hpp"

namespace verydeep {

/** Inputs and outputs of one run of a program. Those that a run does not need are null. */
struct Batch {
  /** Number of images, from 1 to N. */
  int64_t images = 0;
  /** `[images, C, H, W]` */
  const float* input = nullptr;
  /** `[images, 2]` */
  const uint32_t* dropoutKeys = nullptr;
  /** `[images]` */
  const int32_t* labels = nullptr;
  double gradientScale = 0;
  /** `[images]`: factors on the losses; null: 1 */
  const float* weights = nullptr;
  double labelSmoothing = 0;
  /** `[images, targetCount]`: with targets, the loss is the Euclidean one. */
  const float* targets = nullptr;
  int64_t targetCount = 0;
  /** `[images]` */
  float* losses = nullptr;
  /** `[images, C', H', W']` */
  float* output = nullptr;
  const float* outputGradient = nullptr;
  /** `[images, C, H, W]` */
  float* inputGradient = nullptr;
  /** Called during the backward pass: the gradients of this tensor and of all later ones are final. */
  std::function<void(std::size_t)> gradientsReady;
};

/** State that an engine's programs share. */
struct Context {
  /** Whether inference multiplies in bfloat16, which the processor must support. */
  bool bf16 = false;
  winograd::Tuner tuner;
};

/** Memory that several layers use in turn. */
enum class Scratch { columns, turned, convolution, product, winograd, count };

/** Bytes of a program's memory. Other programs may share the transformed weights. */
struct MemoryUse {
  std::size_t activations = 0, gradients = 0, scratch = 0, transformedWeights = 0;

  std::size_t total() const { return activations + gradients + scratch + transformedWeights; }
};

/**
 * Collects steps and memory while layers are planned one after another, then owns them for the program. In inference,
 * activations alternate between two slots. In training, each activation is kept and gradients alternate.
 */
class Planner {
 public:
  Planner(Context& context, std::shared_ptr<Parameters> parameters, bool training);

  /** The output of the layer planned last. */
  Tensor activation{};
  /** The gradient with respect to the output of the layer whose backward pass is planned next. */
  Tensor gradient{};
  StepList forward, backward;

  Context& context() { return context_; }
  const std::shared_ptr<Parameters>& parameters() const { return parameters_; }
  bool training() const { return training_; }

  /** A tensor for the next activation, which can be computed from `activation`. */
  Tensor nextActivation(const Shape& shape, int64_t block);
  /** Like nextActivation, but for `gradient`. */
  Tensor nextGradient(const Shape& shape, int64_t block);
  /** Converts `activation` to a layout, if it has another. */
  void layOutActivation(int64_t block);
  void layOutGradient(int64_t block);
  Slot& scratch(Scratch which) { return scratch_[static_cast<std::size_t>(which)]; }
  /** Memory that belongs to one layer. */
  Slot& ownSlot();
  /** Weights in the layout of a kernel, which a step in the list updates when the parameters have changed. */
  const void* transformedWeights(StepList& steps, const WeightUse& use);
  /** The kernels for this program's precision. */
  const winograd::Kernels& kernels() const;
  /** Assigns memory to all tensors, once every layer is planned. @throws OutOfMemory */
  void allocate();
  /** Known once `allocate` has run. */
  MemoryUse memoryUse() const;

 private:
  Tensor alternate(std::array<Slot*, 2>& slots, const Tensor& now, const Shape& shape, int64_t block);
  void reorder(StepList& steps, const Tensor& from, const Tensor& to);
  /** The part of the memory that a slot counts toward. */
  std::size_t& useOf(const Slot& slot);

  Context& context_;
  std::shared_ptr<Parameters> parameters_;
  bool training_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::array<Slot*, 2> activations_{}, gradients_{};
  std::array<Slot, static_cast<std::size_t>(Scratch::count)> scratch_;
  std::vector<std::shared_ptr<winograd::TransformedWeights>> transformedWeights_;
  MemoryBlock memory_;
  /** How `memory_` is divided. */
  MemoryUse use_;
};

/** A layer of a program. planBackward runs after all layers' planForward, in reverse order. */
class Layer {
 public:
  virtual ~Layer() = default;
  virtual void planForward(Planner& planner) = 0;
  /** @param wantInput whether a layer below needs the gradient with respect to this layer's input */
  virtual void planBackward(Planner& planner, bool wantInput) = 0;
  virtual bool hasParameters() const { return false; }
};

}  // namespace verydeep
