// Mini-batch gradient descent with momentum and weight decay, in Caffe's form.
#include "parameters.hpp"
#include "vectorized.hpp"

namespace verydeep {
namespace {

struct Pointers {
  float *values, *gradients, *velocities;
};

/** A single pass, limited by memory bandwidth. It also zeroes the gradients. */
VD_VECTORIZED void step(const Pointers& tensor, int64_t begin, int64_t end, float rate, float momentum, float decay) {
  float* __restrict w = tensor.values;
  float* __restrict g = tensor.gradients;
  float* __restrict v = tensor.velocities;
  for (int64_t i = begin; i < end; i++) {
    v[i] = momentum * v[i] - rate * (g[i] + decay * w[i]);
    w[i] += v[i];
    g[i] = 0.0f;
  }
}

}  // namespace

void Parameters::update(const SgdStep& sgd) {
  const Pointers all{block(Field::values).floats(), block(Field::gradients).floats(),
                     block(Field::velocities).floats()};
  const int64_t total = static_cast<int64_t>(values_.size() / sizeof(float));
  // One parallel region over the whole block: each thread splits its share at tensor boundaries.
  parallelRanges(total, 1, [&](int64_t begin, int64_t end) {
    for (const TensorPlace& place : places_) {
      const int64_t from = std::max(begin, place.offset);
      const int64_t to = std::min(end, place.offset + place.count);
      if (from >= to) continue;
      step(all, from, to, sgd.learningRate, sgd.momentum, place.isBias ? sgd.biasDecay : sgd.weightDecay);
    }
  });
  version_++;
}

}  // namespace verydeep
