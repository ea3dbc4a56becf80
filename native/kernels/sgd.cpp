// Mini-batch gradient descent with momentum and weight decay, in Caffe's form.
#include "loops/loops.hpp"
#include "parameters.hpp"
#include "parallel.hpp"

namespace verydeep {

void Parameters::update(const SgdStep& sgd) {
  const SgdArrays all{memory(Field::values).floats() + frozen_, memory(Field::gradients).floats(),
                     memory(Field::velocities).floats()};
  const int64_t total = static_cast<int64_t>(gradients_.size() / sizeof(float));
  // One parallel region over the whole block: each thread splits its share at tensor boundaries.
  parallelRanges(total, 1, [&](int64_t begin, int64_t end) {
    for (const TensorPlace& place : places_) {
      const int64_t from = std::max(begin, place.offset - frozen_);
      const int64_t to = std::min(end, place.offset - frozen_ + place.count);
      if (from >= to) continue;
      bestLoops().step(all, from, to, sgd.learningRate * place.rate, sgd.momentum,
                       place.isBias ? sgd.biasDecay : sgd.weightDecay);
    }
  });
  version_++;
}

}  // namespace verydeep
