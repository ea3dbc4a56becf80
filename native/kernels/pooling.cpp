// 2×2 max pooling, stride 2: y[v, u] = max of x[2v … 2v + 1, 2u … 2u + 1], with windows cut off at the edge. The first
// of equal values, row by row, receives the gradient; NaN is greater than any number. A ReLU before the pooling becomes
// max(y, 0) after it, and its mask becomes y > 0: the same result from a quarter of the values.
#include "eight_lanes.hpp"
#include "layers.hpp"

namespace verydeep {
namespace {

/** One row of windows over `planes` of `block` interleaved values. */
struct Row {
  /** Rows of the input; `bottom` equals `top` where the window is cut off. */
  float *top, *bottom;
  /** Row of the output. */
  float* y;
  /** Which of the four values of its window each output is: 0 to 3, row by row. */
  uint8_t* place;
  int64_t inWidth, outWidth;
  bool rectify;
};

/** Takes x, the value at index `which` of its window, where it is greater than the best so far. */
template <class Value, class Place>
VD_INLINE void consider(const Value& x, int32_t which, Value& best, Place& at) {
  const auto better = (x > best) | ((x != x) & (best == best));
  best = better ? x : best;
  at = better ? at - at + which : at;
}

/** Sets `best`, initially the first value, to a window's maximum. Value and Place are numbers or vectors of them. */
template <class Value, class Place>
VD_INLINE void maximize(Value& best, const Value& b, const Value& c, const Value& d, bool rectify, Place& at) {
  at = Place{};
  consider(b, 1, best, at);
  consider(c, 2, best, at);
  consider(d, 3, best, at);
  const Value zero{};
  if (rectify) best = best <= zero ? zero : best;
}

VD_VECTORIZED void forwardRow(const Row& row, int64_t block) {
  for (int64_t u = 0; u < row.outWidth; u++) {
    const int64_t left = 2 * u * block, right = 2 * u + 1 < row.inWidth ? left + block : left;
    float* y = row.y + u * block;
    uint8_t* place = row.place + u * block;
    int64_t i = 0;
    for (; i + kLanes <= block; i += kLanes) {
      Floats a, b, c, d;
      Ints at;
      load(row.top + left + i, a);
      load(row.top + right + i, b);
      load(row.bottom + left + i, c);
      load(row.bottom + right + i, d);
      maximize(a, b, c, d, row.rectify, at);
      store(a, y + i);
      store(__builtin_convertvector(at, Octets), place + i);
    }
    for (; i < block; i++) {
      int32_t at;
      y[i] = row.top[left + i];
      maximize(y[i], row.top[right + i], row.bottom[left + i], row.bottom[right + i], row.rectify, at);
      place[i] = static_cast<uint8_t>(at);
    }
  }
}

/** Gives the maximum of a window the output's gradient, and its other values 0. */
template <class Value, class Place>
VD_INLINE void backwardWindow(const Row& row, const Value& y, const Value& dy, const Place& at, int64_t left,
                              int64_t right) {
  const Value zero{};
  const Value passed = row.rectify ? (y > zero ? dy : zero) : dy;
  store(at == 0 ? passed : zero, row.top + left);
  if (right != left) store(at == 1 ? passed : zero, row.top + right);
  if (row.bottom == row.top) return;
  store(at == 2 ? passed : zero, row.bottom + left);
  if (right != left) store(at == 3 ? passed : zero, row.bottom + right);
}

VD_VECTORIZED void backwardRow(const Row& row, const float* gradient, int64_t block) {
  for (int64_t u = 0; u < row.outWidth; u++) {
    const int64_t left = 2 * u * block, right = 2 * u + 1 < row.inWidth ? left + block : left;
    const float *y = row.y + u * block, *dy = gradient + u * block;
    const uint8_t* place = row.place + u * block;
    int64_t i = 0;
    for (; i + kLanes <= block; i += kLanes) {
      Floats value, slope;
      Octets at;
      load(y + i, value);
      load(dy + i, slope);
      load(place + i, at);
      backwardWindow(row, value, slope, __builtin_convertvector(at, Ints), left + i, right + i);
    }
    for (; i < block; i++) backwardWindow(row, y[i], dy[i], static_cast<int32_t>(place[i]), left + i, right + i);
  }
  // Rounding down leaves a last column outside all windows.
  std::fill(row.top + std::min(2 * row.outWidth, row.inWidth) * block, row.top + row.inWidth * block, 0.0f);
  std::fill(row.bottom + std::min(2 * row.outWidth, row.inWidth) * block, row.bottom + row.inWidth * block, 0.0f);
}

class MaxPool : public Layer {
 public:
  MaxPool(bool ceil, bool rectify) : extra_(ceil ? 1 : 0), rectify_(rectify) {}

  void planForward(Planner& planner) override {
    input_ = planner.activation;
    const Shape& in = input_.shape;
    output_ = planner.nextActivation({in.n, in.c, (in.h + extra_) / 2, (in.w + extra_) / 2}, input_.block);
    // Inference does not need the places, but runs the same code.
    places_ = planner.training() ? &planner.ownSlot() : &planner.scratch(Scratch::columns);
    places_->grow(static_cast<std::size_t>(output_.stored()));
    planner.forward.push_back([this](const Batch&) {
      forEachRow(input_.data(), [this](const Row& row, int64_t) { forwardRow(row, input_.block); });
    });
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool) override {
    planner.layOutGradient(output_.block);
    const Tensor dy = planner.gradient, dx = planner.nextGradient(input_.shape, input_.block);
    planner.backward.push_back([this, dy, dx](const Batch&) {
      forEachRow(dx.data(), [&](const Row& row, int64_t offset) { backwardRow(row, dy.data() + offset, input_.block); });
      if (input_.shape.h > 2 * output_.shape.h) zeroLastRows(dx.data());
    });
    planner.gradient = dx;
  }

 private:
  /** Calls f with each row of windows and its offset in the output. `input` has the input's shape. */
  template <class F>
  void forEachRow(float* input, const F& f) const {
    const Shape in = input_.shape, out = output_.shape;
    // If the output's map is 1×1, its block size may differ, but its values are in the same order.
    const int64_t block = input_.block;
    parallelRanges(input_.planes() * out.h, in.w * 2 * block, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; line++) {
        const int64_t plane = line / out.h, v = line % out.h, offset = line * out.w * block;
        float* top = input + (plane * in.h + 2 * v) * in.w * block;
        float* bottom = 2 * v + 1 < in.h ? top + in.w * block : top;
        f(Row{top, bottom, output_.data() + offset, places_->octets() + offset, in.w, out.w, rectify_}, offset);
      }
    });
  }

  /** Rounding down leaves a last row outside all windows. */
  void zeroLastRows(float* gradient) const {
    const Shape& in = input_.shape;
    for (int64_t plane = 0; plane < input_.planes(); plane++) {
      std::fill_n(gradient + (plane * in.h + in.h - 1) * in.w * input_.block, in.w * input_.block, 0.0f);
    }
  }

  int64_t extra_;
  bool rectify_;
  Tensor input_{}, output_{};
  Slot* places_ = nullptr;
};

}  // namespace

std::unique_ptr<Layer> makeMaxPool(bool ceil, bool rectify) { return std::make_unique<MaxPool>(ceil, rectify); }

}  // namespace verydeep
