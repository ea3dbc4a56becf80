// Convolution backward to the weights: transform tiles of input and output gradient, multiply them, summed over the
// tiles, at all points, transform the sums back.
//
// All threads work on one block of tiles at a time, and each sum is made by one thread in the order of the tiles:
// the result does not depend on the number of threads.
#pragma once

#include "convolve.hpp"
#include "transpose.hpp"

namespace verydeep::winograd {
namespace {

// Sums in registers: vectors of outputs times inputs.
#if VD_WIDTH == 16 || defined(__aarch64__)
constexpr int kSumVectors = 4, kSumChannels = 4;
#else
constexpr int kSumVectors = 3, kSumChannels = 4;
#endif
/** Tiles whose values stay in the first-level cache while the sums pass by. */
constexpr int64_t kPanelTiles = 128;
/** Blocks of outputs of one item of work. */
constexpr int64_t kItemBlocks = 24;

/** S [inputs, outputs] += Vᵀ [inputs, tiles] · Q [tiles, outputs], at one point. */
struct SumProduct {
  /** `[block][tile][kWidth]` */
  const float *v, *q;
  /** `[output block][input channel][kWidth]` */
  float* s;
  /** From one block of channels to the next, of v and q; from one output block to the next, of s. */
  int64_t tileStride, sumStride;
  int64_t tiles;
  bool accumulate;
};

/** kSumChannels inputs of one block, N vectors of outputs. */
template <int N>
VD_INLINE void addPiece(const SumProduct& p) {
  Vec sum[kSumChannels][N];
  for (int c = 0; c < kSumChannels; c++) {
    for (int j = 0; j < N; j++) sum[c][j] = p.accumulate ? load(p.s + c * kWidth + j * p.sumStride) : zero();
  }
  const float *v = p.v, *q = p.q;
  for (int64_t t = 0; t < p.tiles; t++, v += kWidth, q += kWidth) {
    Vec gradient[N];
    for (int j = 0; j < N; j++) gradient[j] = load(q + j * p.tileStride);
    for (int c = 0; c < kSumChannels; c++) {
      const float x = v[c];
      for (int j = 0; j < N; j++) sum[c][j] += gradient[j] * x;
    }
  }
  for (int c = 0; c < kSumChannels; c++) {
    for (int j = 0; j < N; j++) store(p.s + c * kWidth + j * p.sumStride, sum[c][j]);
  }
}

template <int N>
void addPieces(SumProduct p, int64_t inBlocks) {
  for (int64_t block = 0; block < inBlocks; block++, p.v += p.tileStride) {
    for (int64_t c = 0; c < kWidth; c += kSumChannels, p.s += kSumChannels * kWidth) {
      SumProduct piece = p;
      piece.v += c;
      addPiece<N>(piece);
    }
  }
}

template <class S>
struct GradientBlock {
  const WeightGradient& job;
  int64_t first, count, capacity;
  /** Transformed input and output gradient, the sums at the points, and the bias gradient's sums. */
  float *v, *q, *s, *biases;

  static int64_t sumStride(const WeightGradient& job) { return job.inBlocks * kWidth * kWidth; }
  static int64_t pointSums(const WeightGradient& job) { return job.outBlocks * sumStride(job) + 16; }
  static int64_t pieces(int64_t tiles) { return divideUp(tiles, kItemTiles); }

  /** The products of all inputs with output blocks from `begin` to `end`, at one point. */
  void multiply(int64_t point, Range outputs) const {
    const int64_t groups = divideUp(outputs.end - outputs.begin, kSumVectors);
    for (int64_t tile = 0; tile < count; tile += kPanelTiles) {
      for (int64_t g = 0; g < groups; g++) {
        const Range range = part(outputs.end - outputs.begin, groups, g);
        const int64_t block = outputs.begin + range.begin;
        SumProduct p{};
        p.v = v + point * ConvolutionBlock<S>::pointStride(job.inBlocks, capacity) + tile * kWidth;
        p.q = q + point * ConvolutionBlock<S>::pointStride(job.outBlocks, capacity) + (block * capacity + tile) * kWidth;
        p.s = s + point * pointSums(job) + block * sumStride(job);
        p.tileStride = capacity * kWidth;
        p.sumStride = sumStride(job);
        p.tiles = smaller(kPanelTiles, count - tile);
        p.accumulate = first + tile > 0;
        switch (range.end - range.begin) {
          case 1: addPieces<1>(p, job.inBlocks); break;
          case 2: addPieces<2>(p, job.inBlocks); break;
#if VD_WIDTH == 16 || defined(__aarch64__)
          case 3: addPieces<3>(p, job.inBlocks); break;
#endif
          default: addPieces<kSumVectors>(p, job.inBlocks); break;
        }
      }
    }
  }
};

/** G's transposed on both sides of the sums at the points. */
template <class S>
VD_INLINE void transformSums(const float* s, int64_t stride, Vec (&g)[9]) {
  Vec columns[3][S::kAcross];
  for (int x = 0; x < S::kAcross; x++) {
    Vec in[S::kAcross], out[3];
    for (int y = 0; y < S::kAcross; y++) in[y] = load(s + (y * S::kAcross + x) * stride);
    S::transformWeightGradient(in, out);
    for (int y = 0; y < 3; y++) columns[y][x] = out[y];
  }
  for (int y = 0; y < 3; y++) {
    Vec out[3];
    S::transformWeightGradient(columns[y], out);
    for (int x = 0; x < 3; x++) g[y * 3 + x] = out[x];
  }
}

/** Adds the gradients of kWidth × kWidth weights to the canonical ones. */
template <class S>
void addBlock(const GradientBlock<S>& block, int64_t in, int64_t out) {
  const WeightGradient& job = block.job;
  const int64_t inputs = smaller(kWidth, job.inChannels - in * kWidth);
  const int64_t outputs = smaller(kWidth, job.outChannels - out * kWidth);
  // [input · 9 + pixel][output]
  alignas(64) float gradients[kWidth * 9][kWidth];
  for (int64_t c = 0; c < inputs; c++) {
    Vec g[9];
    transformSums<S>(block.s + out * GradientBlock<S>::sumStride(job) + (in * kWidth + c) * kWidth,
                  GradientBlock<S>::pointSums(job), g);
    for (int k = 0; k < 9; k++) store(gradients[c * 9 + k], g[k]);
  }
  float* to = job.weights + (out * kWidth * job.inChannels + in * kWidth) * 9;
  if (inputs == kWidth && outputs == kWidth) {
    addTransposed(gradients, kWidth * 9, kWidth, to, job.inChannels * 9);
    return;
  }
  for (int64_t o = 0; o < outputs; o++) {
    for (int64_t i = 0; i < inputs * 9; i++) to[o * job.inChannels * 9 + i] += gradients[i][o];
  }
}

/** Adds up the bias gradient's sums over the pieces of a block of tiles, in their order. */
template <class S>
void addBiases(const GradientBlock<S>& block, int64_t out) {
  const WeightGradient& job = block.job;
  Vec sum = zero();
  for (int64_t piece = 0; piece < GradientBlock<S>::pieces(block.count); piece++) {
    sum += load(block.biases + (piece * job.outBlocks + out) * kWidth);
  }
  for (int64_t lane = 0; lane < smaller(kWidth, job.outChannels - out * kWidth); lane++) {
    job.bias[out * kWidth + lane] += sum[lane];
  }
}

Schedule scheduleWeightGradient(const WeightGradient& job, int) {
  Schedule schedule;
  schedule.shared = true;
  // The more sums, the more tiles for each time that they are loaded and stored.
  const int64_t sums = larger(job.inBlocks, job.outBlocks) * kWidth;
  schedule.tiles = evenBlocks(job.grid.tiles(), smaller(larger(sums, 128), 400), 1);
  return schedule;
}

template <class S>
int64_t gradientScratch(const WeightGradient& job, const Schedule& schedule) {
  return S::kPoints * (ConvolutionBlock<S>::pointStride(job.inBlocks, schedule.tiles) +
                    ConvolutionBlock<S>::pointStride(job.outBlocks, schedule.tiles) + GradientBlock<S>::pointSums(job)) +
         GradientBlock<S>::pieces(schedule.tiles) * job.outBlocks * kWidth;
}

template <class S>
void addGradient(const WeightGradient& job, const Schedule& schedule, Team& team) {
  const Grid& grid = job.grid;
  const int64_t blocks = divideUp(grid.tiles(), schedule.tiles);
  const int64_t vSize = S::kPoints * ConvolutionBlock<S>::pointStride(job.inBlocks, schedule.tiles);
  const int64_t qSize = S::kPoints * ConvolutionBlock<S>::pointStride(job.outBlocks, schedule.tiles);
  const int64_t vStride = vSize / S::kPoints, qStride = qSize / S::kPoints;
  GradientBlock<S> block{job, 0, 0, schedule.tiles, schedule.scratch, nullptr, nullptr, nullptr};
  block.q = block.v + vSize;
  block.s = block.q + qSize;
  block.biases = block.s + S::kPoints * GradientBlock<S>::pointSums(job);
  const Source input{job.input, nullptr, grid.height, grid.width};
  const Source gradient = sourceOf(grid, job.gradient, job.pooledGradient);
  const int64_t parts = divideUp(job.outBlocks, kItemBlocks);
  for (int64_t i = 0; i < blocks; i++) {
    const Range tiles = part(grid.tiles(), blocks, i);
    block.first = tiles.begin;
    block.count = tiles.end - tiles.begin;
    shareTiles(team, job.inBlocks + job.outBlocks, block.count, [&](int64_t b, int64_t from, int64_t to) {
      if (b < job.inBlocks) {
        gatherInput<S>(grid, input, b, job.inBlocks, block.first + from, block.first + to,
                    block.v + (b * block.capacity + from) * kWidth, vStride);
        return;
      }
      const int64_t out = b - job.inBlocks, pieces = GradientBlock<S>::pieces(block.count);
      const Vec sum = gatherGradient<S>(grid, gradient, out, job.outBlocks, block.first + from, block.first + to,
                                     block.q + (out * block.capacity + from) * kWidth, qStride);
      // The piece that begins at `from`; see shareTiles.
      const int64_t piece = divideUp(from * pieces, block.count);
      store(block.biases + (piece * job.outBlocks + out) * kWidth, sum);
    });
    team.wait();
    for (int64_t item; (item = team.take()) < S::kPoints * parts + job.outBlocks;) {
      if (item < S::kPoints * parts) {
        block.multiply(item / parts, part(job.outBlocks, parts, item % parts));
      } else {
        addBiases(block, item - S::kPoints * parts);
      }
    }
    team.wait();
  }
  for (int64_t item; (item = team.take()) < job.outBlocks;) {
    for (int64_t in = 0; in < job.inBlocks; in++) addBlock(block, in, item);
  }
}

int64_t weightGradientScratch(const WeightGradient& job, const Schedule& schedule) {
  return byScheme(job.grid.scheme(), [&](auto scheme) { return gradientScratch<decltype(scheme)>(job, schedule); });
}

void addWeightGradient(const WeightGradient& job, const Schedule& schedule, Team& team, int) {
  byScheme(job.grid.scheme(), [&](auto scheme) { addGradient<decltype(scheme)>(job, schedule, team); });
}

}  // namespace
}  // namespace verydeep::winograd
