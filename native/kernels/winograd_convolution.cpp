// 3×3 convolutions by Winograd's method, in one step with the ReLU and the max pooling that follow.
//
// In the backward pass, the layer above applies the ReLU's mask as it computes the gradient: see Tensor::rectified. A
// pooling's gradient is never stored at full resolution: both backward kernels expand it as they read it.
#include <chrono>
#include <string>
#include <vector>

#include "layers.hpp"
#include "winograd/kernels.hpp"
#include "winograd/team.hpp"

namespace verydeep {
namespace {

using winograd::Schedule, winograd::Team;

class WinogradConvolution : public Layer {
 public:
  WinogradConvolution(const ConvolutionSpec& spec, const Epilogue& epilogue)
      : spec_(spec), epilogue_(epilogue) {}
  bool hasParameters() const override { return true; }

  void planForward(Planner& planner) override {
    kernels_ = &planner.kernels();
    planner.forward.begin("forward", kernels_->elementBytes == 2 ? "own Winograd, bf16" : "own Winograd");
    planner.layOutActivation(kernels_->width);
    input_ = planner.activation;
    map_ = spec_.outputOf(input_.shape);
    output_ = planner.nextActivation(outputShape(), kernels_->width);
    output_.rectified = epilogue_.rectify;
    if (epilogue_.pool && planner.training()) {
      places_ = &planner.ownSlot();
      places_->grow(static_cast<std::size_t>(output_.stored()));
    }
    forward_.grid = {map_.n, map_.h, map_.w};
    forward_.inBlocks = blocks(spec_.inChannels);
    forward_.outBlocks = blocks(spec_.outChannels);
    forward_.outChannels = spec_.outChannels;
    forward_.weights = planner.transformedWeights(planner.forward, weights(WeightUse::Pass::forward));
    forward_.bias = planner.parameters()->data(Parameters::Field::values, spec_.bias);
    forward_.rectify = epilogue_.rectify;
    planConvolution(planner, planner.forward, forward_, "forward", [this](winograd::Convolution& job) {
      job.input = input_.data();
      if (epilogue_.pool) {
        job.pooledOutput = pooled(output_);
      } else {
        job.output = output_.data();
      }
    });
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool wantInput) override {
    planner.backward.begin("weight gradient", "own Winograd");
    planner.layOutGradient(kernels_->width);
    if (epilogue_.rectify && !planner.gradient.rectified) planReluMask(planner, output_);
    planWeightGradient(planner);
    planner.backward.begin("input gradient", "own Winograd");
    if (wantInput) planInputGradient(planner);
  }

 private:
  WeightUse weights(WeightUse::Pass pass) const {
    return {pass, kernels_, spec_.weight, spec_.inChannels, spec_.outChannels, forward_.grid.scheme()};
  }
  int64_t blocks(int64_t channels) const { return (channels + kernels_->width - 1) / kernels_->width; }

  Shape outputShape() const {
    if (!epilogue_.pool) return map_;
    const int64_t extra = epilogue_.ceil ? 1 : 0;
    return {map_.n, map_.c, (map_.h + extra) / 2, (map_.w + extra) / 2};
  }

  winograd::Pooled pooled(const Tensor& tensor) const {
    return {tensor.data(), places_ ? places_->octets() : nullptr, tensor.shape.h, tensor.shape.w};
  }

  /** @param complete sets the fields that depend on the memory's addresses */
  template <class Complete>
  void planConvolution(Planner& planner, StepList& steps, const winograd::Convolution& job, const std::string& pass,
                       const Complete& complete) {
    const int threads = winograd::teamSize();
    const std::string key = keyOf(job, pass, threads);
    winograd::Tuner& tuner = planner.context().tuner;
    const auto trials = tuner.trialsFor(key, schedulesFor(job, threads));
    Slot& scratch = planner.scratch(Scratch::winograd);
    for (const Schedule& schedule : trials->candidates()) {
      scratch.grow(static_cast<std::size_t>(kernels_->convolutionScratch(job, schedule, threads)) * sizeof(float));
    }
    steps.push_back([this, &tuner, key, trials, job = job, complete, &scratch](const Batch&) mutable {
      complete(job);
      Schedule schedule = trials->current();
      schedule.scratch = scratch.floats();
      const auto start = std::chrono::steady_clock::now();
      winograd::runOnTeam([&](Team& team, int thread) { kernels_->convolve(job, schedule, team, thread); });
      if (trials->decided()) return;
      tuner.took(key, *trials, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    });
  }

  /** The default schedule first; it is the only one if the convolution takes too little time to be worth trials. */
  std::vector<Schedule> schedulesFor(const winograd::Convolution& job, int threads) const {
    constexpr double kProductsWorthTrials = 1e7;
    Schedule schedules[winograd::kMostSchedules];
    const int count = kernels_->convolutionSchedules(job, threads, schedules);
    const double products = static_cast<double>(map_.n * map_.pixels()) *
                            static_cast<double>(spec_.products() * spec_.outChannels);
    return {schedules, schedules + (products < kProductsWorthTrials ? 1 : count)};
  }

  /** Everything that the time depends on. */
  std::string keyOf(const winograd::Convolution& job, const std::string& pass, int threads) const {
    std::string key = pass + (kernels_->elementBytes == 2 ? "-bf16" : "") + (epilogue_.pool ? "-pool" : "");
    for (const int64_t n : {job.grid.images, job.grid.height, job.grid.width, job.inBlocks, job.outBlocks,
                            kernels_->width, int64_t{threads}}) {
      key += '-' + std::to_string(n);
    }
    return key;
  }

  void planWeightGradient(Planner& planner) {
    winograd::WeightGradient job;
    job.grid = forward_.grid;
    job.inBlocks = forward_.inBlocks;
    job.outBlocks = forward_.outBlocks;
    job.inChannels = spec_.inChannels;
    job.outChannels = spec_.outChannels;
    job.weights = planner.parameters()->data(Parameters::Field::gradients, spec_.weight);
    job.bias = planner.parameters()->data(Parameters::Field::gradients, spec_.bias);
    const int threads = winograd::teamSize();
    const Schedule schedule = kernels_->scheduleWeightGradient(job, threads);
    Slot& scratch = planner.scratch(Scratch::winograd);
    scratch.grow(static_cast<std::size_t>(kernels_->weightGradientScratch(job, schedule, threads)) * sizeof(float));
    planner.backward.push_back([this, job, schedule = schedule, dy = planner.gradient, &scratch](const Batch&) mutable {
      job.input = input_.data();
      if (epilogue_.pool) {
        job.pooledGradient = pooled(dy);
      } else {
        job.gradient = dy.data();
      }
      schedule.scratch = scratch.floats();
      winograd::runOnTeam([&](Team& team, int thread) { kernels_->addWeightGradient(job, schedule, team, thread); });
    });
  }

  void planInputGradient(Planner& planner) {
    const Tensor dy = planner.gradient;
    Tensor dx = planner.nextGradient(input_.shape, kernels_->width);
    dx.rectified = input_.rectified;
    winograd::Convolution job;
    job.grid = forward_.grid;
    job.inBlocks = forward_.outBlocks;
    job.outBlocks = forward_.inBlocks;
    job.outChannels = spec_.inChannels;
    job.weights = planner.transformedWeights(planner.backward, weights(WeightUse::Pass::backward));
    planConvolution(planner, planner.backward, job, "backward", [this, dy, dx](winograd::Convolution& backward) {
      if (epilogue_.pool) {
        backward.pooledInput = pooled(dy);
      } else {
        backward.input = dy.data();
      }
      backward.mask = input_.rectified ? input_.data() : nullptr;
      backward.output = dx.data();
    });
    planner.gradient = dx;
  }

  ConvolutionSpec spec_;
  Epilogue epilogue_;
  const winograd::Kernels* kernels_ = nullptr;
  winograd::Convolution forward_{};
  /** The convolution's output, before pooling. */
  Shape map_{};
  Tensor input_{}, output_{};
  Slot* places_ = nullptr;
};

// Below these, direct convolution is faster. The rule depends on the shape, not on a measurement, so that a run and its continuation
// agree.
/** In smaller maps, most of a tile is beyond the edge, and all but one of the nine weights multiply only zeros. */
constexpr int64_t kFewestPixels = 4;
/** For fewer tiles, reading the weights at 36 points takes longer than the method saves. */
constexpr int64_t kFewestTiles = 4;

}  // namespace

bool suitsWinograd(const ConvolutionSpec& spec, const Shape& input) {
  const winograd::Grid grid{input.n, input.h, input.w};
  return spec.kernel == 3 && spec.padding == 1 && spec.inChannels >= kFewestChannels &&
         input.pixels() >= kFewestPixels && grid.tiles() >= kFewestTiles;
}

std::unique_ptr<Layer> makeWinogradConvolution(const ConvolutionSpec& spec, const Epilogue& epilogue) {
  return std::make_unique<WinogradConvolution>(spec, epilogue);
}

}  // namespace verydeep
