// y = max(x, 0), in place. NaN stays NaN so that divergence shows: this is why oneDNN's ReLU, which turns NaN into 0, is
// not fused into the convolutions. (Before a pooling the layer costs nothing: see pooling.cpp.)
#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

class Relu : public Layer {
 public:
  void planForward(Planner& planner) override {
    planner.activation.rectified = true;
    const Tensor x = output_ = planner.activation;
    planner.forward.push_back([x](const Batch&) {
      parallelRanges(x.stored(), 1, [&](int64_t begin, int64_t end) { bestLoops().rectify(x.data(), begin, end); });
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
    parallelRanges(y.stored(), 1, [&](int64_t begin, int64_t end) { bestLoops().mask(y.data(), g.data(), begin, end); });
  });
}

std::unique_ptr<Layer> makeRelu() { return std::make_unique<Relu>(); }

}  // namespace verydeep
