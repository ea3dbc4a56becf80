// Gradients with respect to the weights and biases of the convolutions in blocked.hpp and direct.hpp. The work is cut
// into chunks whose number depends only on the shapes, each with its own sums, which are then added in order: the result
// is the same for any number of threads.
#pragma once

#include "blocked.hpp"
#include "sum_product.hpp"

namespace verydeep::winograd {
namespace {

/** Floats of the output gradient per strip: a quarter of a second-level cache. */
constexpr int64_t kGradientStripFloats = int64_t{32} << 10;
/** Work items, for enough threads. */
constexpr int64_t kGradientItems = 32;
/** Floats of the sums of all chunks, unless one chunk alone has more. */
constexpr int64_t kMostSumFloats = int64_t{16} << 20;
/** Most taps in registers, beside kSumVectors vectors of outputs. */
constexpr int kMostTaps = 5;

/** Adds the chunks' sums, `stride` apart, in order. @returns the value at `index` of each lane */
VD_INLINE Vec addedChunks(const float* sums, int64_t chunks, int64_t stride) {
  Vec sum = load(sums);
  for (int64_t i = 1; i < chunks; i++) sum += load(sums + i * stride);
  return sum;
}

/** Adds lanes to values `stride` apart, which exist for the outputs below `outputs`. */
VD_INLINE void addLanesTo(float* to, int64_t stride, Vec sum, int64_t outputs) {
  alignas(64) float lanes[kWidth];
  store(lanes, sum);
  for (int64_t lane = 0; lane < smaller(kWidth, outputs); lane++) to[lane * stride] += lanes[lane];
}

/** Adds the bias gradients of one group of output blocks over some pixels. */
VD_INLINE void addBiasSums(const float* dy, int64_t planeStride, int64_t vectors, int64_t pixels, bool accumulate,
                           float* sums) {
  for (int64_t j = 0; j < vectors; j++) {
    // Four sums at once, so that each addition need not wait for the one before.
    Vec sum[4] = {accumulate ? load(sums + j * kWidth) : zero(), zero(), zero(), zero()};
    for (int64_t i = 0; i < pixels; i++) sum[i % 4] += load(dy + j * planeStride + i * kWidth);
    store(sums + j * kWidth, (sum[0] + sum[1]) + (sum[2] + sum[3]));
  }
}

/** How the gradient of a convolution in the blocked layout is divided. The map of a 1×1 kernel counts as one row. */
struct BlockedGradientPlan {
  explicit BlockedGradientPlan(const BlockedConvolution& c)
      : inBlocks(divideUp(c.inChannels, kWidth)), outBlocks(divideUp(c.outChannels, kWidth)), area(c.kernel * c.kernel) {
    const bool flat = c.kernel == 1 && c.padding == 0;
    const int64_t lines = flat ? c.outHeight() * c.outWidth() : c.outHeight();
    const int64_t lineFloats = kSumVectors * kWidth * (flat ? 1 : c.outWidth());
    strips = divideUp(lines, larger(1, kGradientStripFloats / lineFloats));
    groups = divideUp(outBlocks, kSumVectors);
    blockSums = area * kWidth * kWidth;
    chunkSums = outBlocks * (inBlocks * blockSums + kWidth);
    chunks = smaller(strips * c.images, divideUp(kGradientItems, groups));
    chunks = larger(1, smaller(chunks, kMostSumFloats / chunkSums));
  }
  int64_t inBlocks, outBlocks, area, strips, groups, blockSums, chunkSums, chunks;
};

int64_t blockedGradientScratch(const BlockedGradient& job) {
  const BlockedGradientPlan plan(job.shape);
  return plan.chunks * plan.chunkSums;
}

/** Part of a strip for one tap and input block. */
struct TapPiece {
  /** Input and output gradient at the first pixel, whose rows are `vRow` and `qRow` apart. */
  const float *v, *q;
  int64_t vRow, qRow, planeStride;
  int64_t lines, pixels;
  /** `[vector][input][kWidth]` */
  float* sums;
  bool accumulate;
};

template <int N>
VD_INLINE void addTapChannels(const TapPiece& p, int64_t channel) {
  Vec sum[kSumChannels][N];
  float* s = p.sums + channel * kWidth;
  for (int c = 0; c < kSumChannels; c++) {
    for (int j = 0; j < N; j++) sum[c][j] = p.accumulate ? load(s + (j * kWidth + c) * kWidth) : zero();
  }
  for (int64_t y = 0; y < p.lines; y++) {
    const float *v = p.v + y * p.vRow + channel, *q = p.q + y * p.qRow;
    for (int64_t i = 0; i < p.pixels; i++, v += kWidth, q += kWidth) {
      Vec gradient[N];
      for (int j = 0; j < N; j++) gradient[j] = load(q + j * p.planeStride);
      for (int c = 0; c < kSumChannels; c++) {
        const float x = v[c];
        for (int j = 0; j < N; j++) sum[c][j] = multiplyAdd(gradient[j], x, sum[c][j]);
      }
    }
  }
  for (int c = 0; c < kSumChannels; c++) {
    for (int j = 0; j < N; j++) store(s + (j * kWidth + c) * kWidth, sum[c][j]);
  }
}

/** Calls f(Vectors<N>{}) for N sum vectors. */
template <class F>
VD_INLINE void bySumVectors(int64_t vectors, const F& f) {
  switch (vectors) {
    case 1: return f(Vectors<1>{});
    case 2: return f(Vectors<2>{});
#if VD_WIDTH == 16 || defined(__aarch64__)
    case 3: return f(Vectors<3>{});
#endif
    default: return f(Vectors<kSumVectors>{});
  }
}

/** Adds one strip's products for one group of outputs. */
VD_INLINE void addBlockedStrip(const BlockedGradient& job, const BlockedGradientPlan& plan, int64_t image, Range lines,
                               int64_t first, int64_t vectors, bool accumulate, float* sums) {
  const BlockedConvolution& c = job.shape;
  const bool flat = c.kernel == 1 && c.padding == 0;
  const int64_t outWidth = flat ? c.outHeight() * c.outWidth() : c.outWidth();
  const int64_t inHeight = flat ? 1 : c.inHeight, inWidth = flat ? c.inHeight * c.inWidth : c.inWidth;
  const Range rows = flat ? Range{0, 1} : lines, columns = flat ? lines : Range{0, outWidth};
  TapPiece p{};
  p.planeStride = c.outHeight() * c.outWidth() * kWidth;
  p.vRow = inWidth * kWidth;
  p.qRow = outWidth * kWidth;
  p.accumulate = accumulate;
  const float* dy = job.gradient + (image * plan.outBlocks + first) * p.planeStride;
  for (int64_t b = 0; b < plan.inBlocks; b++) {
    const float* x = job.input + (image * plan.inBlocks + b) * inHeight * inWidth * kWidth;
    const int64_t inputs = smaller(kWidth, c.inChannels - b * kWidth);
    for (int64_t tap = 0; tap < plan.area; tap++) {
      const int64_t ky = tap / c.kernel - c.padding, kx = tap % c.kernel - c.padding;
      const int64_t top = larger(rows.begin, -ky), bottom = smaller(rows.end, inHeight - ky);
      const int64_t left = larger(columns.begin, -kx), right = smaller(columns.end, inWidth - kx);
      p.lines = right > left ? larger(0, bottom - top) : 0;
      p.pixels = right - left;
      p.v = x + ((top + ky) * inWidth + left + kx) * kWidth;
      p.q = dy + (top * outWidth + left) * kWidth;
      p.sums = sums + (b * plan.area + tap) * vectors * kWidth * kWidth;
      bySumVectors(vectors, [&](auto count) {
        for (int64_t channel = 0; channel < inputs; channel += kSumChannels) {
          addTapChannels<decltype(count)::value>(p, channel);
        }
      });
    }
  }
  const int64_t pixels = flat ? lines.end - lines.begin : (lines.end - lines.begin) * outWidth;
  addBiasSums(dy + (rows.begin * outWidth + columns.begin) * kWidth, p.planeStride, vectors, pixels, accumulate,
              sums + vectors * plan.inBlocks * plan.blockSums);
}

/** dw and dbias, added to the canonical gradients. */
void addBlockedGradient(const BlockedGradient& job, Team& team, int) {
  const BlockedGradientPlan plan(job.shape);
  const BlockedConvolution& c = job.shape;
  const bool flat = c.kernel == 1 && c.padding == 0;
  const int64_t lines = flat ? c.outHeight() * c.outWidth() : c.outHeight();
  const auto sumsOf = [&](int64_t chunk, int64_t firstBlock) {
    return job.scratch + chunk * plan.chunkSums + firstBlock * (plan.inBlocks * plan.blockSums + kWidth);
  };
  for (int64_t i; (i = team.take()) < plan.chunks * plan.groups;) {
    const int64_t first = i % plan.groups * kSumVectors, vectors = smaller(kSumVectors, plan.outBlocks - first);
    const int64_t chunk = i / plan.groups;
    const Range strips = part(plan.strips * c.images, plan.chunks, chunk);
    for (int64_t strip = strips.begin; strip < strips.end; strip++) {
      addBlockedStrip(job, plan, strip / plan.strips, part(lines, plan.strips, strip % plan.strips), first, vectors,
                      strip > strips.begin, sumsOf(chunk, first));
    }
  }
  team.wait();
  for (int64_t i; (i = team.take()) < plan.outBlocks * (plan.inBlocks + 1);) {
    const int64_t out = i / (plan.inBlocks + 1), b = i % (plan.inBlocks + 1);
    const int64_t first = out / kSumVectors * kSumVectors, j = out - first;
    const int64_t vectors = smaller(kSumVectors, plan.outBlocks - first), outputs = c.outChannels - out * kWidth;
    const float* sums = sumsOf(0, first) + vectors * b * plan.blockSums;
    if (b == plan.inBlocks) {
      addLanesTo(job.bias + out * kWidth, 1, addedChunks(sums + j * kWidth, plan.chunks, plan.chunkSums), outputs);
      continue;
    }
    for (int64_t k = 0; k < smaller(kWidth, c.inChannels - b * kWidth); k++) {
      for (int64_t tap = 0; tap < plan.area; tap++) {
        const float* at = sums + ((tap * vectors + j) * kWidth + k) * kWidth;
        addLanesTo(job.weights + (out * kWidth * c.inChannels + b * kWidth + k) * plan.area + tap,
                   c.inChannels * plan.area, addedChunks(at, plan.chunks, plan.chunkSums), outputs);
      }
    }
  }
}

/** How the gradient of a convolution with few, unblocked input channels is divided. */
struct DirectGradientPlan {
  DirectGradientPlan(const DirectConvolution& c, int threads)
      : outBlocks(divideUp(c.outChannels, kWidth)), lines(c.images * c.outHeight()) {
    chunkSums = outBlocks * kWidth * (c.taps() + 1);
    chunks = larger(1, smaller(smaller(lines, 2 * kGradientItems), kMostSumFloats / chunkSums));
    rowFloats = divideUp(c.inChannels * c.kernel * paddedWidth(c), kWidth) * kWidth;
    floats = chunks * chunkSums + threads * rowFloats;
  }
  int64_t outBlocks, lines, chunkSums, chunks, rowFloats, floats;
};

int64_t directGradientScratch(const DirectGradient& job, int threads) {
  return DirectGradientPlan(job.shape, threads).floats;
}

/** Adds the products of one row of outputs with T adjacent taps. */
template <int N, int T>
VD_INLINE void addTaps(const float* row, const float* dy, int64_t planeStride, int64_t width, float* sums,
                       int64_t tapStride) {
  Vec sum[T][N];
  for (int t = 0; t < T; t++) {
    for (int j = 0; j < N; j++) sum[t][j] = load(sums + t * tapStride + j * kWidth);
  }
  for (int64_t i = 0; i < width; i++, dy += kWidth) {
    Vec gradient[N];
    for (int j = 0; j < N; j++) gradient[j] = load(dy + j * planeStride);
    for (int t = 0; t < T; t++) {
      const float x = row[i + t];
      for (int j = 0; j < N; j++) sum[t][j] = multiplyAdd(gradient[j], x, sum[t][j]);
    }
  }
  for (int t = 0; t < T; t++) {
    for (int j = 0; j < N; j++) store(sums + t * tapStride + j * kWidth, sum[t][j]);
  }
}

template <int N>
VD_INLINE void addTapRow(const float* row, int64_t taps, const float* dy, int64_t planeStride, int64_t width, float* sums,
                         int64_t tapStride) {
  const int64_t pieces = divideUp(taps, kMostTaps);
  for (int64_t i = 0; i < pieces; i++) {
    const Range range = part(taps, pieces, i);
    float* to = sums + range.begin * tapStride;
    switch (range.end - range.begin) {
      case 1: addTaps<N, 1>(row + range.begin, dy, planeStride, width, to, tapStride); break;
      case 2: addTaps<N, 2>(row + range.begin, dy, planeStride, width, to, tapStride); break;
      case 3: addTaps<N, 3>(row + range.begin, dy, planeStride, width, to, tapStride); break;
      case 4: addTaps<N, 4>(row + range.begin, dy, planeStride, width, to, tapStride); break;
      default: addTaps<N, kMostTaps>(row + range.begin, dy, planeStride, width, to, tapStride); break;
    }
  }
}

/** dw and dbias, added to the canonical gradients. */
void addDirectGradient(const DirectGradient& job, Team& team, int thread) {
  DirectConvolution c = job.shape;
  c.input = job.input;
  const DirectGradientPlan plan(c, team.threads());
  const int64_t height = c.outHeight(), width = c.outWidth(), planeStride = height * width * kWidth;
  const int64_t tapStride = plan.outBlocks * kWidth;
  float* rows = job.scratch + plan.chunks * plan.chunkSums + thread * plan.rowFloats;
  for (int64_t chunk; (chunk = team.take()) < plan.chunks;) {
    // `[tap][out block][kWidth]`, and the bias as one more tap.
    float *sums = job.scratch + chunk * plan.chunkSums, *biases = sums + c.taps() * tapStride;
    std::memset(sums, 0, static_cast<std::size_t>(plan.chunkSums) * sizeof(float));
    const Range lines = part(plan.lines, plan.chunks, chunk);
    for (int64_t line = lines.begin; line < lines.end; line++) {
      const int64_t image = line / height, y = line % height;
      copyRows(c, image, y, rows);
      for (int64_t first = 0; first < plan.outBlocks; first += kSumVectors) {
        const int64_t vectors = smaller(kSumVectors, plan.outBlocks - first);
        const float* dy = job.gradient + (image * plan.outBlocks + first) * planeStride + y * width * kWidth;
        bySumVectors(vectors, [&](auto count) {
          for (int64_t r = 0; r < c.inChannels * c.kernel; r++) {
            addTapRow<decltype(count)::value>(rows + r * paddedWidth(c), c.kernel, dy, planeStride, width,
                                              sums + r * c.kernel * tapStride + first * kWidth, tapStride);
          }
        });
        addBiasSums(dy, planeStride, vectors, width, true, biases + first * kWidth);
      }
    }
  }
  team.wait();
  for (int64_t i; (i = team.take()) < plan.outBlocks;) {
    const int64_t outputs = c.outChannels - i * kWidth;
    const auto sumAt = [&](int64_t tap) {
      return addedChunks(job.scratch + tap * tapStride + i * kWidth, plan.chunks, plan.chunkSums);
    };
    for (int64_t tap = 0; tap < c.taps(); tap++) {
      addLanesTo(job.weights + i * kWidth * c.taps() + tap, c.taps(), sumAt(tap), outputs);
    }
    addLanesTo(job.bias + i * kWidth, 1, sumAt(c.taps()), outputs);
  }
}

}  // namespace
}  // namespace verydeep::winograd
