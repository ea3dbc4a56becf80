#include "parameters.hpp"

#include <algorithm>
#include <cstring>

#include "onednn_compat.hpp"
#include "vectorized.hpp"

namespace verydeep {

WeightCopy::WeightCopy(const dnnl::engine& engine, const dnnl::memory::desc& canonical, float* values,
                       const dnnl::memory::desc& desc)
    : block_(desc.get_size(), "transformed weights"),
      canonical_(canonical, engine, values),
      copy_(desc, engine, block_.bytes()),
      reorder_(canonical_, copy_) {}

void WeightCopy::refresh(const dnnl::stream& stream, uint64_t version) {
  if (version_ == version) return;
  reorder_.execute(stream, {{DNNL_ARG_FROM, canonical_}, {DNNL_ARG_TO, copy_}});
  version_ = version;
}

Parameters::Parameters(const std::vector<int64_t>& counts, const std::vector<bool>& isBias, bool training)
    : training_(training) {
  int64_t offset = 0;
  for (std::size_t i = 0; i < counts.size(); i++) {
    places_.push_back({offset, counts[i], isBias[i]});
    offset += counts[i];
  }
  const std::size_t bytes = static_cast<std::size_t>(offset) * sizeof(float);
  values_ = MemoryBlock(bytes, "parameters");
  if (!training) return;
  gradients_ = MemoryBlock(bytes, "the parameters' gradients");
  velocities_ = MemoryBlock(bytes, "the parameters' velocities");
}

const MemoryBlock& Parameters::block(Field field) const {
  if (field == Field::values) return values_;
  if (!training_) throw std::logic_error("parameters made without training have values only");
  return field == Field::gradients ? gradients_ : velocities_;
}

float* Parameters::data(Field field, std::size_t tensor) const {
  return block(field).floats() + places_.at(tensor).offset;
}

void Parameters::read(Field field, std::size_t tensor, float* to) const {
  const float* from = data(field, tensor);
  parallelRanges(count(tensor), 1, [&](int64_t begin, int64_t end) {
    std::copy(from + begin, from + end, to + begin);
  });
}

void Parameters::write(Field field, std::size_t tensor, const float* from) {
  float* to = data(field, tensor);
  parallelRanges(count(tensor), 1, [&](int64_t begin, int64_t end) {
    std::copy(from + begin, from + end, to + begin);
  });
  if (field == Field::values) version_++;
}

void Parameters::zeroGradients() {
  float* gradients = block(Field::gradients).floats();
  const int64_t count = static_cast<int64_t>(gradients_.size() / sizeof(float));
  parallelRanges(count, 1, [&](int64_t begin, int64_t end) { std::fill(gradients + begin, gradients + end, 0.0f); });
}

namespace {

template <class Entry>
void dropExpired(std::vector<Entry>& entries) {
  const auto expired = [](const Entry& entry) { return entry.copy.expired(); };
  entries.erase(std::remove_if(entries.begin(), entries.end(), expired), entries.end());
}

}  // namespace

std::shared_ptr<WeightCopy> Parameters::copyOf(const dnnl::engine& engine, std::size_t tensor,
                                               const dnnl::memory::dims& dims, const dnnl::memory::desc& desc) {
  dropExpired(copies_);
  for (const CopyEntry& entry : copies_) {
    if (entry.tensor == tensor && entry.desc == desc) return entry.copy.lock();
  }
  const dnnl::memory::desc canonical(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::oihw);
  auto copy = std::make_shared<WeightCopy>(engine, canonical, data(Field::values, tensor), desc);
  copies_.push_back({tensor, desc, copy});
  return copy;
}

std::shared_ptr<winograd::TransformedWeights> Parameters::transformedOf(const WinogradWeights& weights) {
  dropExpired(transformed_);
  for (const TransformedEntry& entry : transformed_) {
    if (entry.tensor == weights.tensor && entry.backward == weights.backward) return entry.copy.lock();
  }
  const winograd::Weights view{weights.inChannels, weights.outChannels, weights.backward,
                               data(Field::values, weights.tensor), nullptr};
  auto copy = std::make_shared<winograd::TransformedWeights>(winograd::bestKernels(), view);
  transformed_.push_back({weights.tensor, weights.backward, copy});
  return copy;
}

}  // namespace verydeep
