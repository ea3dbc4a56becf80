// Reads maps and transforms their tiles.
#pragma once

#include "kernels.hpp"
#include "transforms.hpp"

namespace verydeep::winograd {
namespace {

/** A map to read as tiles: the map itself, or the gradient that a pooling layer passes back to it. */
struct Source {
  const float* values;
  const uint8_t* places;
  /** Size of the map in `values`: the pooled one if there are places. */
  int64_t height, width;
};

VD_INLINE Source sourceOf(const Grid& grid, const float* map, const Pooled& pooled) {
  if (map) return {map, nullptr, grid.height, grid.width};
  return {pooled.values, pooled.places, pooled.height, pooled.width};
}

/** Where a tile is: image, row and column of tiles. */
struct TilePlace {
  int64_t image, y, x;

  VD_INLINE TilePlace(const Grid& grid, int64_t tile)
      : image(tile / (grid.down() * grid.across())),
        y(tile / grid.across() % grid.down()),
        x(tile % grid.across()) {}
  VD_INLINE void next(const Grid& grid) {
    if (++x < grid.across()) return;
    x = 0;
    if (++y < grid.down()) return;
    y = 0;
    image++;
  }
};

/** Copies kSize × kSize pixels from (top, left) on, with zeros beyond the map's edges. */
template <int kSize>
VD_INLINE void copyPatch(const float* plane, int64_t height, int64_t width, int64_t top, int64_t left, float* patch) {
  for (int64_t y = 0; y < kSize; y++) {
    for (int64_t x = 0; x < kSize; x++) {
      const bool inside = top + y >= 0 && top + y < height && left + x >= 0 && left + x < width;
      store(patch + (y * kSize + x) * kWidth,
            inside ? load(plane + ((top + y) * width + left + x) * kWidth) : zero());
    }
  }
}

/**
 * The same for a map that receives a gradient from a 2×2 pooling: each window's single value goes to its place. The
 * patch begins `kMargin` pixels before a window (1 or 0). Pixels outside all windows are 0.
 */
template <int kSize, int kMargin>
VD_INLINE void spreadPatch(const float* plane, const uint8_t* places, int64_t height, int64_t width, int64_t top,
                           int64_t left, float* patch) {
  constexpr int kWindows = (kSize + 2 * kMargin) / 2;
  for (int v = 0; v < kWindows; v++) {
    for (int u = 0; u < kWindows; u++) {
      const int64_t y = top + v, x = left + u;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      const Vec gradient = inside ? load(plane + (y * width + x) * kWidth) : zero();
      const IntVec place = inside ? loadPlaces(places + (y * width + x) * kWidth) : IntVec{};
      for (int k = 0; k < 4; k++) {
        const int row = 2 * v + k / 2 - kMargin, column = 2 * u + k % 2 - kMargin;
        if (row < 0 || row >= kSize || column < 0 || column >= kSize) continue;
        store(patch + (row * kSize + column) * kWidth, place == k ? gradient : zero());
      }
    }
  }
}

/** Computes Bᵀ d B of the pixels at `d`; the points are stored `stride` elements apart. */
template <class S>
VD_INLINE void transformInputTile(const float* d, int64_t rowStride, Element* v, int64_t stride) {
  Vec columns[S::kAcross][S::kPatch];
  for (int x = 0; x < S::kPatch; x++) {
    Vec in[S::kPatch], out[S::kAcross];
    for (int y = 0; y < S::kPatch; y++) in[y] = load(d + y * rowStride + x * kWidth);
    S::transformInput(in, out);
    for (int y = 0; y < S::kAcross; y++) columns[y][x] = out[y];
  }
  for (int y = 0; y < S::kAcross; y++) {
    Vec out[S::kAcross];
    S::transformInput(columns[y], out);
    for (int x = 0; x < S::kAcross; x++) storeElements(v + (y * S::kAcross + x) * stride, out[x]);
  }
}

/** Computes A dY Aᵀ of a tile's pixels. @returns the sum of the pixels */
template <class S>
VD_INLINE Vec transformGradientTile(const float* d, int64_t rowStride, Element* v, int64_t stride) {
  Vec columns[S::kAcross][S::kSide], sum = zero();
  for (int x = 0; x < S::kSide; x++) {
    Vec in[S::kSide], out[S::kAcross], columnSum = zero();
    for (int y = 0; y < S::kSide; y++) columnSum += in[y] = load(d + y * rowStride + x * kWidth);
    sum += columnSum;
    S::transformOutputGradient(in, out);
    for (int y = 0; y < S::kAcross; y++) columns[y][x] = out[y];
  }
  for (int y = 0; y < S::kAcross; y++) {
    Vec out[S::kAcross];
    S::transformOutputGradient(columns[y], out);
    for (int x = 0; x < S::kAcross; x++) storeElements(v + (y * S::kAcross + x) * stride, out[x]);
  }
  return sum;
}

/** Transforms tiles `first` to `end` of one block of channels to v, `[tile][kWidth]` at each point. */
template <class S>
VD_INLINE void gatherInput(const Grid& grid, const Source& source, int64_t block, int64_t blocks, int64_t first,
                           int64_t end, Element* v, int64_t stride) {
  alignas(64) float patch[S::kPatch * S::kPatch * kWidth];
  TilePlace at(grid, first);
  const int64_t plane = source.height * source.width * kWidth;
  for (int64_t tile = first; tile < end; tile++, at.next(grid), v += kWidth) {
    const int64_t offset = (at.image * blocks + block) * plane;
    const int64_t top = S::kSide * at.y - S::kMargin, left = S::kSide * at.x - S::kMargin;
    if (source.places) {
      spreadPatch<S::kPatch, S::kMargin>(source.values + offset, source.places + offset, source.height, source.width,
                                         S::kSide / 2 * at.y - S::kMargin, S::kSide / 2 * at.x - S::kMargin, patch);
      transformInputTile<S>(patch, S::kPatch * kWidth, v, stride);
    } else if (top >= 0 && left >= 0 && top + S::kPatch <= grid.height && left + S::kPatch <= grid.width) {
      transformInputTile<S>(source.values + offset + (top * grid.width + left) * kWidth, grid.width * kWidth, v,
                            stride);
    } else {
      copyPatch<S::kPatch>(source.values + offset, grid.height, grid.width, top, left, patch);
      transformInputTile<S>(patch, S::kPatch * kWidth, v, stride);
    }
  }
}

/** The same for the gradient of the output. @returns the sum of its values, for the bias */
template <class S>
VD_INLINE Vec gatherGradient(const Grid& grid, const Source& source, int64_t block, int64_t blocks, int64_t first,
                             int64_t end, Element* v, int64_t stride) {
  alignas(64) float patch[S::kSide * S::kSide * kWidth];
  Vec sum = zero();
  TilePlace at(grid, first);
  const int64_t plane = source.height * source.width * kWidth;
  for (int64_t tile = first; tile < end; tile++, at.next(grid), v += kWidth) {
    const int64_t offset = (at.image * blocks + block) * plane;
    const int64_t top = S::kSide * at.y, left = S::kSide * at.x;
    if (source.places) {
      spreadPatch<S::kSide, 0>(source.values + offset, source.places + offset, source.height, source.width,
                               S::kSide / 2 * at.y, S::kSide / 2 * at.x, patch);
      sum += transformGradientTile<S>(patch, S::kSide * kWidth, v, stride);
    } else if (top + S::kSide <= grid.height && left + S::kSide <= grid.width) {
      sum += transformGradientTile<S>(source.values + offset + (top * grid.width + left) * kWidth,
                                      grid.width * kWidth, v, stride);
    } else {
      copyPatch<S::kSide>(source.values + offset, grid.height, grid.width, top, left, patch);
      sum += transformGradientTile<S>(patch, S::kSide * kWidth, v, stride);
    }
  }
  return sum;
}

}  // namespace
}  // namespace verydeep::winograd
