// 2×2 max pooling, stride 2: y[v, u] = max of x[2v … 2v + 1, 2u … 2u + 1], with windows cut off at the edge. The first
// of equal values, row by row, receives the gradient; NaN is greater than any number. A ReLU before the pooling becomes
// max(y, 0) after it, and its mask becomes y > 0: the same result from a quarter of the values.
#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

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
      forEachRow(input_.data(), [this](const PoolRow& row, int64_t) { bestLoops().poolForward(row, input_.block); });
    });
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool) override {
    planner.layOutGradient(output_.block);
    const Tensor dy = planner.gradient, dx = planner.nextGradient(input_.shape, input_.block);
    planner.backward.push_back([this, dy, dx](const Batch&) {
      forEachRow(dx.data(), [&](const PoolRow& row, int64_t offset) {
        bestLoops().poolBackward(row, dy.data() + offset, input_.block);
      });
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
        f(PoolRow{top, bottom, output_.data() + offset, places_->octets() + offset, in.w, out.w, rectify_}, offset);
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
