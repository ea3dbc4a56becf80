// The products at one point: M [tiles, outputs] = V [tiles, inputs] · U [inputs, outputs], which takes 98 % of the time.
#pragma once

#include "prefetch.hpp"

namespace verydeep::winograd {
namespace {

// As much as fits in the vector registers: kVectors · kTiles sums, kVectors weights and one input.
#if VD_WIDTH == 16
constexpr int kVectors = 4, kTiles = 6;
#elif defined(__aarch64__)
constexpr int kVectors = 4, kTiles = 5;
#else
constexpr int kVectors = 2, kTiles = 6;
#endif
/** Blocks of input channels whose weights stay in the first-level cache while the tiles are computed. */
constexpr int64_t kPanelBlocks = (VD_WIDTH == 16 && sizeof(Element) == 4 ? 128 : 256) / kWidth;

/** Distance between the transformed weights of two points: one extra cache line, as in ConvolutionBlock::pointStride. */
VD_INLINE int64_t weightStride(int64_t inBlocks, int64_t outBlocks) {
  return inBlocks * outBlocks * kWidth * kWidth + kLine;
}

/** The operands of the products at one point. */
struct Product {
  /** `[input block][tile][kWidth]` */
  const Element* v;
  /** `[input channel][vectors of a group][kWidth]`; of bfloat16, `[pair of inputs][vectors][kWidth][2]` */
  const Element* u;
  /** `[output block][tile][kWidth]` */
  float* m;
  /** Distance between two blocks of channels in v and in m. */
  int64_t stride;
  int64_t inBlocks;
  bool accumulate;
  /** If not null, advances by one step per piece. */
  Prefetcher* prefetcher;
};

#ifdef VD_BF16
/** Inputs whose products one instruction adds together. */
constexpr int kInputs = 2;

template <int N, int T>
VD_INLINE void addProducts(const Element* v, const Element* u, Vec (&sum)[N][T]) {
  __m512bh weight[N];
  for (int j = 0; j < N; j++) weight[j] = reinterpret_cast<__m512bh>(_mm512_load_si512(u + j * kWidth * 2));
  for (int t = 0; t < T; t++) {
    int32_t pair;
    std::memcpy(&pair, v + t * kWidth, sizeof pair);
    const auto x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
    for (int j = 0; j < N; j++) {
      sum[j][t] = reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum[j][t]), weight[j], x));
    }
  }
}
#else
constexpr int kInputs = 1;

template <int N, int T>
VD_INLINE void addProducts(const Element* v, const Element* u, Vec (&sum)[N][T]) {
  Vec weight[N];
  for (int j = 0; j < N; j++) weight[j] = load(u + j * kWidth);
  for (int t = 0; t < T; t++) {
    const float x = v[t * kWidth];
    for (int j = 0; j < N; j++) sum[j][t] = multiplyAdd(weight[j], x, sum[j][t]);
  }
}
#endif

/** Computes one register-sized piece: T tiles, N vectors of outputs, all input channels of the panel. */
template <int N, int T>
VD_INLINE void multiplyPiece(const Product& p) {
  Vec sum[N][T];
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) sum[j][t] = p.accumulate ? load(p.m + j * p.stride + t * kWidth) : zero();
  }
  const Element *v = p.v, *u = p.u;
  for (int64_t block = 0; block < p.inBlocks; block++, v += p.stride) {
#pragma GCC unroll 4
    for (int c = 0; c < kWidth; c += kInputs, u += N * kWidth * kInputs) addProducts(v + c, u, sum);
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
    if (p.prefetcher) p.prefetcher->step();
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

/** Number of pieces that multiplyGroup divides this many tiles of a group into. */
VD_INLINE int64_t piecesOf(int64_t inBlocks, int64_t tiles) {
  return divideUp(inBlocks, kPanelBlocks) * divideUp(tiles, kTiles);
}

template <int N>
struct Vectors {
  static constexpr int value = N;
};

/** Calls f(Vectors<N>{}) for N vectors of outputs: a whole group, or the rest in the last one. */
template <class F>
VD_INLINE void byVectors(int64_t vectors, const F& f) {
  switch (vectors) {
    case 1: return f(Vectors<1>{});
#if VD_WIDTH == 16 || defined(__aarch64__)
    case 2: return f(Vectors<2>{});
    case 3: return f(Vectors<3>{});
#endif
    default: return f(Vectors<kVectors>{});
  }
}

/** Multiplies all tiles for one group of output blocks: kVectors of them, or the rest in the last group. */
VD_INLINE void multiplyGroup(Product p, int64_t vectors, int64_t tiles) {
  const int64_t blocks = p.inBlocks;
  for (int64_t first = 0; first < blocks; first += kPanelBlocks) {
    p.inBlocks = smaller(kPanelBlocks, blocks - first);
    p.accumulate = first > 0;
    byVectors(vectors, [&](auto count) { multiplyPieces<decltype(count)::value>(p, tiles); });
    p.v += p.inBlocks * p.stride;
    p.u += p.inBlocks * kWidth * vectors * kWidth;
  }
}

}  // namespace
}  // namespace verydeep::winograd
