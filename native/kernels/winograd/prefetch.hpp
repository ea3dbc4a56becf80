// Prefetches maps into the cache a few lines at a time while the processor multiplies. Otherwise the tile transform would
// stall on memory, which sits idle during the products.
#pragma once

#include "tiles.hpp"

namespace verydeep::winograd {
namespace {

class Prefetcher {
 public:
  /** Some tiles of a map, `side` × `side` pixels of `pixelBytes` each, in all blocks of channels. */
  struct Tiles {
    const void* map;
    int64_t pixelBytes, side, height, width, blocks;
    int64_t first, end;
  };

  explicit Prefetcher(const Grid& grid) : grid_(grid) {}

  void add(const Tiles& tiles) {
    if (tiles.map && tiles.first < tiles.end) wanted_[count_++] = tiles;
  }
  void add(const Source& source, int64_t blocks, int64_t first, int64_t end) {
    const int64_t side = source.places ? 2 : 4;
    add({source.values, kWidth * 4, side, source.height, source.width, blocks, first, end});
    add({source.places, kWidth, side, source.height, source.width, blocks, first, end});
  }

  /** Prefetches everything that was added, in `steps` steps. */
  void begin(int64_t steps) {
    steps_ = larger(steps, 1);
    for (int i = 0; i < count_; i++) rate_ += unitsOf(wanted_[i]);
  }

  VD_INLINE void step() {
    for (owed_ += rate_; owed_ >= steps_ && map_ < count_; owed_ -= steps_) {
      const Tiles& tiles = wanted_[map_];
      fetch(tiles, unit_);
      if (++unit_ < unitsOf(tiles)) continue;
      unit_ = 0;
      map_++;
    }
  }

 private:
  // A unit is one row of one tile of one block of channels. Tiles vary fastest, then rows, then blocks, as in memory.
  static int64_t unitsOf(const Tiles& tiles) { return tiles.blocks * (tiles.end - tiles.first) * tiles.side; }

  void fetch(const Tiles& tiles, int64_t unit) const {
    const int64_t count = tiles.end - tiles.first, row = unit % tiles.side;
    const TilePlace at(grid_, tiles.first + unit / tiles.side % count);
    const int64_t block = unit / tiles.side / count, y = at.y * tiles.side + row;
    if (y >= tiles.height) return;
    const char* from = static_cast<const char*>(tiles.map) +
                       (((at.image * tiles.blocks + block) * tiles.height + y) * tiles.width + at.x * tiles.side) *
                           tiles.pixelBytes;
    for (int64_t byte = 0; byte < tiles.side * tiles.pixelBytes; byte += 64) __builtin_prefetch(from + byte, 0, 2);
  }

  const Grid& grid_;
  Tiles wanted_[3];
  int count_ = 0, map_ = 0;
  int64_t unit_ = 0, rate_ = 0, owed_ = 0, steps_ = 1;
};

}  // namespace
}  // namespace verydeep::winograd
