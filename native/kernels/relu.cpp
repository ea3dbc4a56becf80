// y = max(x, 0), in place. NaN stays NaN so that divergence shows: this is why oneDNN's ReLU, which turns NaN into 0, is
// not fused into the convolutions. (Before a pooling the layer costs nothing: see pooling.cpp.)
#include "layers.hpp"
#include "vectorized.hpp"

namespace verydeep {
namespace {

VD_VECTORIZED void rectify(float* x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) x[i] = x[i] <= 0.0f ? 0.0f : x[i];
}

/** g ← g where y > 0, else 0; y > 0 exactly where x > 0. */
VD_VECTORIZED void mask(const float* __restrict y, float* __restrict g, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) g[i] = y[i] > 0.0f ? g[i] : 0.0f;
}

class Relu : public Layer {
 public:
  void planForward(Planner& planner) override {
    planner.activation.rectified = true;
    const Tensor x = output_ = planner.activation;
    planner.forward.push_back([x](const Batch&) {
      parallelRanges(x.stored(), 1, [&](int64_t begin, int64_t end) { rectify(x.data(), begin, end); });
    });
  }

  void planBackward(Planner& planner, bool) override {
    planner.layOutGradient(output_.block);
    if (!planner.gradient.rectified) planReluMask(planner, output_);
  }

 private:
  Tensor output_{};
};

}  // namespace

void planReluMask(Planner& planner, const Tensor& output) {
  planner.gradient.rectified = true;
  planner.backward.push_back([y = output, g = planner.gradient](const Batch&) {
    parallelRanges(y.stored(), 1, [&](int64_t begin, int64_t end) { mask(y.data(), g.data(), begin, end); });
  });
}

std::unique_ptr<Layer> makeRelu() { return std::make_unique<Relu>(); }

}  // namespace verydeep
