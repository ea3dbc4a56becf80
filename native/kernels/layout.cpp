// Conversion between the layouts of tensors.
#include <algorithm>

#include "tensor.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

/** Pixels per piece, so that both sides of a piece stay in the first-level cache. */
constexpr int64_t kPiece = 64;

/** Where a channel's values are: one every `step` floats from `first` on. */
struct Channel {
  Channel(const Tensor& tensor, int64_t image, int64_t c)
      : first((image * tensor.blocks() + c / tensor.block) * tensor.shape.pixels() * tensor.block + c % tensor.block),
        step(tensor.block) {}
  int64_t first, step;
};

}  // namespace

void layOut(const Tensor& from, const Tensor& to) {
  const int64_t pixels = from.shape.pixels(), blocks = to.blocks(), pieces = (pixels + kPiece - 1) / kPiece;
  parallelRanges(from.shape.n * blocks * pieces, to.block * std::min(pixels, kPiece), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t image = i / pieces / blocks, block = i / pieces % blocks;
      const int64_t first = i % pieces * kPiece, last = std::min(pixels, first + kPiece);
      for (int64_t c = block * to.block; c < (block + 1) * to.block; c++) {
        const Channel target(to, image, c);
        float* y = to.data() + target.first;
        if (c >= from.shape.c) {
          for (int64_t p = first; p < last; p++) y[p * target.step] = 0;
          continue;
        }
        const Channel source(from, image, c);
        const float* x = from.data() + source.first;
        for (int64_t p = first; p < last; p++) y[p * target.step] = x[p * source.step];
      }
    }
  });
}

}  // namespace verydeep
