#include "parameters.hpp"

#include <algorithm>
#include <cstring>

#include "parallel.hpp"

namespace verydeep {

Parameters::Parameters(const std::vector<int64_t>& counts, const std::vector<bool>& isBias, bool training,
                       Allocation allocation, const std::vector<float>& rates)
    : training_(training), allocation_(allocation) {
  int64_t offset = 0;
  for (std::size_t i = 0; i < counts.size(); i++) {
    const float rate = rates.empty() ? 1 : rates[i];
    places_.push_back({offset, counts[i], isBias[i], rate});
    offset += counts[i];
    if (rate == 0 && firstTrained_ == i) {
      firstTrained_++;
      frozen_ = offset;
    }
  }
  const std::size_t bytes = static_cast<std::size_t>(offset) * sizeof(float);
  values_ = MemoryBlock(bytes, "parameters", allocation);
  if (!training) return;
  const std::size_t trained = bytes - static_cast<std::size_t>(frozen_) * sizeof(float);
  gradients_ = MemoryBlock(trained, "the parameters' gradients", allocation);
  velocities_ = MemoryBlock(trained, "the parameters' velocities", allocation);
}

const MemoryBlock& Parameters::memory(Field field) const {
  if (field == Field::values) return values_;
  if (!training_) fail(std::logic_error("parameters made without training have values only"));
  return field == Field::gradients ? gradients_ : velocities_;
}

float* Parameters::data(Field field, std::size_t tensor) const {
  if (!has(field, tensor)) fail(std::logic_error("frozen tensors have values only"));
  float* first = memory(field).floats();
  return first ? first + places_.at(tensor).offset - (field == Field::values ? 0 : frozen_) : nullptr;
}

float* Parameters::block(Field field, int64_t& count) const {
  count = static_cast<int64_t>(memory(field).size() / sizeof(float));
  return memory(field).floats();
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
  if (field != Field::values) return;
  version_++;
  if (tensor < firstTrained_) frozenVersion_++;
}

void Parameters::zeroGradients() {
  float* gradients = gradients_.floats();
  const int64_t count = static_cast<int64_t>(gradients_.size() / sizeof(float));
  parallelRanges(count, 1, [&](int64_t begin, int64_t end) { std::fill(gradients + begin, gradients + end, 0.0f); });
}

namespace {

std::shared_ptr<winograd::TransformedWeights> transformed(const WeightUse& use, const float* canonical,
                                                          Allocation allocation) {
  using winograd::Team, winograd::TransformedWeights;
  const winograd::Kernels& kernels = *use.kernels;
  if (use.pass == WeightUse::Pass::dots) {
    const auto bytes = use.inputs * use.outputs * static_cast<int64_t>(kernels.elementBytes);
    return std::make_shared<TransformedWeights>(
        allocation, (bytes + 3) / 4, [&kernels, use, canonical](void* to, Team& team, int thread) {
          kernels.packDotWeights(canonical, use.inputs, use.outputs, to, team, thread);
        });
  }
  if (use.pass == WeightUse::Pass::direct) {
    return std::make_shared<TransformedWeights>(
        allocation, kernels.directWeights(use.inputs, use.outputs),
        [&kernels, use, canonical](void* to, Team& team, int thread) {
          kernels.packDirectWeights(canonical, use.inputs, use.outputs, to, team, thread);
        });
  }
  if (use.pass == WeightUse::Pass::blocked || use.pass == WeightUse::Pass::blockedBackward) {
    const winograd::BlockedWeights weights{use.kernel, use.inputs, use.outputs, use.pass == WeightUse::Pass::blockedBackward, canonical};
    return std::make_shared<TransformedWeights>(
        allocation, kernels.blockedWeights(weights), [&kernels, weights](void* to, Team& team, int thread) {
          winograd::BlockedWeights job = weights;
          job.packed = static_cast<float*>(to);
          kernels.packBlockedWeights(job, team, thread);
        });
  }
  const bool backward = use.pass == WeightUse::Pass::backward;
  const int64_t floats = backward ? kernels.transformedWeights(use.scheme, use.outputs, use.inputs)
                                  : kernels.transformedWeights(use.scheme, use.inputs, use.outputs);
  return std::make_shared<TransformedWeights>(
      allocation, floats, [&kernels, use, backward, canonical](void* to, Team& team, int thread) {
        kernels.transformWeights({use.scheme, use.inputs, use.outputs, backward, canonical, to}, team, thread);
      });
}

}  // namespace

std::shared_ptr<winograd::TransformedWeights> Parameters::transformedOf(const WeightUse& use) {
  const auto expired = [](const TransformedEntry& entry) { return entry.copy.expired(); };
  transformed_.erase(std::remove_if(transformed_.begin(), transformed_.end(), expired), transformed_.end());
  for (const TransformedEntry& entry : transformed_) {
    if (entry.use.tensor == use.tensor && entry.use.pass == use.pass && entry.use.kernels == use.kernels &&
        entry.use.scheme == use.scheme) {
      return entry.copy.lock();
    }
  }
  auto copy = transformed(use, data(Field::values, use.tensor), allocation_);
  transformed_.push_back({use, copy});
  return copy;
}

}  // namespace verydeep
