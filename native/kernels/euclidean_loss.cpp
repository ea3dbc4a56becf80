// For k targets τ, outputs o, label t and weight w: loss = w / 2 · Σ (o[t · k + j] − τ[j])² over j < k, whose gradient is
// w · (o[t · k + j] − τ[j]), and 0 for the outputs of other labels.
#include <stdexcept>

#include "fault.hpp"
#include "layers.hpp"

namespace verydeep {

void euclideanLoss(const float* output, const Batch& batch, int64_t outputs, float* gradient) {
  const int64_t count = batch.targetCount;
  for (int64_t n = 0; n < batch.images; n++) {
    const int64_t first = batch.labels[n] * count;
    if (first < 0 || first + count > outputs) fail(std::out_of_range("a label has no outputs"));
    const double weight = batch.weights ? batch.weights[n] : 1;
    double sum = 0;
    for (int64_t j = 0; j < count; j++) {
      const double difference = static_cast<double>(output[n * outputs + first + j]) - batch.targets[n * count + j];
      sum += difference * difference;
      gradient[n * outputs + first + j] = static_cast<float>(weight * batch.gradientScale * difference);
    }
    batch.losses[n] = static_cast<float>(weight / 2 * sum);
  }
}

}  // namespace verydeep
