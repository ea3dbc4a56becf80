// The products at one point: M [tiles, outputs] = V [tiles, inputs] · U [inputs, outputs], where 98 % of the time goes.
#pragma once

#include "vector.hpp"

namespace verydeep::winograd {
namespace {

// What fits the vector registers: kVectors · kTiles sums, kVectors weights and one input.
#if VD_WIDTH == 16
constexpr int kVectors = 4, kTiles = 6;
#elif defined(__aarch64__)
constexpr int kVectors = 4, kTiles = 5;
#else
constexpr int kVectors = 2, kTiles = 6;
#endif
/** Blocks of input channels whose weights stay in the first-level cache while the tiles pass by. */
constexpr int64_t kPanelBlocks = (VD_WIDTH == 16 ? 128 : 256) / kWidth;

/** From one point to the next of transformed weights: a cache line more, as in ConvolutionBlock::pointStride. */
VD_INLINE int64_t weightStride(int64_t inBlocks, int64_t outBlocks) {
  return inBlocks * outBlocks * kWidth * kWidth + 16;
}

/** Where the operands of the products at one point lie. Strides in floats. */
struct Product {
  /** `[input block][tile][kWidth]` */
  const float* v;
  /** `[input channel][vectors of a group][kWidth]` */
  const float* u;
  /** `[output block][tile][kWidth]` */
  float* m;
  /** From one block of channels to the next, of v and of m. */
  int64_t stride;
  int64_t inBlocks;
  bool accumulate;
};

/** One register-sized piece: T tiles, N vectors of outputs, all input channels of the panel. */
template <int N, int T>
VD_INLINE void multiplyPiece(const Product& p) {
  Vec sum[N][T];
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) sum[j][t] = p.accumulate ? load(p.m + j * p.stride + t * kWidth) : zero();
  }
  const float *v = p.v, *u = p.u;
  for (int64_t block = 0; block < p.inBlocks; block++, v += p.stride) {
#pragma GCC unroll 16
    for (int c = 0; c < kWidth; c++, u += N * kWidth) {
      Vec weight[N];
      for (int j = 0; j < N; j++) weight[j] = load(u + j * kWidth);
      for (int t = 0; t < T; t++) {
        const float x = v[t * kWidth + c];
        for (int j = 0; j < N; j++) sum[j][t] += weight[j] * x;
      }
    }
  }
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) store(p.m + j * p.stride + t * kWidth, sum[j][t]);
  }
}

template <int N>
void multiplyPieces(Product p, int64_t tiles) {
  // As even as possible, so that no piece is too small to keep the multipliers busy.
  const int64_t pieces = divideUp(tiles, kTiles);
  for (int64_t i = 0; i < pieces; i++) {
    const Range range = part(tiles, pieces, i);
    switch (range.end - range.begin) {
      case 1: multiplyPiece<N, 1>(p); break;
      case 2: multiplyPiece<N, 2>(p); break;
      case 3: multiplyPiece<N, 3>(p); break;
      case 4: multiplyPiece<N, 4>(p); break;
      case 5: multiplyPiece<N, 5>(p); break;
      default: multiplyPiece<N, kTiles>(p); break;
    }
    p.v += (range.end - range.begin) * kWidth;
    p.m += (range.end - range.begin) * kWidth;
  }
}

/** All tiles for output blocks `group` · kVectors and so on: a whole group, or what is left of the last. */
VD_INLINE void multiplyGroup(Product p, int64_t vectors, int64_t tiles) {
  const int64_t blocks = p.inBlocks;
  for (int64_t first = 0; first < blocks; first += kPanelBlocks) {
    p.inBlocks = smaller(kPanelBlocks, blocks - first);
    p.accumulate = first > 0;
    switch (vectors) {
      case 1: multiplyPieces<1>(p, tiles); break;
#if VD_WIDTH == 16 || defined(__aarch64__)
      case 2: multiplyPieces<2>(p, tiles); break;
      case 3: multiplyPieces<3>(p, tiles); break;
#endif
      default: multiplyPieces<kVectors>(p, tiles); break;
    }
    p.v += p.inBlocks * p.stride;
    p.u += p.inBlocks * kWidth * vectors * kWidth;
  }
}

}  // namespace
}  // namespace verydeep::winograd
