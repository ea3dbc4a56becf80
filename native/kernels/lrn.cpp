// Local response normalization over the `size` (odd) channels around each:
//
//     y_c = x_c · s_c^−β,   s_c = k + α · Σ_j x_j²,   dx_c = dy_c · s_c^−β − 2αβ · x_c · Σ_j dy_j · x_j · s_j^(−β − 1)
//
// with both sums over |j − c| ≤ size / 2.
#include <cstring>

#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

/** Buffers for one pixel's channels; squares and terms have size / 2 zeros before and after them. */
struct Buffers {
  Buffers(int64_t channels, int64_t size) {
    for (auto* vector : {&x, &dy, &scales, &powers, &sums}) vector->resize(static_cast<std::size_t>(channels));
    terms.resize(static_cast<std::size_t>(channels + size - 1));
  }
  LrnPixel pixel() { return {x.data(), dy.data(), scales.data(), powers.data(), sums.data(), terms.data()}; }

  std::vector<float> x, dy, scales, powers, sums, terms;
};

/** Where one pixel's channels are in a tensor: in blocks, one plane apart. */
struct Pixel {
  Pixel(const Tensor& tensor, int64_t index)
      : block(tensor.block), blocks(tensor.blocks()), plane(tensor.shape.pixels() * block),
        offset(index / tensor.shape.pixels() * blocks * plane + index % tensor.shape.pixels() * block) {}

  void gather(const float* data, float* channels) const {
    if (block == 1) {
      for (int64_t i = 0; i < blocks; i++) channels[i] = data[offset + i * plane];
      return;
    }
    const std::size_t bytes = static_cast<std::size_t>(block) * sizeof(float);
    for (int64_t i = 0; i < blocks; i++) std::memcpy(channels + i * block, data + offset + i * plane, bytes);
  }

  void scatter(const float* channels, float* data) const {
    if (block == 1) {
      for (int64_t i = 0; i < blocks; i++) data[offset + i * plane] = channels[i];
      return;
    }
    const std::size_t bytes = static_cast<std::size_t>(block) * sizeof(float);
    for (int64_t i = 0; i < blocks; i++) std::memcpy(data + offset + i * plane, channels + i * block, bytes);
  }

  int64_t block, blocks, plane, offset;
};

class Lrn : public Layer {
 public:
  explicit Lrn(const LrnSpec& spec) : spec_(spec) {}

  void planForward(Planner& planner) override {
    input_ = planner.activation;
    const Tensor output = planner.nextActivation(input_.shape, input_.block);
    planner.forward.push_back([this, output](const Batch&) {
      forEachPixel([&](const Pixel& pixel, Buffers& buffers) {
        pixel.gather(input_.data(), buffers.x.data());
        bestLoops().lrnScale(spec_, channels(), buffers.pixel());
        bestLoops().lrnNormalize(channels(), buffers.pixel());
        pixel.scatter(buffers.x.data(), output.data());
      });
    });
    planner.activation = output;
  }

  /** Works in place, since a pixel's gradients depend only on that pixel's. */
  void planBackward(Planner& planner, bool) override {
    planner.layOutGradient(input_.block);
    planner.backward.push_back([this, gradient = planner.gradient](const Batch&) {
      forEachPixel([&](const Pixel& pixel, Buffers& buffers) {
        pixel.gather(input_.data(), buffers.x.data());
        pixel.gather(gradient.data(), buffers.dy.data());
        bestLoops().lrnScale(spec_, channels(), buffers.pixel());
        bestLoops().lrnPropagate(spec_, channels(), buffers.pixel());
        pixel.scatter(buffers.dy.data(), gradient.data());
      });
    });
  }

 private:
  /** Includes the zeros that fill the last block; they stay zero. */
  int64_t channels() const { return input_.blocks() * input_.block; }

  template <class F>
  void forEachPixel(const F& f) const {
    parallelRanges(input_.shape.n * input_.shape.pixels(), channels() * 8, [&](int64_t begin, int64_t end) {
      Buffers buffers(channels(), spec_.size);
      for (int64_t i = begin; i < end; i++) f(Pixel(input_, i), buffers);
    });
  }

  LrnSpec spec_;
  Tensor input_{};
};

}  // namespace

std::unique_ptr<Layer> makeLrn(const LrnSpec& spec) { return std::make_unique<Lrn>(spec); }

}  // namespace verydeep
