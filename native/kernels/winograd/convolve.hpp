// The forward convolution and its input gradient: transform tiles, multiply at all points, transform back.
#pragma once

#include "product.hpp"
#include "team.hpp"
#include "tiles.hpp"

namespace verydeep::winograd {
namespace {

/** The beginning of a larger output (in floats) has left the caches before the next layer reads it. */
constexpr int64_t kFloatsPastCaches = int64_t{2} << 20;
/** Tiles per work item when threads share a block. */
constexpr int64_t kItemTiles = 48;

/** A block of tiles, and the three steps on it. */
template <class S>
struct ConvolutionBlock {
  const Convolution& job;
  /** Its tiles. */
  int64_t first, count;
  /** Transformed input and products: `[point][block][tile][kWidth]`, for `capacity` tiles. */
  Element* v;
  float* m;
  int64_t capacity;
  /** Whether the output bypasses the caches. */
  bool streaming = false;

  // Points are one extra cache line apart: at powers of two, all points would compete for the same lines.
  static int64_t pointStride(int64_t blocks, int64_t capacity) { return blocks * capacity * kWidth + 16; }
  static int64_t vStride(int64_t blocks, int64_t capacity) { return blocks * capacity * kWidth + kLine; }
  int64_t vStride() const { return vStride(job.inBlocks, capacity); }
  int64_t mStride() const { return pointStride(job.outBlocks, capacity); }

  void gather(int64_t block, int64_t from, int64_t to) const {
    gatherInput<S>(job.grid, sourceOf(job.grid, job.input, job.pooledInput), block, job.inBlocks, first + from,
                first + to, v + (block * capacity + from) * kWidth, vStride());
  }

  /** Multiplies the group of kVectors output blocks from `block` on, at one point. */
  void multiply(int64_t point, int64_t block, Prefetcher* prefetcher = nullptr) const {
    Product p{};
    p.v = v + point * vStride();
    p.u = static_cast<const Element*>(job.weights) + point * weightStride(job.inBlocks, job.outBlocks) + block * job.inBlocks * kWidth * kWidth;
    p.m = m + point * mStride() + block * capacity * kWidth;
    p.stride = capacity * kWidth;
    p.inBlocks = job.inBlocks;
    p.prefetcher = prefetcher;
    multiplyGroup(p, smaller(kVectors, job.outBlocks - block), count);
  }

  void finish(int64_t block, int64_t from, int64_t to) const;

  void wantInput(Prefetcher& prefetcher) const {
    prefetcher.add(sourceOf(job.grid, job.input, job.pooledInput), job.inBlocks, first, first + count);
  }
  void wantMask(Prefetcher& prefetcher) const {
    prefetcher.add({job.mask, kWidth * 4, S::kSide, job.grid.height, job.grid.width, job.outBlocks, first, first + count});
  }

 private:
  void storeTile(const TilePlace& at, int64_t block, Vec (&y)[S::kSide][S::kSide]) const;
  void poolTile(const TilePlace& at, int64_t block, const Vec (&y)[S::kSide][S::kSide]) const;
};

template <class S>
VD_INLINE void transformBack(const float* m, int64_t stride, Vec bias, bool rectify, Vec (&y)[S::kSide][S::kSide]) {
  Vec columns[S::kSide][S::kAcross];
  for (int x = 0; x < S::kAcross; x++) {
    Vec in[S::kAcross], out[S::kSide];
    for (int i = 0; i < S::kAcross; i++) in[i] = load(m + (i * S::kAcross + x) * stride);
    S::transformOutput(in, out);
    for (int i = 0; i < S::kSide; i++) columns[i][x] = out[i];
  }
  for (int i = 0; i < S::kSide; i++) {
    Vec out[S::kSide];
    S::transformOutput(columns[i], out);
    for (int x = 0; x < S::kSide; x++) {
      const Vec value = out[x] + bias;
      y[i][x] = rectify ? rectified(value) : value;
    }
  }
}

template <class S>
VD_INLINE void ConvolutionBlock<S>::storeTile(const TilePlace& at, int64_t block, Vec (&y)[S::kSide][S::kSide]) const {
  const Grid& grid = job.grid;
  const int64_t offset =
      (((at.image * job.outBlocks + block) * grid.height + S::kSide * at.y) * grid.width +
       S::kSide * at.x) *
      kWidth;
  const int64_t rows = smaller(S::kSide, grid.height - S::kSide * at.y);
  const int64_t columns = smaller(S::kSide, grid.width - S::kSide * at.x);
  float* to = job.output + offset;
  const int64_t rowStride = grid.width * kWidth;
  if (rows == S::kSide && columns == S::kSide) {
    for (int i = 0; i < S::kSide; i++) {
      for (int x = 0; x < S::kSide; x++) {
        const int64_t place = i * rowStride + x * kWidth;
        const Vec value = job.mask ? masked(y[i][x], load(job.mask + offset + place)) : y[i][x];
        if (streaming) {
          stream(to + place, value);
        } else {
          store(to + place, value);
        }
      }
    }
    return;
  }
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t x = 0; x < columns; x++) {
      const int64_t place = i * rowStride + x * kWidth;
      store(to + place, job.mask ? masked(y[i][x], load(job.mask + offset + place)) : y[i][x]);
    }
  }
}

/** The first of equal values, row by row, is the maximum; NaN is greater than any number. */
VD_INLINE void poolWindow(const Vec (&window)[4], Vec& best, IntVec& place) {
  best = window[0];
  place = IntVec{};
  for (int k = 1; k < 4; k++) {
    const IntVec better = ~(window[k] <= best) & (best == best);
    best = better ? window[k] : best;
    place = better ? IntVec{} + k : place;
  }
}

template <class S>
VD_INLINE void ConvolutionBlock<S>::poolTile(const TilePlace& at, int64_t block, const Vec (&y)[S::kSide][S::kSide]) const {
  const Pooled& pooled = job.pooledOutput;
  const int64_t plane = (at.image * job.outBlocks + block) * pooled.height * pooled.width;
  const Vec beyond = zero() - __builtin_inff();
  for (int v = 0; v < S::kSide / 2; v++) {
    for (int u = 0; u < S::kSide / 2; u++) {
      const int64_t row = S::kSide / 2 * at.y + v, column = S::kSide / 2 * at.x + u;
      if (row >= pooled.height || column >= pooled.width) continue;
      const bool right = 2 * column + 1 < job.grid.width, below = 2 * row + 1 < job.grid.height;
      const Vec window[4] = {y[2 * v][2 * u], right ? y[2 * v][2 * u + 1] : beyond,
                             below ? y[2 * v + 1][2 * u] : beyond,
                             right && below ? y[2 * v + 1][2 * u + 1] : beyond};
      Vec best;
      IntVec place;
      poolWindow(window, best, place);
      const int64_t to = (plane + row * pooled.width + column) * kWidth;
      store(pooled.values + to, best);
      if (pooled.places) storePlaces(pooled.places + to, place);
    }
  }
}

template <class S>
void ConvolutionBlock<S>::finish(int64_t block, int64_t from, int64_t to) const {
  const Vec bias = job.bias ? loadPart(job.bias + block * kWidth, job.outChannels - block * kWidth) : zero();
  TilePlace at(job.grid, first + from);
  const float* product = m + (block * capacity + from) * kWidth;
  for (int64_t t = from; t < to; t++, at.next(job.grid), product += kWidth) {
    Vec y[S::kSide][S::kSide];
    transformBack<S>(product, mStride(), bias, job.rectify, y);
    if (job.output) {
      storeTile(at, block, y);
    } else {
      poolTile(at, block, y);
    }
  }
  if (streaming) flushStream();
}

template <class S>
int64_t scratchPerBlock(const Convolution& job, const Schedule& schedule) {
  return S::kPoints * (floatsOf(ConvolutionBlock<S>::vStride(job.inBlocks, schedule.tiles)) +
                    ConvolutionBlock<S>::pointStride(job.outBlocks, schedule.tiles));
}

template <class S>
ConvolutionBlock<S> blockAt(const Convolution& job, const Schedule& schedule, int64_t index, int64_t blocks,
                         float* scratch) {
  const Range tiles = part(job.grid.tiles(), blocks, index);
  float* m = scratch + S::kPoints * floatsOf(ConvolutionBlock<S>::vStride(job.inBlocks, schedule.tiles));
  return {job, tiles.begin, tiles.end - tiles.begin, reinterpret_cast<Element*>(scratch), m, schedule.tiles,
          schedule.stream};
}

/** Each thread works on separate blocks. */
template <class S>
void convolveApart(const Convolution& job, const Schedule& schedule, Team& team, int thread) {
  const int64_t blocks = divideUp(job.grid.tiles(), schedule.tiles);
  float* scratch = schedule.scratch + thread * scratchPerBlock<S>(job, schedule);
  for (int64_t i = team.take(), next; i < blocks; i = next) {
    const ConvolutionBlock<S> block = blockAt<S>(job, schedule, i, blocks, scratch);
    for (int64_t b = 0; b < job.inBlocks; b++) block.gather(b, 0, block.count);
    next = team.take();
    Prefetcher prefetcher(job.grid);
    block.wantMask(prefetcher);
    if (next < blocks) blockAt<S>(job, schedule, next, blocks, scratch).wantInput(prefetcher);
    prefetcher.begin(S::kPoints * divideUp(job.outBlocks, kVectors) * piecesOf(job.inBlocks, block.count));
    for (int64_t point = 0; point < S::kPoints; point++) {
      for (int64_t b = 0; b < job.outBlocks; b += kVectors) block.multiply(point, b, &prefetcher);
    }
    for (int64_t b = 0; b < job.outBlocks; b++) block.finish(b, 0, block.count);
  }
}

/** Calls f(channel block, first tile, end) for this thread's share of a block's channels and tiles. */
template <class F>
VD_INLINE void shareTiles(Team& team, int64_t channelBlocks, int64_t tiles, const F& f) {
  const int64_t pieces = divideUp(tiles, kItemTiles);
  for (int64_t i; (i = team.take()) < channelBlocks * pieces;) {
    const Range range = part(tiles, pieces, i % pieces);
    f(i / pieces, range.begin, range.end);
  }
}

/** All threads work on one block at a time. */
template <class S>
void convolveTogether(const Convolution& job, const Schedule& schedule, Team& team) {
  const int64_t blocks = divideUp(job.grid.tiles(), schedule.tiles);
  // Groups of outputs are divided into enough work items to keep the threads busy.
  const int64_t groups = divideUp(job.outBlocks, kVectors);
  const int64_t parts = smaller(groups, divideUp(4 * team.threads(), S::kPoints) * 2);
  for (int64_t i = 0; i < blocks; i++) {
    const ConvolutionBlock<S> block = blockAt<S>(job, schedule, i, blocks, schedule.scratch);
    shareTiles(team, job.inBlocks, block.count,
               [&](int64_t b, int64_t from, int64_t to) { block.gather(b, from, to); });
    team.wait();
    for (int64_t item; (item = team.take()) < S::kPoints * parts;) {
      const Range range = part(groups, parts, item % parts);
      for (int64_t g = range.begin; g < range.end; g++) block.multiply(item / parts, g * kVectors);
    }
    team.wait();
    shareTiles(team, job.outBlocks, block.count,
               [&](int64_t b, int64_t from, int64_t to) { block.finish(b, from, to); });
    team.wait();
  }
}

void convolve(const Convolution& job, const Schedule& schedule, Team& team, int thread) {
  byScheme(job.grid.scheme(), [&](auto scheme) {
    if (schedule.shared) {
      convolveTogether<decltype(scheme)>(job, schedule, team);
    } else {
      convolveApart<decltype(scheme)>(job, schedule, team, thread);
    }
  });
}

/** Tiles per block: at most `most`, nearly equal in all blocks, with the same number of blocks for each thread. */
int64_t evenBlocks(int64_t tiles, int64_t most, int64_t threads) {
  const int64_t blocks = divideUp(divideUp(tiles, most), threads) * threads;
  return divideUp(tiles, blocks);
}

Schedule scheduleOf(const Convolution& job, int threads, bool shared, int64_t most) {
  const Grid& grid = job.grid;
  Schedule schedule;
  schedule.tiles = evenBlocks(grid.tiles(), most, shared ? 1 : threads);
  schedule.shared = shared;
  schedule.stream =
      job.output && grid.images * grid.height * grid.width * job.outBlocks * kWidth >= kFloatsPastCaches;
  return schedule;
}

int convolutionSchedules(const Convolution& job, int threads, Schedule (&schedules)[kMostSchedules]) {
  const int64_t tiles = job.grid.tiles(), channels = larger(job.inBlocks, job.outBlocks) * kWidth;
  const bool few = tiles < 32 * threads, many = channels > 256;
  const bool shared = threads > 1 && (many || few);
  int count = 0;
  const auto add = [&](bool together, int64_t most) {
    const Schedule schedule = scheduleOf(job, threads, together, most);
    for (int i = 0; i < count; i++) {
      if (schedules[i].shared == together && schedules[i].tiles == schedule.tiles) return;
    }
    schedules[count++] = schedule;
  };
  add(shared, shared || many ? 256 : channels > 128 ? 128 : 84);
  if (shared) add(true, 128);
  if (shared) add(true, 392);
  if (few) return count;
  add(false, many ? 98 : 48);
  add(false, many ? 196 : 28);
  if (!many) add(false, 196);
  return count;
}

int64_t convolutionScratch(const Convolution& job, const Schedule& schedule, int threads) {
  const int64_t perBlock = byScheme(job.grid.scheme(), [&](auto scheme) {
    return scratchPerBlock<decltype(scheme)>(job, schedule);
  });
  return perBlock * (schedule.shared ? 1 : threads);
}

}  // namespace
}  // namespace verydeep::winograd
