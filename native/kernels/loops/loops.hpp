// Loops over plain arrays: pooling, ReLU, dropout, the update, and local response normalization. Like the kernels in
// winograd/, they are compiled once for each instruction set, but without contraction of products and sums, so that all
// give the same bits.
#pragma once

#include <cstdint>

namespace verydeep {

/** One row of 2×2 windows over `planes` of `block` interleaved values. */
struct PoolRow {
  /** Rows of the input; `bottom` equals `top` where the window is cut off. */
  float *top, *bottom;
  /** Row of the output. */
  float* y;
  /** Which of the four values of its window each output is: 0 to 3, row by row. */
  uint8_t* place;
  int64_t inWidth, outWidth;
  bool rectify;
};

/** The layer's constants, as in lrn.cpp. */
struct LrnSpec {
  int64_t size;
  float k, alpha, beta;
};

/** One pixel's channels; `terms` has size / 2 zeros before and after them. */
struct LrnPixel {
  float *x, *dy, *scales, *powers, *sums, *terms;
};

struct SgdArrays {
  float *values, *gradients, *velocities;
};

/** Counters per call of drawWords. */
constexpr int64_t kDrawnCounters = 256;

struct Loops {
  /** x ← max(x, 0); NaN stays NaN. */
  void (*rectify)(float* x, int64_t begin, int64_t end);
  /** g ← g where y > 0, else 0. */
  void (*mask)(const float* y, float* g, int64_t begin, int64_t end);
  void (*poolForward)(const PoolRow& row, int64_t block);
  void (*poolBackward)(const PoolRow& row, const float* gradient, int64_t block);
  /** The words of Threefry-2x32 for the counters (ordinal, first …). */
  void (*drawWords)(uint32_t key0, uint32_t key1, uint32_t ordinal, uint32_t first, uint32_t* even, uint32_t* odd);
  /** v ← momentum · v − rate · (g + decay · w), w ← w + v, g ← 0 */
  void (*step)(const SgdArrays& arrays, int64_t begin, int64_t end, float rate, float momentum, float decay);
  /** Computes s and s^−β. */
  void (*lrnScale)(const LrnSpec& spec, int64_t channels, const LrnPixel& pixel);
  /** Overwrites x with y. */
  void (*lrnNormalize)(int64_t channels, const LrnPixel& pixel);
  /** Overwrites dy with dx. */
  void (*lrnPropagate)(const LrnSpec& spec, int64_t channels, const LrnPixel& pixel);
};

/** The loops for this processor's best instruction set, which VERYDEEP_ISA limits as for the kernels. */
const Loops& bestLoops();

}  // namespace verydeep
