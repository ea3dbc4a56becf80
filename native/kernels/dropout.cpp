// Dropout in training: value u of an image, counted over [C, H, W], takes word u mod 2 of
// threefry2x32(key, ordinal, ⌊u / 2⌋); it becomes 0 if that word is below rate · 2^32, and is divided by 1 − rate
// otherwise. Nothing is stored for the backward pass: it draws the same words again.
#include <cmath>

#include "layers.hpp"
#include "parallel.hpp"

namespace verydeep {
namespace {

constexpr int64_t kChunk = 2 * kDrawnCounters;

class Dropout : public Layer {
 public:
  Dropout(double rate, uint32_t ordinal)
      : threshold_(static_cast<uint64_t>(std::floor(rate * 4294967296.0 + 0.5))),
        scale_(static_cast<float>(1.0 / (1.0 - rate))),
        ordinal_(ordinal) {}

  void planForward(Planner& planner) override {
    if (!planner.training()) return;
    planner.forward.push_back([this, x = planner.activation](const Batch& batch) { apply(batch, x); });
  }

  void planBackward(Planner& planner, bool) override {
    planner.backward.push_back([this, g = planner.gradient](const Batch& batch) { apply(batch, g); });
  }

 private:
  /** The identity if there are no keys. Images beyond the batch have none. */
  void apply(const Batch& batch, const Tensor& tensor) const {
    if (!batch.dropoutKeys) return;
    const int64_t chunks = (tensor.shape.image() + kChunk - 1) / kChunk;
    parallelRanges(batch.images * chunks, kChunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        applyToChunk(tensor, i / chunks, i % chunks, batch.dropoutKeys + i / chunks * 2);
      }
    });
  }

  void applyToChunk(const Tensor& tensor, int64_t image, int64_t chunk, const uint32_t* key) const {
    uint32_t words[2][kChunk / 2];
    bestLoops().drawWords(key[0], key[1], ordinal_, static_cast<uint32_t>(chunk * kChunk / 2), words[0], words[1]);
    const int64_t first = chunk * kChunk, count = std::min(kChunk, tensor.shape.image() - first);
    const int64_t pixels = tensor.shape.pixels(), block = tensor.block;
    float* data = tensor.data() + image * tensor.blocks() * pixels * block;
    for (int64_t i = 0; i < count; i++) {
      const int64_t channel = (first + i) / pixels, pixel = (first + i) % pixels;
      float& value = data[(channel / block * pixels + pixel) * block + channel % block];
      value = words[i % 2][i / 2] < threshold_ ? 0.0f : value * scale_;
    }
  }

  uint64_t threshold_;
  float scale_;
  uint32_t ordinal_;
};

}  // namespace

std::unique_ptr<Layer> makeDropout(double rate, uint32_t ordinal) { return std::make_unique<Dropout>(rate, ordinal); }

}  // namespace verydeep
