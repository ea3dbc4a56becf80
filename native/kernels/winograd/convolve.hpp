// Convolution forward, and backward to the input: transform tiles, multiply at 36 points, transform back.
#pragma once

#include "product.hpp"
#include "team.hpp"
#include "tiles.hpp"

namespace verydeep::winograd {
namespace {

/** An output of so many floats has left the caches before the next layer reads its beginning. */
constexpr int64_t kFloatsPastCaches = int64_t{4} << 20;
/** Tiles of one item of work when threads share a block. */
constexpr int64_t kItemTiles = 48;

/** A block of tiles on its way through the three steps. */
struct ConvolutionBlock {
  const Convolution& job;
  /** Its tiles. */
  int64_t first, count;
  /** Transformed input and products: `[point][block][tile][kWidth]`, for `capacity` tiles. */
  Element* v;
  float* m;
  int64_t capacity;
  /** Whether the output goes past the caches. */
  bool streaming = false;

  // A cache line more from point to point: else, at powers of two, all 36 would compete for the same lines.
  static int64_t pointStride(int64_t blocks, int64_t capacity) { return blocks * capacity * kWidth + 16; }
  static int64_t vStride(int64_t blocks, int64_t capacity) { return blocks * capacity * kWidth + kLine; }
  int64_t vStride() const { return vStride(job.inBlocks, capacity); }
  int64_t mStride() const { return pointStride(job.outBlocks, capacity); }

  void gather(int64_t block, int64_t from, int64_t to) const {
    gatherInput(job.grid, sourceOf(job.grid, job.input, job.pooledInput), block, job.inBlocks, first + from,
                first + to, v + (block * capacity + from) * kWidth, vStride());
  }

  /** The group of kVectors output blocks from `block` on, at one point. */
  void multiply(int64_t point, int64_t block, Ahead* ahead = nullptr) const {
    Product p{};
    p.v = v + point * vStride();
    p.u = static_cast<const Element*>(job.weights) + point * weightStride(job.inBlocks, job.outBlocks) + block * job.inBlocks * kWidth * kWidth;
    p.m = m + point * mStride() + block * capacity * kWidth;
    p.stride = capacity * kWidth;
    p.inBlocks = job.inBlocks;
    p.ahead = ahead;
    multiplyGroup(p, smaller(kVectors, job.outBlocks - block), count);
  }

  void finish(int64_t block, int64_t from, int64_t to) const;

  void wantInput(Ahead& ahead) const {
    ahead.add(sourceOf(job.grid, job.input, job.pooledInput), job.inBlocks, first, first + count);
  }
  void wantMask(Ahead& ahead) const {
    ahead.add({job.mask, kWidth * 4, 4, job.grid.height, job.grid.width, job.outBlocks, first, first + count});
  }

 private:
  void storeTile(const TilePlace& at, int64_t block, Vec (&y)[4][4]) const;
  void poolTile(const TilePlace& at, int64_t block, const Vec (&y)[4][4]) const;
};

VD_INLINE void transformBack(const float* m, int64_t stride, Vec bias, bool rectify, Vec (&y)[4][4]) {
  Vec columns[4][6];
  for (int x = 0; x < 6; x++) {
    Vec in[6], out[4];
    for (int i = 0; i < 6; i++) in[i] = load(m + (i * 6 + x) * stride);
    transformOutput(in, out);
    for (int i = 0; i < 4; i++) columns[i][x] = out[i];
  }
  for (int i = 0; i < 4; i++) {
    Vec out[4];
    transformOutput(columns[i], out);
    for (int x = 0; x < 4; x++) {
      const Vec value = out[x] + bias;
      y[i][x] = rectify ? rectified(value) : value;
    }
  }
}

VD_INLINE void ConvolutionBlock::storeTile(const TilePlace& at, int64_t block, Vec (&y)[4][4]) const {
  const Grid& grid = job.grid;
  const int64_t offset =
      (((at.image * job.outBlocks + block) * grid.height + 4 * at.y) * grid.width + 4 * at.x) * kWidth;
  const int64_t rows = smaller(4, grid.height - 4 * at.y), columns = smaller(4, grid.width - 4 * at.x);
  float* to = job.output + offset;
  const int64_t rowStride = grid.width * kWidth;
  if (rows == 4 && columns == 4) {
    for (int i = 0; i < 4; i++) {
      for (int x = 0; x < 4; x++) {
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

VD_INLINE void ConvolutionBlock::poolTile(const TilePlace& at, int64_t block, const Vec (&y)[4][4]) const {
  const Pooled& pooled = job.pooledOutput;
  const int64_t plane = (at.image * job.outBlocks + block) * pooled.height * pooled.width;
  const Vec beyond = zero() - __builtin_inff();
  for (int v = 0; v < 2; v++) {
    for (int u = 0; u < 2; u++) {
      const int64_t row = 2 * at.y + v, column = 2 * at.x + u;
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

void ConvolutionBlock::finish(int64_t block, int64_t from, int64_t to) const {
  const Vec bias = job.bias ? loadPart(job.bias + block * kWidth, job.outChannels - block * kWidth) : zero();
  TilePlace at(job.grid, first + from);
  const float* product = m + (block * capacity + from) * kWidth;
  for (int64_t t = from; t < to; t++, at.next(job.grid), product += kWidth) {
    Vec y[4][4];
    transformBack(product, mStride(), bias, job.rectify, y);
    if (job.output) {
      storeTile(at, block, y);
    } else {
      poolTile(at, block, y);
    }
  }
  if (streaming) flushStream();
}

int64_t scratchPerBlock(const Convolution& job, const Schedule& schedule) {
  return kPoints * (floatsOf(ConvolutionBlock::vStride(job.inBlocks, schedule.tiles)) +
                    ConvolutionBlock::pointStride(job.outBlocks, schedule.tiles));
}

ConvolutionBlock blockAt(const Convolution& job, const Schedule& schedule, int64_t index, int64_t blocks,
                         float* scratch) {
  const Range tiles = part(job.grid.tiles(), blocks, index);
  float* m = scratch + kPoints * floatsOf(ConvolutionBlock::vStride(job.inBlocks, schedule.tiles));
  return {job, tiles.begin, tiles.end - tiles.begin, reinterpret_cast<Element*>(scratch), m, schedule.tiles,
          schedule.stream};
}

/** Each thread takes blocks of its own. */
void convolveApart(const Convolution& job, const Schedule& schedule, Team& team, int thread) {
  const int64_t blocks = divideUp(job.grid.tiles(), schedule.tiles);
  float* scratch = schedule.scratch + thread * scratchPerBlock(job, schedule);
  for (int64_t i = team.take(), next; i < blocks; i = next) {
    const ConvolutionBlock block = blockAt(job, schedule, i, blocks, scratch);
    for (int64_t b = 0; b < job.inBlocks; b++) block.gather(b, 0, block.count);
    next = team.take();
    Ahead ahead(job.grid);
    block.wantMask(ahead);
    if (next < blocks) blockAt(job, schedule, next, blocks, scratch).wantInput(ahead);
    ahead.begin(kPoints * divideUp(job.outBlocks, kVectors) * piecesOf(job.inBlocks, block.count));
    for (int64_t point = 0; point < kPoints; point++) {
      for (int64_t b = 0; b < job.outBlocks; b += kVectors) block.multiply(point, b, &ahead);
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
void convolveTogether(const Convolution& job, const Schedule& schedule, Team& team) {
  const int64_t blocks = divideUp(job.grid.tiles(), schedule.tiles);
  // Groups of outputs that are one item of work: at least as many items as can keep the threads busy.
  const int64_t groups = divideUp(job.outBlocks, kVectors);
  const int64_t parts = smaller(groups, divideUp(4 * team.threads(), kPoints) * 2);
  for (int64_t i = 0; i < blocks; i++) {
    const ConvolutionBlock block = blockAt(job, schedule, i, blocks, schedule.scratch);
    shareTiles(team, job.inBlocks, block.count,
               [&](int64_t b, int64_t from, int64_t to) { block.gather(b, from, to); });
    team.wait();
    for (int64_t item; (item = team.take()) < kPoints * parts;) {
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
  if (schedule.shared) {
    convolveTogether(job, schedule, team);
  } else {
    convolveApart(job, schedule, team, thread);
  }
}

/** Tiles a block: at most `most`, and about as many in every block, of which each thread gets the same number. */
int64_t evenBlocks(int64_t tiles, int64_t most, int64_t threads) {
  const int64_t blocks = divideUp(divideUp(tiles, most), threads) * threads;
  return divideUp(tiles, blocks);
}

Schedule scheduleConvolution(const Convolution& job, int threads) {
  const int64_t tiles = job.grid.tiles(), channels = larger(job.inBlocks, job.outBlocks) * kWidth;
  Schedule schedule;
  schedule.stream = !job.pooledOutput.values && job.grid.images * job.grid.height * job.grid.width * job.outBlocks * kWidth >= kFloatsPastCaches;
  schedule.shared = threads > 1 && (channels > 256 || tiles < 32 * threads);
  if (schedule.shared) {
    schedule.tiles = evenBlocks(tiles, 256, 1);
  } else {
    schedule.tiles = evenBlocks(tiles, channels > 128 ? (channels > 256 ? 256 : 128) : 84, threads);
  }
  return schedule;
}

int64_t convolutionScratch(const Convolution& job, const Schedule& schedule, int threads) {
  return scratchPerBlock(job, schedule) * (schedule.shared ? 1 : threads);
}

}  // namespace
}  // namespace verydeep::winograd
