// 3×3 convolutions with stride 1 and padding 1 by Winograd's method F(4×4, 3×3): the interface of the kernels, which
// are compiled once for each instruction set. docs/explanation/kernels.md explains them.
//
// Maps are blocked as in Tensor (nChw8c where a vector has 8 values); `blocks` counts blocks of channels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace verydeep::winograd {

class Team;

/** How to compute outputs with fewer products: see transforms.hpp. */
enum class Scheme { tiles4, maps2 };

/** N maps, cut into tiles of 4×4 pixels. Tiles are numbered row by row, consecutively across all images. */
struct Grid {
  int64_t images, height, width;

  int64_t down() const { return (height + 3) / 4; }
  int64_t across() const { return (width + 3) / 4; }
  int64_t tiles() const { return images * down() * across(); }
  Scheme scheme() const { return height <= 2 && width <= 2 ? Scheme::maps2 : Scheme::tiles4; }
};

/** The result of 2×2 max pooling, [N, C, H', W'] blocked, or the gradient with respect to it. */
struct Pooled {
  float* values = nullptr;
  /** Which of the four values of its window each output is: 0 to 3, row by row. */
  uint8_t* places = nullptr;
  int64_t height = 0, width = 0;
};

/** y = conv(x, w) + bias, and how y is modified before it is stored. In the backward pass, x and y are gradients. */
struct Convolution {
  Grid grid{};
  int64_t inBlocks = 0, outBlocks = 0, outChannels = 0;
  /** Exactly one of the two is set: x itself, or the gradient passed back by a pooling layer. */
  const float* input = nullptr;
  Pooled pooledInput{};
  /** From transformWeights. */
  const void* weights = nullptr;
  /** `[outChannels]`, or none. */
  const float* bias = nullptr;
  bool rectify = false;
  /** Optional, of y's shape: y becomes 0 where this is not above 0. */
  const float* mask = nullptr;
  /** Exactly one of the two is set. */
  float* output = nullptr;
  Pooled pooledOutput{};
};

/** Accumulates dw and dbias over all images. */
struct WeightGradient {
  Grid grid{};
  int64_t inBlocks = 0, outBlocks = 0, inChannels = 0, outChannels = 0;
  const float* input = nullptr;
  /** Exactly one of the two is set: dy itself, or the gradient passed back by a pooling layer. */
  const float* gradient = nullptr;
  Pooled pooledGradient{};
  /** `[outChannels, inChannels, 3, 3]` */
  float* weights = nullptr;
  /** `[outChannels]` */
  float* bias = nullptr;
};

/** How the work on the tiles is divided. It affects only the time, never the result. */
struct Schedule {
  /** Tiles transformed and multiplied together. */
  int64_t tiles = 0;
  /** All threads work on one block of tiles, because there are few tiles or the weights exceed the caches. */
  bool shared = false;
  /** The output bypasses the caches. */
  bool stream = false;
  float* scratch = nullptr;
};

constexpr int kMostSchedules = 6;

struct Weights {
  Scheme scheme;
  int64_t inChannels, outChannels;
  /** For the backward pass: the weights are rotated by 180°, and input and output exchange roles. */
  bool backward;
  /** `[outChannels, inChannels, 3, 3]` */
  const float* canonical;
  void* transformed;
};

/** y = x · wᵀ + bias. */
struct DotProducts {
  int64_t rows = 0, inputs = 0, outputs = 0;
  /** `[rows, inputs]` */
  const float* x = nullptr;
  /** `[outputs, inputs]`, from packDotWeights, or canonical if elements are floats. */
  const void* weights = nullptr;
  /** `[outputs]` */
  const float* bias = nullptr;
  /** `[rows, outputs]` */
  float* y = nullptr;
  float* scratch = nullptr;
};

/** y = conv(x, w) + bias with stride 1, for few input channels, with an optional ReLU. */
struct DirectConvolution {
  int64_t images, inChannels, inHeight, inWidth, kernel, padding, outChannels;
  bool rectify;
  /** `[images, inChannels, inHeight, inWidth]`, not blocked. */
  const float* input = nullptr;
  /** From packDirectWeights. */
  const float* weights = nullptr;
  /** `[outChannels]` */
  const float* bias = nullptr;
  /** `[images, outChannels, outHeight, outWidth]`, blocked. */
  float* output = nullptr;
  float* scratch = nullptr;

  /** Multiplications per output. */
  int64_t taps() const { return inChannels * kernel * kernel; }
  int64_t outHeight() const { return inHeight + 2 * padding - kernel + 1; }
  int64_t outWidth() const { return inWidth + 2 * padding - kernel + 1; }
};

/** Of a convolution with few, unblocked input channels: dw and dbias, which are added to. */
struct DirectGradient {
  DirectConvolution shape;
  /** As in the forward pass. */
  const float* input = nullptr;
  /** `[images, outChannels, outHeight, outWidth]`, blocked. */
  const float* gradient = nullptr;
  /** `[outChannels, inChannels, kernel, kernel]` */
  float* weights = nullptr;
  /** `[outChannels]` */
  float* bias = nullptr;
  float* scratch = nullptr;
};

/** y = conv(x, w) + bias with stride 1, for any kernel; x and y are blocked. In the backward pass they are gradients. */
struct BlockedConvolution {
  int64_t images, inChannels, inHeight, inWidth, kernel, padding, outChannels;
  bool rectify = false;
  const float* input = nullptr;
  /** From packBlockedWeights. */
  const float* weights = nullptr;
  /** `[outChannels]`, or none. */
  const float* bias = nullptr;
  float* output = nullptr;
  float* scratch = nullptr;

  int64_t outHeight() const { return inHeight + 2 * padding - kernel + 1; }
  int64_t outWidth() const { return inWidth + 2 * padding - kernel + 1; }
};

struct BlockedWeights {
  int64_t kernel, inChannels, outChannels;
  /** For the backward pass: the weights are rotated by 180°, and input and output exchange roles. */
  bool backward;
  /** `[outChannels, inChannels, kernel, kernel]` */
  const float* canonical = nullptr;
  float* packed = nullptr;
};

/** Of a convolution in the blocked layout: dw and dbias, which are added to. */
struct BlockedGradient {
  BlockedConvolution shape;
  const float* input = nullptr;
  const float* gradient = nullptr;
  /** `[outChannels, inChannels, kernel, kernel]` */
  float* weights = nullptr;
  /** `[outChannels]` */
  float* bias = nullptr;
  float* scratch = nullptr;
};

/** C [m, n] = A [m, k] · B [k, n], or += . C is stored by rows; value (i, j) of A is at i · aRow + j · aColumn. */
struct MatrixProduct {
  int64_t m, n, k;
  const float* a;
  int64_t aRow, aColumn;
  const float* b;
  int64_t bRow, bColumn;
  /** Whether to add to C. */
  bool add;
  float* c;
  float* scratch = nullptr;
};

/** The kernels for one instruction set. All threads of a team call them together, except those that return sizes. */
struct Kernels {
  const char* name;
  /** Values in a vector, and channels in a block. */
  int64_t width;
  /** Size of one transformed value. Unless it is a float's, the kernels are for inference only. */
  std::size_t elementBytes;

  /** Fills in the default schedule, then others that may be faster. @returns their number */
  int (*convolutionSchedules)(const Convolution& job, int threads, Schedule (&schedules)[kMostSchedules]);
  /** Floats of scratch memory. */
  int64_t (*convolutionScratch)(const Convolution& job, const Schedule& schedule, int threads);
  void (*convolve)(const Convolution& job, const Schedule& schedule, Team& team, int thread);

  Schedule (*scheduleWeightGradient)(const WeightGradient& job, int threads);
  int64_t (*weightGradientScratch)(const WeightGradient& job, const Schedule& schedule, int threads);
  void (*addWeightGradient)(const WeightGradient& job, const Schedule& schedule, Team& team, int thread);

  /** Floats of transformed weights. */
  int64_t (*transformedWeights)(Scheme scheme, int64_t inChannels, int64_t outChannels);
  void (*transformWeights)(const Weights& weights, Team& team, int thread);

  /** Floats of scratch memory. */
  int64_t (*dotScratch)(const DotProducts& job);
  void (*multiplyDots)(const DotProducts& job, Team& team, int thread);
  void (*packDotWeights)(const float* canonical, int64_t inputs, int64_t outputs, void* to, Team& team, int thread);

  /** Floats of scratch memory. */
  int64_t (*directScratch)(const DirectConvolution& job, int threads);
  void (*convolveDirectly)(const DirectConvolution& job, Team& team, int thread);
  /** Floats of packed weights `[outputs, taps]`. */
  int64_t (*directWeights)(int64_t taps, int64_t outputs);
  void (*packDirectWeights)(const float* canonical, int64_t taps, int64_t outputs, void* to, Team& team, int thread);

  /** Multiplies and adds in registers. @returns the number of floating-point operations of the calling thread */
  double (*multiplyAndAdd)(int64_t rounds);

  // The rest is for float32 only, and null in kernels with other elements.

  /** Floats of scratch memory. */
  int64_t (*directGradientScratch)(const DirectGradient& job, int threads) = nullptr;
  void (*addDirectGradient)(const DirectGradient& job, Team& team, int thread) = nullptr;

  /** Floats of scratch memory. */
  int64_t (*blockedScratch)(const BlockedConvolution& job, int threads) = nullptr;
  void (*convolveBlocked)(const BlockedConvolution& job, Team& team, int thread) = nullptr;
  int64_t (*blockedGradientScratch)(const BlockedGradient& job) = nullptr;
  void (*addBlockedGradient)(const BlockedGradient& job, Team& team, int thread) = nullptr;
  /** Floats of packed weights. */
  int64_t (*blockedWeights)(const BlockedWeights& weights) = nullptr;
  void (*packBlockedWeights)(const BlockedWeights& weights, Team& team, int thread) = nullptr;

  /** Floats of scratch memory. */
  int64_t (*matrixScratch)(const MatrixProduct& job, int threads) = nullptr;
  void (*multiplyMatrices)(const MatrixProduct& job, Team& team, int thread) = nullptr;

};

/** The kernels for this processor's best instruction set: see isa.hpp. */
const Kernels& bestKernels();
/** The kernels that multiply bfloat16, or null if the processor or the compiler does not support it. */
const Kernels* bf16Kernels();
/** The floating-point operations per second that all threads together can do in registers. */
double measuredPeak();

}  // namespace verydeep::winograd
