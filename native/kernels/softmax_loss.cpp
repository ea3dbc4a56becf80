// For logits z, label t, weight w and label smoothing ε over K classes: p_k = exp(z_k − m) / Σ exp(z_j − m), m = max z,
// q_k = (1 − ε) [k = t] + ε / K, loss = w · (m + ln Σ exp(z_j − m) − Σ q_k z_k), whose gradient is w · (p_k − q_k).
// Double precision, since there are few values and losses come near 0.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

/** @param weight w; the gradient is also multiplied by `scale` */
void lossOfRow(const float* logits, int32_t label, int64_t classes, double smoothing, double weight, double scale,
               float& loss, float* gradient) {
  // NaN loses every comparison, but propagates through the exponentials.
  double maximum = -std::numeric_limits<double>::infinity();
  for (int64_t k = 0; k < classes; k++) maximum = logits[k] > maximum ? logits[k] : maximum;
  std::vector<double> exponentials(static_cast<std::size_t>(classes));
  double sum = 0;
  for (int64_t k = 0; k < classes; k++) sum += exponentials[k] = std::exp(logits[k] - maximum);
  const double others = smoothing / static_cast<double>(classes);
  double target = (1 - smoothing) * logits[label];
  if (others > 0) {
    for (int64_t k = 0; k < classes; k++) target += others * logits[k];
  }
  loss = static_cast<float>(weight * (maximum + std::log(sum) - target));
  for (int64_t k = 0; k < classes; k++) {
    gradient[k] = static_cast<float>(weight * scale * (exponentials[k] / sum - others - (k == label ? 1 - smoothing : 0)));
  }
}

}  // namespace

void softmaxLoss(const float* logits, const Batch& batch, int64_t classes, float* gradient) {
  const int32_t* labels = batch.labels;
  for (int64_t n = 0; n < batch.images; n++) {
    if (labels[n] < 0 || labels[n] >= classes) {
      fail(std::out_of_range("label " + std::to_string(labels[n]) + " is not one of the " + std::to_string(classes) + " classes"));
    }
  }
  parallelRanges(batch.images, classes * 16, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      lossOfRow(logits + n * classes, labels[n], classes, batch.labelSmoothing, batch.weights ? batch.weights[n] : 1,
                batch.gradientScale, batch.losses[n], gradient + n * classes);
    }
  });
}

}  // namespace verydeep
