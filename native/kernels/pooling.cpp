// 2×2 max pooling, stride 2: y[v, u] = max of x[2v … 2v + 1, 2u … 2u + 1], windows cut at the edge. The first of
// equal values, row by row, takes the gradient; NaN is greater than any number. A ReLU before the pooling becomes
// max(y, 0) after it, and its mask y > 0: the same result from a quarter of the values.
#include "layers.hpp"
#include "vectorized.hpp"

namespace verydeep {
namespace {

/** One row of windows over `planes` of `block` interleaved values. */
struct Row {
  /** Of the input; the second is the first where the window is cut. */
  float *top, *bottom;
  /** Of the output. */
  float* y;
  /** Which of the four values of its window each output is: 0 to 3, row by row. */
  uint8_t* place;
  int64_t inWidth, outWidth;
  bool rectify;
};

template <int kBlock>
VD_INLINE void forwardWindow(const Row& row, int64_t u, int64_t block) {
  const int64_t width = kBlock ? kBlock : block;
  const int64_t left = 2 * u * width, right = 2 * u + 1 < row.inWidth ? left + width : left;
  const float *__restrict a = row.top + left, *__restrict b = row.top + right;
  const float *__restrict c = row.bottom + left, *__restrict d = row.bottom + right;
  float* __restrict y = row.y + u * width;
  uint8_t* __restrict place = row.place + u * width;
  const float floor = row.rectify ? 0.0f : -__builtin_inff();
  for (int64_t i = 0; i < width; i++) {
    float best = a[i];
    int32_t at = 0;
    const auto consider = [&](float x, int32_t which) {
      const bool better = !(x <= best) & (best == best);
      best = better ? x : best;
      at = better ? which : at;
    };
    consider(b[i], 1);
    consider(c[i], 2);
    consider(d[i], 3);
    y[i] = best <= floor ? floor : best;
    place[i] = static_cast<uint8_t>(at);
  }
}

template <int kBlock>
VD_INLINE void backwardWindow(const Row& row, const float* gradient, int64_t u, int64_t block) {
  const int64_t width = kBlock ? kBlock : block;
  const int64_t left = 2 * u * width, right = left + width;
  const bool hasRight = 2 * u + 1 < row.inWidth, hasBottom = row.bottom != row.top;
  const float* __restrict y = row.y + u * width;
  const float* __restrict g = gradient + u * width;
  const uint8_t* __restrict place = row.place + u * width;
  const float floor = row.rectify ? 0.0f : -__builtin_inff();
  for (int64_t i = 0; i < width; i++) {
    // Without rectification all pass, -∞ and NaN too.
    const float dy = !row.rectify || y[i] > floor ? g[i] : 0.0f;
    const int32_t at = place[i];
    row.top[left + i] = at == 0 ? dy : 0.0f;
    if (hasRight) row.top[right + i] = at == 1 ? dy : 0.0f;
    if (hasBottom) row.bottom[left + i] = at == 2 ? dy : 0.0f;
    if (hasRight && hasBottom) row.bottom[right + i] = at == 3 ? dy : 0.0f;
  }
}

VD_VECTORIZED void forwardRow(const Row& row, int64_t block) {
  if (block == 8) {
    for (int64_t u = 0; u < row.outWidth; u++) forwardWindow<8>(row, u, block);
  } else if (block == 16) {
    for (int64_t u = 0; u < row.outWidth; u++) forwardWindow<16>(row, u, block);
  } else {
    for (int64_t u = 0; u < row.outWidth; u++) forwardWindow<0>(row, u, block);
  }
}

VD_VECTORIZED void backwardRow(const Row& row, const float* gradient, int64_t block) {
  if (block == 8) {
    for (int64_t u = 0; u < row.outWidth; u++) backwardWindow<8>(row, gradient, u, block);
  } else if (block == 16) {
    for (int64_t u = 0; u < row.outWidth; u++) backwardWindow<16>(row, gradient, u, block);
  } else {
    for (int64_t u = 0; u < row.outWidth; u++) backwardWindow<0>(row, gradient, u, block);
  }
  // Rounding down leaves a last column that no window sees.
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
    // Inference has no use for the places, but the same code.
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
  /** Calls f with each row of windows, `input` being of the input's shape, and the row's offset in the output. */
  template <class F>
  void forEachRow(float* input, const F& f) const {
    const Shape in = input_.shape, out = output_.shape;
    // The output's block may have another name, if its map is 1×1, but its values stand in the same order.
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

  /** Rounding down leaves a last row that no window sees. */
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
