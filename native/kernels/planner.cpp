#include "planner.hpp"

namespace verydeep {
namespace {

// Large tensors begin at different offsets from a page: at the same offset, maps of the same power-of-two size would
// compete for the same cache lines.
constexpr std::size_t kPage = 4096;
constexpr std::size_t kStagger = 64 * 5;

}  // namespace

Planner::Planner(Context& context, std::shared_ptr<Parameters> parameters, bool training)
    : context_(context), parameters_(std::move(parameters)), training_(training) {}

Slot& Planner::ownSlot() {
  slots_.push_back(std::make_unique<Slot>());
  return *slots_.back();
}

Tensor Planner::nextActivation(const Shape& shape, int64_t block) {
  if (!training_) return alternate(activations_, activation, shape, block);
  Tensor tensor{&ownSlot(), shape, normalizedBlock(shape, block)};
  tensor.slot->grow(static_cast<std::size_t>(tensor.stored()) * sizeof(float));
  return tensor;
}

Tensor Planner::nextGradient(const Shape& shape, int64_t block) {
  return alternate(gradients_, gradient, shape, block);
}

Tensor Planner::alternate(std::array<Slot*, 2>& slots, const Tensor& now, const Shape& shape, int64_t block) {
  Slot*& slot = now.slot == slots[0] && slots[0] ? slots[1] : slots[0];
  if (!slot) slot = &ownSlot();
  Tensor tensor{slot, shape, normalizedBlock(shape, block)};
  slot->grow(static_cast<std::size_t>(tensor.stored()) * sizeof(float));
  return tensor;
}

void Planner::layOutActivation(int64_t block) {
  if (activation.block == normalizedBlock(activation.shape, block)) return;
  Tensor to = nextActivation(activation.shape, block);
  to.rectified = activation.rectified;
  reorder(forward, activation, to);
  activation = to;
}

void Planner::layOutGradient(int64_t block) {
  if (gradient.block == normalizedBlock(gradient.shape, block)) return;
  Tensor to = nextGradient(gradient.shape, block);
  to.rectified = gradient.rectified;
  reorder(backward, gradient, to);
  gradient = to;
}

void Planner::reorder(StepList& steps, const Tensor& from, const Tensor& to) {
  steps.push_back([from, to](const Batch&) { layOut(from, to); });
}

const winograd::Kernels& Planner::kernels() const {
  return context_.bf16 && !training_ ? *winograd::bf16Kernels() : winograd::bestKernels();
}

const void* Planner::transformedWeights(StepList& steps, const WeightUse& use) {
  auto transformed = parameters_->transformedOf(use);
  transformedWeights_.push_back(transformed);
  steps.push_back([this, transformed, tensor = use.tensor](const Batch&) {
    transformed->refresh(parameters_->version(tensor));
  });
  return transformed->data();
}

void Planner::allocate() {
  std::vector<Slot*> slots;
  for (const auto& slot : slots_) slots.push_back(slot.get());
  for (Slot& slot : scratch_) slots.push_back(&slot);
  std::size_t total = 0;
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < slots.size(); i++) {
    const std::size_t before = total;
    const bool large = slots[i]->bytes() >= kPage;
    if (large) total = (total + kPage - 1) / kPage * kPage + i % 12 * kStagger;
    offsets.push_back(total);
    total += (slots[i]->bytes() + 63) / 64 * 64;
    useOf(*slots[i]) += total - before;
  }
  memory_ = MemoryBlock(total, "the program's activations and gradients", parameters_->allocation());
  if (parameters_->allocation() == Allocation::dryRun) return;
  for (std::size_t i = 0; i < slots.size(); i++) slots[i]->place(memory_.bytes() + offsets[i]);
}

std::size_t& Planner::useOf(const Slot& slot) {
  if (&slot >= scratch_.begin() && &slot < scratch_.end()) return use_.scratch;
  return &slot == gradients_[0] || &slot == gradients_[1] ? use_.gradients : use_.activations;
}

MemoryUse Planner::memoryUse() const {
  MemoryUse use = use_;
  for (const auto& copy : transformedWeights_) use.transformedWeights += copy->bytes();
  return use;
}

}  // namespace verydeep
