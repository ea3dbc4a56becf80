// Transforms weights to the points, U = G g Gᵀ, in the order in which the products read them.
#pragma once

#include "kernels.hpp"
#include "product.hpp"
#include "team.hpp"
#include "transforms.hpp"
#include "transpose.hpp"

namespace verydeep::winograd {
namespace {

int64_t transformedWeights(Scheme scheme, int64_t inChannels, int64_t outChannels) {
  const int64_t points = byScheme(scheme, [](auto s) { return int64_t{decltype(s)::kPoints}; });
  return points * floatsOf(weightStride(divideUp(inChannels, kWidth), divideUp(outChannels, kWidth)));
}

/** Weights from the convolution's point of view: output o, input c, pixel k of 3×3. */
struct WeightView {
  const Weights& w;
  /** Channels of this convolution; in the backward pass, inputs and outputs are exchanged. */
  int64_t inputs, outputs;

  explicit WeightView(const Weights& weights)
      : w(weights),
        inputs(weights.backward ? weights.outChannels : weights.inChannels),
        outputs(weights.backward ? weights.inChannels : weights.outChannels) {}

  /** The nine weights of one pair of channels. */
  const float* at(int64_t o, int64_t c) const {
    return w.canonical + (w.backward ? c * w.inChannels + o : o * w.inChannels + c) * 9;
  }
};

/** Loads nine vectors of weights: kWidth outputs from `o` on, for input c. Missing channels are 0. */
VD_INLINE void loadWeights(const WeightView& view, int64_t o, int64_t c, Vec (&g)[3][3]) {
  alignas(64) float values[9][kWidth];
  if (c < view.inputs && o + kWidth <= view.outputs) {
    gatherNine(view.at(o, c), view.at(1, 0) - view.at(0, 0), values);
  } else {
    std::memset(values, 0, sizeof values);
    for (int64_t lane = 0; c < view.inputs && lane < kWidth && o + lane < view.outputs; lane++) {
      for (int k = 0; k < 9; k++) values[k][lane] = view.at(o + lane, c)[k];
    }
  }
  // A rotation by 180° reverses their order.
  for (int k = 0; k < 9; k++) g[k / 3][k % 3] = load(values[view.w.backward ? 8 - k : k]);
}

/** Computes G g Gᵀ; the points are stored `stride` floats apart. */
template <class S>
VD_INLINE void transformWeightTile(const Vec (&g)[3][3], float* u, int64_t stride) {
  Vec columns[S::kAcross][3];
  for (int x = 0; x < 3; x++) {
    const Vec in[3] = {g[0][x], g[1][x], g[2][x]};
    Vec out[S::kAcross];
    S::transformWeight(in, out);
    for (int y = 0; y < S::kAcross; y++) columns[y][x] = out[y];
  }
  for (int y = 0; y < S::kAcross; y++) {
    Vec out[S::kAcross];
    S::transformWeight(columns[y], out);
    for (int x = 0; x < S::kAcross; x++) store(u + (y * S::kAcross + x) * stride, out[x]);
  }
}

/** Stores what one product reads: a vector of weights or, for bfloat16, those of two inputs interleaved. */
template <class S>
VD_INLINE void transformWeightTiles(const WeightView& view, int64_t o, int64_t c, Element* u, int64_t stride) {
  Vec g[3][3];
#ifdef VD_BF16
  alignas(64) float even[S::kPoints * kWidth], odd[S::kPoints * kWidth];
  loadWeights(view, o, c, g);
  transformWeightTile<S>(g, even, kWidth);
  loadWeights(view, o, c + 1, g);
  transformWeightTile<S>(g, odd, kWidth);
  for (int point = 0; point < S::kPoints; point++) {
    storePairs(u + point * stride, load(even + point * kWidth), load(odd + point * kWidth));
  }
#else
  loadWeights(view, o, c, g);
  transformWeightTile<S>(g, u, stride);
#endif
}

/** Writes `[point][group of outputs][input channel][vector][kWidth]`; bfloat16: `[pair of inputs]` … `[kWidth][2]`. */
void transformWeights(const Weights& weights, Team& team, int) {
  const WeightView view(weights);
  const int64_t outBlocks = divideUp(view.outputs, kWidth), groups = divideUp(outBlocks, kVectors);
  const int64_t inChannels = divideUp(view.inputs, kWidth) * kWidth;
  const int64_t pointStride = weightStride(inChannels / kWidth, outBlocks);
  for (int64_t group; (group = team.take()) < groups;) {
    const int64_t first = group * kVectors, vectors = smaller(kVectors, outBlocks - first);
    Element* to = static_cast<Element*>(weights.transformed) + first * kWidth * inChannels;
    for (int64_t c = 0; c < inChannels; c += kInputs) {
      for (int64_t j = 0; j < vectors; j++, to += kWidth * kInputs) {
        byScheme(weights.scheme, [&](auto scheme) {
          transformWeightTiles<decltype(scheme)>(view, (first + j) * kWidth, c, to, pointStride);
        });
      }
    }
  }
}

}  // namespace
}  // namespace verydeep::winograd
