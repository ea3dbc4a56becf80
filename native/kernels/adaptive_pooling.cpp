// Adaptive pooling of maps to side × side: row v pools the rows from ⌊v · H / side⌋ to ⌈(v + 1) · H / side⌉ − 1, and columns
// likewise, by the mean; or global pooling by the maximum, where the first of equal values, row by row, receives the
// gradient, and NaN is greater than any number.
#include <algorithm>

#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

/** One plane of `block` interleaved maps. `at`, of one value per map, is only for the maximum. */
struct Plane {
  float *x, *y;
  int32_t* at;
  int64_t height, width, side, block;
};

int64_t beginOf(int64_t v, int64_t extent, int64_t side) { return v * extent / side; }
int64_t endOf(int64_t v, int64_t extent, int64_t side) { return ((v + 1) * extent + side - 1) / side; }

/** Calls f with the output's values of each window, its number of pixels, and the input's values of each pixel. */
template <class F>
void forEachPixel(const Plane& plane, const F& f) {
  for (int64_t v = 0; v < plane.side; v++) {
    const int64_t top = beginOf(v, plane.height, plane.side), bottom = endOf(v, plane.height, plane.side);
    for (int64_t u = 0; u < plane.side; u++) {
      const int64_t left = beginOf(u, plane.width, plane.side), right = endOf(u, plane.width, plane.side);
      float* y = plane.y + (v * plane.side + u) * plane.block;
      const float share = 1.0f / static_cast<float>((bottom - top) * (right - left));
      for (int64_t row = top; row < bottom; row++) {
        for (int64_t column = left; column < right; column++) {
          f(y, share, plane.x + (row * plane.width + column) * plane.block);
        }
      }
    }
  }
}

void average(const Plane& plane) {
  std::fill(plane.y, plane.y + plane.side * plane.side * plane.block, 0.0f);
  forEachPixel(plane, [&](float* __restrict y, float share, const float* __restrict x) {
    for (int64_t i = 0; i < plane.block; i++) y[i] += share * x[i];
  });
}

/** Overwrites x with its gradient; y is the output's. */
void spread(const Plane& plane) {
  std::fill(plane.x, plane.x + plane.height * plane.width * plane.block, 0.0f);
  forEachPixel(plane, [&](const float* __restrict y, float share, float* __restrict x) {
    for (int64_t i = 0; i < plane.block; i++) x[i] += share * y[i];
  });
}

void maximize(const Plane& plane) {
  std::copy(plane.x, plane.x + plane.block, plane.y);
  std::fill(plane.at, plane.at + plane.block, 0);
  for (int32_t pixel = 1; pixel < plane.height * plane.width; pixel++) {
    const float* x = plane.x + pixel * plane.block;
    for (int64_t i = 0; i < plane.block; i++) {
      const float best = plane.y[i];
      const bool better = (x[i] > best) | ((x[i] != x[i]) & (best == best));
      plane.y[i] = better ? x[i] : best;
      plane.at[i] = better ? pixel : plane.at[i];
    }
  }
}

/** Overwrites x with its gradient; y is the output's. */
void place(const Plane& plane) {
  std::fill(plane.x, plane.x + plane.height * plane.width * plane.block, 0.0f);
  for (int64_t i = 0; i < plane.block; i++) plane.x[plane.at[i] * plane.block + i] = plane.y[i];
}

class AdaptivePool : public Layer {
 public:
  AdaptivePool(int64_t side, bool maximum) : side_(side), maximum_(maximum) {}

  void planForward(Planner& planner) override {
    input_ = planner.activation;
    output_ = planner.nextActivation({input_.shape.n, input_.shape.c, side_, side_}, input_.block);
    if (maximum_) {
      // Inference does not need the places, but runs the same code.
      places_ = planner.training() ? &planner.ownSlot() : &planner.scratch(Scratch::columns);
      places_->grow(static_cast<std::size_t>(output_.stored()) * sizeof(int32_t));
    }
    planner.forward.push_back([this](const Batch&) {
      forEachPlane(input_.data(), output_.data(), maximum_ ? maximize : average);
    });
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool) override {
    planner.layOutGradient(output_.block);
    const Tensor dy = planner.gradient, dx = planner.nextGradient(input_.shape, input_.block);
    planner.backward.push_back(
        [this, dy, dx](const Batch&) { forEachPlane(dx.data(), dy.data(), maximum_ ? place : spread); });
    planner.gradient = dx;
  }

 private:
  /** If the output's map is 1×1, its block size may differ, but its values are in the same order. */
  void forEachPlane(float* input, float* output, void (*f)(const Plane&)) const {
    const int64_t block = input_.block, values = input_.shape.pixels() * block, pooled = side_ * side_ * block;
    int32_t* places = maximum_ ? reinterpret_cast<int32_t*>(places_->octets()) : nullptr;
    parallelRanges(input_.planes(), values, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        f({input + i * values, output + i * pooled, maximum_ ? places + i * block : nullptr, input_.shape.h,
           input_.shape.w, side_, block});
      }
    });
  }

  int64_t side_;
  bool maximum_;
  Tensor input_{}, output_{};
  Slot* places_ = nullptr;
};

}  // namespace

std::unique_ptr<Layer> makeAdaptivePool(int64_t side, bool maximum) {
  return std::make_unique<AdaptivePool>(side, maximum);
}

}  // namespace verydeep
