// The products of the weight gradient at one point: S [inputs, outputs] += Vᵀ [inputs, tiles] · Q [tiles, outputs].
#pragma once

#include "prefetch.hpp"

namespace verydeep::winograd {
namespace {

// Sums in registers: vectors of outputs times inputs.
#if VD_WIDTH == 16 || defined(__aarch64__)
constexpr int kSumVectors = 4, kSumChannels = 4;
#else
constexpr int kSumVectors = 3, kSumChannels = 4;
#endif
/** S [inputs, outputs] += Vᵀ [inputs, tiles] · Q [tiles, outputs], at one point. */
struct SumProduct {
  /** `[block][tile][kWidth]` */
  const float *v, *q;
  /** `[output block][input channel][kWidth]` */
  float* s;
  /** Distance between two blocks of channels in v and q; distance between two output blocks in s. */
  int64_t tileStride, sumStride;
  int64_t tiles;
  bool accumulate;
  /** If not null, advances by one step per piece. */
  Prefetcher* prefetcher;
};

/** Computes the sums for kSumChannels inputs of one block and N vectors of outputs. */
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
      for (int j = 0; j < N; j++) sum[c][j] = multiplyAdd(gradient[j], x, sum[c][j]);
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
      if (p.prefetcher) p.prefetcher->step();
      SumProduct piece = p;
      piece.v += c;
      addPiece<N>(piece);
    }
  }
}

}  // namespace
}  // namespace verydeep::winograd
