// Products of a few rows with a large matrix, as in fully connected layers. Each output is a dot product, so the weights
// are read once, in place and in order.
#pragma once

#include "kernels.hpp"
#include "team.hpp"
#include "vector.hpp"

namespace verydeep::winograd {
namespace {

/** Elements per vector. */
constexpr int64_t kLanes = kWidth * 4 / int64_t{sizeof(Element)};
/** Elements of x that stay in the second-level cache while the outputs are computed. */
constexpr int64_t kPanelElements = (int64_t{512} << 10) / int64_t{sizeof(Element)};
constexpr int64_t kShortestPanel = 4096;
/** Elements of the weights to fetch ahead. */
constexpr int64_t kPrefetched = 1024 / int64_t{sizeof(Element)};
/** Outputs per work item. */
constexpr int64_t kItemOutputs = 24;
// Sums in registers: rows times outputs.
#if VD_WIDTH == 16 || defined(__aarch64__)
constexpr int kRowsAtOnce = 8, kOutputsAtOnce = 4, kOutputsOfManyRows = 3;
#else
constexpr int kRowsAtOnce = 4, kOutputsAtOnce = 3, kOutputsOfManyRows = 3;
#endif

#ifdef VD_BF16
typedef __m512i Lanes;
VD_INLINE Lanes loadLanes(const Element* from) { return _mm512_loadu_si512(from); }
VD_INLINE Vec addLanes(Vec sum, Lanes a, Lanes b) {
  return reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a),
                                                reinterpret_cast<__m512bh>(b)));
}
#else
typedef Vec Lanes;
VD_INLINE Lanes loadLanes(const Element* from) {
  Lanes v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
VD_INLINE Vec addLanes(Vec sum, Lanes a, Lanes b) { return multiplyAdd(a, b, sum); }
#endif

/** Loads `count` elements, fewer than a vector has; the rest is 0. */
VD_INLINE Lanes loadFewLanes(const Element* from, int64_t count) {
  alignas(64) Element values[kLanes] = {};
  for (int64_t i = 0; i < kLanes && i < count; i++) values[i] = from[i];
  return loadLanes(values);
}

/** Sums the lanes in a fixed order. */
VD_INLINE float sumOf(Vec v) {
  alignas(64) float values[kWidth];
  store(values, v);
  for (int half = kWidth / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) values[i] += values[i + half];
  }
  return values[0];
}

/** Part of one thread's work: some rows and outputs, over a panel of inputs. */
struct DotPiece {
  const Element *x, *w;
  int64_t xStride, wStride, inputs;
  /** Initial value of the sums: the bias, or null where `y` has sums of other panels. */
  const float* bias;
  float* y;
  int64_t yStride;
};

template <int R, int O>
VD_INLINE void multiplyDotPiece(const DotPiece& p) {
  Vec sum[R][O] = {};
  const int64_t whole = p.inputs / kLanes * kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
    Lanes w[O];
    for (int o = 0; o < O; o++) {
      w[o] = loadLanes(p.w + o * p.wStride + k);
      // The processor's own prefetcher suffices for the weights alone, but not for those and many rows.
      if (R > 1) __builtin_prefetch(p.w + o * p.wStride + k + kPrefetched);
    }
    for (int r = 0; r < R; r++) {
      const Lanes x = loadLanes(p.x + r * p.xStride + k);
      for (int o = 0; o < O; o++) sum[r][o] = addLanes(sum[r][o], x, w[o]);
    }
  }
  if (whole < p.inputs) {
    Lanes w[O];
    for (int o = 0; o < O; o++) w[o] = loadFewLanes(p.w + o * p.wStride + whole, p.inputs - whole);
    for (int r = 0; r < R; r++) {
      const Lanes x = loadFewLanes(p.x + r * p.xStride + whole, p.inputs - whole);
      for (int o = 0; o < O; o++) sum[r][o] = addLanes(sum[r][o], x, w[o]);
    }
  }
  for (int r = 0; r < R; r++) {
    for (int o = 0; o < O; o++) {
      float& y = p.y[r * p.yStride + o];
      y = (p.bias ? p.bias[o] : y) + sumOf(sum[r][o]);
    }
  }
}

template <int O>
VD_INLINE void multiplyDotRows(DotPiece p, int64_t rows) {
  constexpr int kMost = O > kOutputsOfManyRows ? 6 : kRowsAtOnce;
  const int64_t pieces = divideUp(rows, kMost);
  for (int64_t i = 0; i < pieces; i++) {
    const Range range = part(rows, pieces, i);
    switch (range.end - range.begin) {
      case 1: multiplyDotPiece<1, O>(p); break;
      case 2: multiplyDotPiece<2, O>(p); break;
      case 3: multiplyDotPiece<3, O>(p); break;
#if VD_WIDTH == 16 || defined(__aarch64__)
      case 4: multiplyDotPiece<4, O>(p); break;
      case 5: multiplyDotPiece<5, O>(p); break;
      case 6: multiplyDotPiece<6, O>(p); break;
      case 7: multiplyDotPiece<(O > kOutputsOfManyRows ? 6 : 7), O>(p); break;
#endif
      default: multiplyDotPiece<kMost, O>(p); break;
    }
    p.x += (range.end - range.begin) * p.xStride;
    p.y += (range.end - range.begin) * p.yStride;
  }
}

/** Computes the outputs from `first` to `end`, over all inputs. */
void multiplyDotOutputs(const DotProducts& job, const Element* x, int64_t first, int64_t end) {
  const int64_t panel = larger(kShortestPanel, kPanelElements / job.rows / kLanes * kLanes);
  for (int64_t k = 0; k < job.inputs; k += panel) {
    for (int64_t o = first; o < end;) {
      const int64_t outputs = smaller(job.rows > 6 ? kOutputsOfManyRows : kOutputsAtOnce, end - o);
      DotPiece p{};
      p.x = x + k;
      p.xStride = p.wStride = job.inputs;
      p.w = static_cast<const Element*>(job.weights) + o * job.inputs + k;
      p.inputs = smaller(panel, job.inputs - k);
      p.bias = k == 0 ? job.bias + o : nullptr;
      p.y = job.y + o;
      p.yStride = job.outputs;
      switch (outputs) {
        case 1: multiplyDotRows<1>(p, job.rows); break;
        case 2: multiplyDotRows<2>(p, job.rows); break;
#if VD_WIDTH == 16 || defined(__aarch64__)
        case 3: multiplyDotRows<3>(p, job.rows); break;
#endif
        default: multiplyDotRows<kOutputsAtOnce>(p, job.rows); break;
      }
      o += outputs;
    }
  }
}

/** Rounds to the nearest element if elements are not floats. */
void toElements(const float* from, int64_t count, Element* to) {
  int64_t i = 0;
#ifdef VD_BF16
  alignas(64) Element last[kWidth];
  for (; i + kWidth <= count; i += kWidth) {
    Vec v;
    std::memcpy(&v, from + i, sizeof v);
    storeElements(last, v);
    std::memcpy(to + i, last, sizeof last);
  }
  storeElements(last, loadPart(from + i, count - i));
  for (int64_t rest = i; rest < count; rest++) to[rest] = last[rest - i];
#else
  for (; i < count; i++) to[i] = from[i];
#endif
}

int64_t dotScratch(const DotProducts& job) { return sizeof(Element) == 4 ? 0 : floatsOf(job.rows * job.inputs + 1); }

void multiplyDots(const DotProducts& job, Team& team, int) {
  const Element* x;
#ifdef VD_BF16
  auto* rows = reinterpret_cast<Element*>(job.scratch);
  for (int64_t r; (r = team.take()) < job.rows;) toElements(job.x + r * job.inputs, job.inputs, rows + r * job.inputs);
  team.wait();
  x = rows;
#else
  x = job.x;
#endif
  const int64_t items = divideUp(job.outputs, kItemOutputs);
  for (int64_t i; (i = team.take()) < items;) {
    const Range range = part(job.outputs, items, i);
    multiplyDotOutputs(job, x, range.begin, range.end);
  }
}

/** Packs `[outputs, inputs]` for multiplyDots. */
void packDotWeights(const float* canonical, int64_t inputs, int64_t outputs, void* to, Team& team, int) {
  for (int64_t o; (o = team.take()) < outputs;) {
    toElements(canonical + o * inputs, inputs, static_cast<Element*>(to) + o * inputs);
  }
}

}  // namespace
}  // namespace verydeep::winograd
