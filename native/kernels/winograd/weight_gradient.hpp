// A convolution's weight gradient: transform the tiles of input and output gradient, sum their products over the tiles
// at each point, and transform the sums back.
//
// The tiles are divided into chunks, depending only on the shape, whose sums are added in order at the end. Within a
// chunk, one thread computes each sum, in the order of the tiles. So the result does not depend on the number of
// threads, nor on whether each works on separate chunks or all on one.
#pragma once

#include "convolve.hpp"
#include "sum_product.hpp"
#include "transpose.hpp"

namespace verydeep::winograd {
namespace {

/** Tiles whose values stay in the first-level cache while the sums are computed. */
constexpr int64_t kPanelTiles = 128;
/** Output blocks per work item. */
constexpr int64_t kItemBlocks = 24;
/** If the sums have more floats than this, several copies would take too much memory. */
constexpr int64_t kMostSums = int64_t{5} << 18;
/** Most floats of all chunks' sums together. */
constexpr int64_t kMostChunkSums = int64_t{12} << 20;
constexpr int64_t kMostChunks = 16, kFewestChunks = 4;
/** A chunk of fewer tiles is not worth separate sums. */
constexpr int64_t kFewestChunkTiles = 512;

/** Some tiles of a chunk, to be added to its sums. */
template <class S>
struct GradientBlock {
  const WeightGradient& job;
  int64_t first, count, capacity;
  /** Whether they are their chunk's first. */
  bool fresh;
  /**
   * The transformed input and output gradient; the bias gradient's sums by piece; the chunk's sums at the points, and
   * those of the bias gradient.
   */
  float *v, *q, *pieces, *s, *biases;

  static int64_t vSize(const WeightGradient& job, int64_t capacity) {
    return S::kPoints * ConvolutionBlock<S>::pointStride(job.inBlocks, capacity);
  }
  static int64_t qSize(const WeightGradient& job, int64_t capacity) {
    return S::kPoints * ConvolutionBlock<S>::pointStride(job.outBlocks, capacity);
  }
  static int64_t sumStride(const WeightGradient& job) { return job.inBlocks * kWidth * kWidth; }
  static int64_t pointSums(const WeightGradient& job) { return job.outBlocks * sumStride(job) + 16; }
  static int64_t chunkSums(const WeightGradient& job) { return S::kPoints * pointSums(job) + job.outBlocks * kWidth; }
  static int64_t piecesOf(int64_t tiles) { return divideUp(tiles, kItemTiles); }

  /** Pieces of the products at all points. */
  int64_t steps() const {
    return S::kPoints * divideUp(count, kPanelTiles) * divideUp(job.outBlocks, kSumVectors) * job.inBlocks * kWidth /
           kSumChannels;
  }

  Source input() const { return {job.input, nullptr, job.grid.height, job.grid.width}; }
  Source gradient() const { return sourceOf(job.grid, job.gradient, job.pooledGradient); }
  void want(Prefetcher& prefetcher) const {
    prefetcher.add(input(), job.inBlocks, first, first + count);
    prefetcher.add(gradient(), job.outBlocks, first, first + count);
  }

  /** Transforms one piece of the tiles in one block. Blocks of outputs are numbered after those of inputs. */
  void gather(int64_t block, int64_t from, int64_t to) const {
    if (block < job.inBlocks) {
      gatherInput<S>(job.grid, input(), block, job.inBlocks, first + from, first + to,
                     v + (block * capacity + from) * kWidth, ConvolutionBlock<S>::pointStride(job.inBlocks, capacity));
      return;
    }
    const int64_t out = block - job.inBlocks;
    const Vec sum = gatherGradient<S>(job.grid, gradient(), out, job.outBlocks, first + from, first + to,
                                      q + (out * capacity + from) * kWidth,
                                      ConvolutionBlock<S>::pointStride(job.outBlocks, capacity));
    // The piece that begins at `from`; see shareTiles.
    const int64_t piece = divideUp(from * piecesOf(count), count);
    store(pieces + (piece * job.outBlocks + out) * kWidth, sum);
  }

  /** Adds up the pieces' sums, in order. */
  void addBiases(int64_t out) const {
    Vec sum = fresh ? zero() : load(biases + out * kWidth);
    for (int64_t piece = 0; piece < piecesOf(count); piece++) {
      sum += load(pieces + (piece * job.outBlocks + out) * kWidth);
    }
    store(biases + out * kWidth, sum);
  }

  /** Multiplies all inputs with the output blocks from `begin` to `end`, at one point. */
  void multiply(int64_t point, Range outputs, Prefetcher* prefetcher = nullptr) const {
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
        p.accumulate = !fresh || tile > 0;
        p.prefetcher = prefetcher;
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

/** Gᵀ s G of the sums at the points. */
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

/** A job's chunks and its memory: first the blocks (one, or one per thread), then the chunks' sums. */
template <class S>
struct GradientWork {
  using Block = GradientBlock<S>;
  const WeightGradient& job;
  const Schedule& schedule;

  static int64_t chunks(const WeightGradient& job) {
    const int64_t sums = Block::chunkSums(job);
    const int64_t chunks =
        smaller(smaller(kMostChunks, kMostChunkSums / sums), job.grid.tiles() / kFewestChunkTiles);
    return sums > kMostSums || chunks < kFewestChunks ? 1 : chunks;
  }
  int64_t blockSize() const {
    return Block::vSize(job, schedule.tiles) + Block::qSize(job, schedule.tiles) +
           Block::piecesOf(schedule.tiles) * job.outBlocks * kWidth;
  }
  int64_t size(int threads) const {
    return blockSize() * (schedule.shared ? 1 : threads) + chunks(job) * Block::chunkSums(job);
  }
  float* sumsOf(int64_t chunk, int threads) const {
    return schedule.scratch + blockSize() * (schedule.shared ? 1 : threads) + chunk * Block::chunkSums(job);
  }

  /** Blocks of a chunk. */
  int64_t blocks(Range chunk) const { return divideUp(chunk.end - chunk.begin, schedule.tiles); }
  Range chunkAt(int64_t chunk) const { return part(job.grid.tiles(), chunks(job), chunk); }

  Block blockAt(int64_t chunk, int64_t index, Team& team, int thread) const {
    const Range all = chunkAt(chunk), tiles = part(all.end - all.begin, blocks(all), index);
    Block block{job, all.begin + tiles.begin, tiles.end - tiles.begin, schedule.tiles, index == 0,
                schedule.scratch + (schedule.shared ? 0 : thread * blockSize()), nullptr, nullptr,
                sumsOf(chunk, team.threads()), nullptr};
    block.q = block.v + Block::vSize(job, schedule.tiles);
    block.pieces = block.q + Block::qSize(job, schedule.tiles);
    block.biases = block.s + S::kPoints * Block::pointSums(job);
    return block;
  }
};

/** Adds the sums of the other chunks, in order, to the first one's, for one block of outputs. */
template <class S>
void addChunks(const WeightGradient& job, float* sums, int64_t chunks, int64_t out) {
  using Block = GradientBlock<S>;
  const auto add = [&](int64_t begin, int64_t count) {
    for (int64_t i = begin; i < begin + count; i += kWidth) {
      Vec sum = load(sums + i);
      for (int64_t chunk = 1; chunk < chunks; chunk++) sum += load(sums + chunk * Block::chunkSums(job) + i);
      store(sums + i, sum);
    }
  };
  for (int64_t point = 0; point < S::kPoints; point++) {
    add(point * Block::pointSums(job) + out * Block::sumStride(job), Block::sumStride(job));
  }
  add(S::kPoints * Block::pointSums(job) + out * kWidth, kWidth);
}

/** Adds the gradients of kWidth × kWidth weights to the canonical ones. */
template <class S>
void addWeights(const WeightGradient& job, const float* sums, int64_t in, int64_t out) {
  using Block = GradientBlock<S>;
  const int64_t inputs = smaller(kWidth, job.inChannels - in * kWidth);
  const int64_t outputs = smaller(kWidth, job.outChannels - out * kWidth);
  // [input · 9 + pixel][output]
  alignas(64) float gradients[kWidth * 9][kWidth];
  for (int64_t c = 0; c < inputs; c++) {
    Vec g[9];
    transformSums<S>(sums + out * Block::sumStride(job) + (in * kWidth + c) * kWidth, Block::pointSums(job), g);
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

template <class S>
void addBias(const WeightGradient& job, const float* sums, int64_t out) {
  const Vec sum = load(sums + S::kPoints * GradientBlock<S>::pointSums(job) + out * kWidth);
  for (int64_t lane = 0; lane < smaller(kWidth, job.outChannels - out * kWidth); lane++) {
    job.bias[out * kWidth + lane] += sum[lane];
  }
}

/** Each thread works on separate chunks. */
template <class S>
void sumApart(const GradientWork<S>& work, Team& team, int thread) {
  const WeightGradient& job = work.job;
  for (int64_t chunk; (chunk = team.take()) < work.chunks(job);) {
    const int64_t blocks = work.blocks(work.chunkAt(chunk));
    for (int64_t i = 0; i < blocks; i++) {
      const GradientBlock<S> block = work.blockAt(chunk, i, team, thread);
      const int64_t pieces = block.piecesOf(block.count);
      for (int64_t b = 0; b < job.inBlocks + job.outBlocks; b++) {
        for (int64_t p = 0; p < pieces; p++) {
          const Range range = part(block.count, pieces, p);
          block.gather(b, range.begin, range.end);
        }
      }
      Prefetcher prefetcher(job.grid);
      if (i + 1 < blocks) work.blockAt(chunk, i + 1, team, thread).want(prefetcher);
      prefetcher.begin(block.steps());
      for (int64_t point = 0; point < S::kPoints; point++) block.multiply(point, {0, job.outBlocks}, &prefetcher);
      for (int64_t out = 0; out < job.outBlocks; out++) block.addBiases(out);
    }
  }
  team.wait();
}

/** All threads work on one block of tiles at a time. */
template <class S>
void sumTogether(const GradientWork<S>& work, Team& team, int thread) {
  const WeightGradient& job = work.job;
  const int64_t parts = divideUp(job.outBlocks, kItemBlocks);
  for (int64_t chunk = 0; chunk < work.chunks(job); chunk++) {
    const int64_t blocks = work.blocks(work.chunkAt(chunk));
    for (int64_t i = 0; i < blocks; i++) {
      const GradientBlock<S> block = work.blockAt(chunk, i, team, thread);
      shareTiles(team, job.inBlocks + job.outBlocks, block.count,
                 [&](int64_t b, int64_t from, int64_t to) { block.gather(b, from, to); });
      team.wait();
      for (int64_t item; (item = team.take()) < S::kPoints * parts + job.outBlocks;) {
        if (item < S::kPoints * parts) {
          block.multiply(item / parts, part(job.outBlocks, parts, item % parts));
        } else {
          block.addBiases(item - S::kPoints * parts);
        }
      }
      team.wait();
    }
  }
}

Schedule scheduleWeightGradient(const WeightGradient& job, int threads) {
  const int64_t chunks = byScheme(job.grid.scheme(), [&](auto s) { return GradientWork<decltype(s)>::chunks(job); });
  Schedule schedule;
  // Threads that exchange transformed values should share a cache, which on some processors they do not.
  schedule.shared = threads > 1 && chunks < 2 * threads;
  // The more sums there are, the more tiles are added per load and store of them.
  const int64_t sums = larger(job.inBlocks, job.outBlocks) * kWidth;
  schedule.tiles = evenBlocks(divideUp(job.grid.tiles(), chunks), smaller(larger(sums, 128), 400), 1);
  return schedule;
}

int64_t weightGradientScratch(const WeightGradient& job, const Schedule& schedule, int threads) {
  return byScheme(job.grid.scheme(), [&](auto scheme) {
    return GradientWork<decltype(scheme)>{job, schedule}.size(threads);
  });
}

void addWeightGradient(const WeightGradient& job, const Schedule& schedule, Team& team, int thread) {
  byScheme(job.grid.scheme(), [&](auto scheme) {
    using Scheme = decltype(scheme);
    const GradientWork<Scheme> work{job, schedule};
    if (schedule.shared) {
      sumTogether(work, team, thread);
    } else {
      sumApart(work, team, thread);
    }
    float* sums = work.sumsOf(0, team.threads());
    const int64_t chunks = work.chunks(job);
    for (int64_t out; (out = team.take()) < job.outBlocks;) {
      if (chunks > 1) addChunks<Scheme>(job, sums, chunks, out);
      for (int64_t in = 0; in < job.inBlocks; in++) addWeights<Scheme>(job, sums, in, out);
      addBias<Scheme>(job, sums, out);
    }
  });
}

}  // namespace
}  // namespace verydeep::winograd
