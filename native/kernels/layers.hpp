// The layer types; each has a separate file.
#pragma once

#include <cstdint>
#include <memory>

#include "loops/loops.hpp"
#include "planner.hpp"

namespace verydeep {

/** A convolution with stride 1, a square kernel and zero padding, and the indices of its tensors in the parameters. */
struct ConvolutionSpec {
  int64_t kernel, padding, inChannels, outChannels;
  std::size_t weight, bias;

  /** Multiplications per output value. */
  int64_t products() const { return inChannels * kernel * kernel; }
  Shape outputOf(const Shape& in) const {
    const int64_t grow = 2 * padding - kernel + 1;
    return {in.n, outChannels, in.h + grow, in.w + grow};
  }
};

/** With fewer input channels (an image has three), the vectors of a blocked layout would be too empty. */
constexpr int64_t kFewestChannels = 8;

/** Any convolution, with a ReLU if `rectify`. */
std::unique_ptr<Layer> makeConvolution(const ConvolutionSpec& spec, bool rectify);
/** A convolution as one matrix product with the canonical weights: see suitsMatrixProduct. */
std::unique_ptr<Layer> makeMatrixProduct(const ConvolutionSpec& spec);
bool suitsMatrixProduct(const ConvolutionSpec& spec, const Tensor& input, bool training);
/** Layers that a convolution computes in the same step. */
struct Epilogue {
  bool rectify = false, pool = false;
  /** The pooling's rounding. */
  bool ceil = false;
};
/** A 3×3 convolution by Winograd's method. */
std::unique_ptr<Layer> makeWinogradConvolution(const ConvolutionSpec& spec, const Epilogue& epilogue);
bool suitsWinograd(const ConvolutionSpec& spec, const Shape& input);
/** Works in place. */
std::unique_ptr<Layer> makeRelu();
/** Adds a step that sets the gradient to 0 where y, the output of a ReLU, is not above 0. */
void planReluMask(Planner& planner, const Tensor& y);
/** 2×2, stride 2. `rectify` applies a preceding ReLU to the maximum instead, which costs less. */
std::unique_ptr<Layer> makeMaxPool(bool ceil, bool rectify);
/** Pooling of each map to `side` × `side`, by the mean, or by the maximum to one value. */
std::unique_ptr<Layer> makeAdaptivePool(int64_t side, bool maximum);
std::unique_ptr<Layer> makeLrn(const LrnSpec& spec);
/** Works in place. `ordinal` is the number of this dropout layer in the chain. */
std::unique_ptr<Layer> makeDropout(double rate, uint32_t ordinal);

/**
 * Soft-max cross-entropy of logits `[images, classes]`: the batch's losses in nats, and the gradient of their sum times
 * its gradient scale.
 * @throws std::out_of_range if a label is not a class
 */
void softmaxLoss(const float* logits, const Batch& batch, int64_t classes, float* gradient);
/**
 * Euclidean loss of outputs `[images, outputs]` from the batch's targets; `gradient` must be 0.
 * @throws std::out_of_range if a label's outputs are not among them
 */
void euclideanLoss(const float* output, const Batch& batch, int64_t outputs, float* gradient);

}  // namespace verydeep
