// Local response normalization over the `size` (odd) channels around each:
//
//     y_c = x_c · s_c^−β,   s_c = k + α · Σ_j x_j²,   dx_c = dy_c · s_c^−β − 2αβ · x_c · Σ_j dy_j · x_j · s_j^(−β − 1)
//
// with both sums over |j − c| ≤ size / 2. oneDNN 3 has only slow code for the gradient on AVX2, so this is our own.
#include <cmath>
#include <cstring>

#include "layers.hpp"
#include "vectorized.hpp"

namespace verydeep {
namespace {

/** Buffers for one pixel's channels; squares and terms have size / 2 zeros before and after them. */
struct Buffers {
  Buffers(int64_t channels, int64_t size) {
    for (auto* vector : {&x, &dy, &scales, &powers, &sums}) vector->resize(static_cast<std::size_t>(channels));
    terms.resize(static_cast<std::size_t>(channels + size - 1));
  }
  std::vector<float> x, dy, scales, powers, sums, terms;
};

/** sums[c] = terms[c] + … + terms[c + size − 1] */
VD_INLINE void sumWindows(const float* __restrict terms, int64_t channels, int64_t size, float* __restrict sums) {
  for (int64_t c = 0; c < channels; c++) sums[c] = terms[c];
  for (int64_t j = 1; j < size; j++) {
    for (int64_t c = 0; c < channels; c++) sums[c] += terms[c + j];
  }
}

/** Computes s and s^−β of one pixel. */
VD_VECTORIZED void scale(const LrnSpec& spec, int64_t channels, Buffers& b) {
  const float* __restrict x = b.x.data();
  float* __restrict squares = b.terms.data() + spec.size / 2;
  for (int64_t c = 0; c < channels; c++) squares[c] = x[c] * x[c];
  sumWindows(b.terms.data(), channels, spec.size, b.sums.data());
  const float* __restrict sums = b.sums.data();
  float *__restrict scales = b.scales.data(), *__restrict powers = b.powers.data();
  for (int64_t c = 0; c < channels; c++) scales[c] = spec.k + spec.alpha * sums[c];
  if (spec.beta == 0.75f) {
    for (int64_t c = 0; c < channels; c++) {
      const float root = std::sqrt(scales[c]);
      powers[c] = 1.0f / (root * std::sqrt(root));
    }
  } else {
    for (int64_t c = 0; c < channels; c++) powers[c] = std::pow(scales[c], -spec.beta);
  }
}

/** Overwrites x with y. */
VD_VECTORIZED void normalize(int64_t channels, Buffers& b) {
  float* __restrict x = b.x.data();
  const float* __restrict powers = b.powers.data();
  for (int64_t c = 0; c < channels; c++) x[c] *= powers[c];
}

/** Overwrites dy with dx. */
VD_VECTORIZED void propagate(const LrnSpec& spec, int64_t channels, Buffers& b) {
  const float *__restrict x = b.x.data(), *__restrict powers = b.powers.data(), *__restrict scales = b.scales.data();
  float *__restrict dy = b.dy.data(), *__restrict terms = b.terms.data() + spec.size / 2;
  for (int64_t c = 0; c < channels; c++) terms[c] = dy[c] * x[c] * powers[c] / scales[c];
  sumWindows(b.terms.data(), channels, spec.size, b.sums.data());
  const float* __restrict sums = b.sums.data();
  const float factor = 2 * spec.alpha * spec.beta;
  for (int64_t c = 0; c < channels; c++) dy[c] = dy[c] * powers[c] - factor * x[c] * sums[c];
}

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
        scale(spec_, channels(), buffers);
        normalize(channels(), buffers);
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
        scale(spec_, channels(), buffers);
        propagate(spec_, channels(), buffers);
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
