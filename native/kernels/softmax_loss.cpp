// For logits z and label t: p_k = exp(z_k − m) / Σ exp(z_j − m), loss = m + ln Σ exp(z_j − m) − z_t, m = max z;
// the gradient of the loss is p_k − [k = t]. Double precision, since there are few values and losses come near 0.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

void lossOfRow(const float* logits, int32_t label, int64_t classes, double scale, float& loss, float* gradient) {
  // NaN loses every comparison, but propagates through the exponentials.
  double maximum = -std::numeric_limits<double>::infinity();
  for (int64_t k = 0; k < classes; k++) maximum = logits[k] > maximum ? logits[k] : maximum;
  std::vector<double> exponentials(static_cast<std::size_t>(classes));
  double sum = 0;
  for (int64_t k = 0; k < classes; k++) sum += exponentials[k] = std::exp(logits[k] - maximum);
  loss = static_cast<float>(maximum + std::log(sum) - logits[label]);
  for (int64_t k = 0; k < classes; k++) {
    gradient[k] = static_cast<float>(scale * (exponentials[k] / sum - (k == label ? 1 : 0)));
  }
}

}  // namespace

void softmaxLoss(const float* logits, const int32_t* labels, int64_t images, int64_t classes, double scale,
                 float* losses, float* gradient) {
  for (int64_t n = 0; n < images; n++) {
    if (labels[n] < 0 || labels[n] >= classes) {
      fail(std::out_of_range("label " + std::to_string(labels[n]) + " is not one of the " + std::to_string(classes) + " classes"));
    }
  }
  parallelRanges(images, classes * 16, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      lossOfRow(logits + n * classes, labels[n], classes, scale, losses[n], gradient + n * classes);
    }
  });
}

}  // namespace verydeep
