// From maps to transformed tiles.
#pragma once

#include "kernels.hpp"
#include "transforms.hpp"

namespace verydeep::winograd {
namespace {

/** A map that is read as tiles: itself, or what a pooling hands down to it. */
struct Source {
  const float* values;
  const uint8_t* places;
  /** Of the map that `values` holds: the pooled one, if there are places. */
  int64_t height, width;
};

VD_INLINE Source sourceOf(const Grid& grid, const float* map, const Pooled& pooled) {
  if (map) return {map, nullptr, grid.height, grid.width};
  return {pooled.values, pooled.places, pooled.height, pooled.width};
}

/** A tile's place: image, row and column of tiles. */
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

/** kSize × kSize pixels, whose first is (top, left), with zeros beyond the map's edges. */
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
 * The same of a map that a 2×2 pooling hands a gradient down to: each window's one value goes to its place. `kMargin`
 * is how many pixels the patch begins before a window (1 or 0). Pixels that no window sees are 0.
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

/** Bᵀ d B of the 6×6 pixels at `d`, to 36 places `stride` floats apart. */
VD_INLINE void transformInputTile(const float* d, int64_t rowStride, Element* v, int64_t stride) {
  Vec columns[6][6];
  for (int x = 0; x < 6; x++) {
    Vec in[6], out[6];
    for (int y = 0; y < 6; y++) in[y] = load(d + y * rowStride + x * kWidth);
    transformInput(in, out);
    for (int y = 0; y < 6; y++) columns[y][x] = out[y];
  }
  for (int y = 0; y < 6; y++) {
    Vec out[6];
    transformInput(columns[y], out);
    for (int x = 0; x < 6; x++) storeElements(v + (y * 6 + x) * stride, out[x]);
  }
}

/** A dY Aᵀ of 4×4 pixels. @returns their sum */
VD_INLINE Vec transformGradientTile(const float* d, int64_t rowStride, Element* v, int64_t stride) {
  Vec columns[6][4], sum = zero();
  for (int x = 0; x < 4; x++) {
    Vec in[4], out[6];
    for (int y = 0; y < 4; y++) in[y] = load(d + y * rowStride + x * kWidth);
    sum += (in[0] + in[1]) + (in[2] + in[3]);
    transformOutputGradient(in, out);
    for (int y = 0; y < 6; y++) columns[y][x] = out[y];
  }
  for (int y = 0; y < 6; y++) {
    Vec out[6];
    transformOutputGradient(columns[y], out);
    for (int x = 0; x < 6; x++) storeElements(v + (y * 6 + x) * stride, out[x]);
  }
  return sum;
}

/** Tiles `first` to `end` of one block of channels, transformed to v `[tile][kWidth]`, 36 times. */
VD_INLINE void gatherInput(const Grid& grid, const Source& source, int64_t block, int64_t blocks, int64_t first,
                           int64_t end, Element* v, int64_t stride) {
  alignas(64) float patch[36 * kWidth];
  TilePlace at(grid, first);
  const int64_t plane = source.height * source.width * kWidth;
  for (int64_t tile = first; tile < end; tile++, at.next(grid), v += kWidth) {
    const int64_t offset = (at.image * blocks + block) * plane;
    const int64_t top = 4 * at.y - 1, left = 4 * at.x - 1;
    if (source.places) {
      spreadPatch<6, 1>(source.values + offset, source.places + offset, source.height, source.width, 2 * at.y - 1,
                        2 * at.x - 1, patch);
      transformInputTile(patch, 6 * kWidth, v, stride);
    } else if (top >= 0 && left >= 0 && top + 6 <= grid.height && left + 6 <= grid.width) {
      transformInputTile(source.values + offset + (top * grid.width + left) * kWidth, grid.width * kWidth, v, stride);
    } else {
      copyPatch<6>(source.values + offset, grid.height, grid.width, top, left, patch);
      transformInputTile(patch, 6 * kWidth, v, stride);
    }
  }
}

/** The same for the gradient of the output. @returns the sum of its values, for the bias */
VD_INLINE Vec gatherGradient(const Grid& grid, const Source& source, int64_t block, int64_t blocks, int64_t first,
                             int64_t end, Element* v, int64_t stride) {
  alignas(64) float patch[16 * kWidth];
  Vec sum = zero();
  TilePlace at(grid, first);
  const int64_t plane = source.height * source.width * kWidth;
  for (int64_t tile = first; tile < end; tile++, at.next(grid), v += kWidth) {
    const int64_t offset = (at.image * blocks + block) * plane;
    const int64_t top = 4 * at.y, left = 4 * at.x;
    if (source.places) {
      spreadPatch<4, 0>(source.values + offset, source.places + offset, source.height, source.width, 2 * at.y,
                        2 * at.x, patch);
      sum += transformGradientTile(patch, 4 * kWidth, v, stride);
    } else if (top + 4 <= grid.height && left + 4 <= grid.width) {
      sum += transformGradientTile(source.values + offset + (top * grid.width + left) * kWidth, grid.width * kWidth, v,
                                   stride);
    } else {
      copyPatch<4>(source.values + offset, grid.height, grid.width, top, left, patch);
      sum += transformGradientTile(patch, 4 * kWidth, v, stride);
    }
  }
  return sum;
}

}  // namespace
}  // namespace verydeep::winograd
