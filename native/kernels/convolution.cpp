// Convolutions that Winograd's method does not suit: any kernel size and padding in the blocked layout, and few input
// channels in the canonical one.
#include "layers.hpp"
#include "winograd/team.hpp"

namespace verydeep {
namespace {

using winograd::Team;

std::size_t bytesOf(int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

/** y = conv(x) of blocked tensors. In the backward pass they are gradients. */
void planBlocked(Planner& planner, StepList& steps, const ConvolutionSpec& spec, bool backward, const float* bias,
                 const Tensor& x, const Tensor& y) {
  const winograd::Kernels& kernels = winograd::bestKernels();
  winograd::BlockedConvolution job{x.shape.n, x.shape.c, x.shape.h, x.shape.w, spec.kernel,
                                   backward ? spec.kernel - 1 - spec.padding : spec.padding, y.shape.c};
  WeightUse use{backward ? WeightUse::Pass::blockedBackward : WeightUse::Pass::blocked, &kernels, spec.weight,
                spec.inChannels, spec.outChannels};
  use.kernel = spec.kernel;
  job.weights = static_cast<const float*>(planner.transformedWeights(steps, use));
  job.bias = bias;
  job.rectify = y.rectified && !backward;
  Slot& scratch = planner.scratch(Scratch::convolution);
  scratch.grow(bytesOf(kernels.blockedScratch(job, winograd::teamSize())));
  steps.push_back([job, x, y, &kernels, &scratch](const Batch&) mutable {
    job.input = x.data();
    job.output = y.data();
    job.scratch = scratch.floats();
    winograd::runOnTeam([&](Team& team, int thread) { kernels.convolveBlocked(job, team, thread); });
  });
}

/** What the two kinds have in common: all but the forward pass and the weight gradient. */
class Convolution : public Layer {
 public:
  Convolution(const ConvolutionSpec& spec, bool rectify) : spec_(spec), rectify_(rectify) {}
  bool hasParameters() const override { return true; }

  void planBackward(Planner& planner, bool wantInput) override {
    const int64_t width = winograd::bestKernels().width;
    planner.backward.begin("weight gradient", kName);
    planner.layOutGradient(width);
    if (rectify_ && !planner.gradient.rectified) planReluMask(planner, output_);
    planWeightGradient(planner);
    if (!wantInput) return;
    planner.backward.begin("input gradient", kName);
    const Tensor dx = planner.nextGradient(input_.shape, width);
    planBlocked(planner, planner.backward, spec_, true, nullptr, planner.gradient, dx);
    planner.gradient = dx;
  }

 protected:
  static constexpr const char* kName = "own direct";

  virtual void planWeightGradient(Planner& planner) = 0;

  void planOutput(Planner& planner) {
    input_ = planner.activation;
    output_ = planner.nextActivation(spec_.outputOf(input_.shape), winograd::bestKernels().width);
    output_.rectified = rectify_;
    planner.activation = output_;
  }

  /** Plans a step that adds to the gradients. `addGradient` is a member of Kernels. */
  template <class Job, class Add>
  void planAddition(Planner& planner, Job job, int64_t scratchFloats, Add addGradient) {
    job.weights = planner.parameters()->data(Parameters::Field::gradients, spec_.weight);
    job.bias = planner.parameters()->data(Parameters::Field::gradients, spec_.bias);
    Slot& scratch = planner.scratch(Scratch::convolution);
    scratch.grow(bytesOf(scratchFloats));
    planner.backward.push_back([this, job, addGradient, dy = planner.gradient, &scratch](const Batch&) mutable {
      job.input = input_.data();
      job.gradient = dy.data();
      job.scratch = scratch.floats();
      winograd::runOnTeam([&](Team& team, int thread) { addGradient(job, team, thread); });
    });
  }

  ConvolutionSpec spec_;
  bool rectify_;
  Tensor input_{}, output_{};
};

class BlockedConvolution : public Convolution {
 public:
  using Convolution::Convolution;

  void planForward(Planner& planner) override {
    planner.forward.begin("forward", kName);
    planner.layOutActivation(winograd::bestKernels().width);
    planOutput(planner);
    planBlocked(planner, planner.forward, spec_, false, planner.parameters()->data(Parameters::Field::values, spec_.bias),
                input_, output_);
  }

 private:
  void planWeightGradient(Planner& planner) override {
    const winograd::Kernels& kernels = winograd::bestKernels();
    const Shape& in = input_.shape;
    winograd::BlockedGradient job{{in.n, in.c, in.h, in.w, spec_.kernel, spec_.padding, spec_.outChannels}};
    planAddition(planner, job, kernels.blockedGradientScratch(job), kernels.addBlockedGradient);
  }
};

class DirectConvolution : public Convolution {
 public:
  using Convolution::Convolution;

  void planForward(Planner& planner) override {
    const winograd::Kernels& kernels = planner.kernels();
    planner.forward.begin("forward", kName);
    planner.layOutActivation(1);
    planOutput(planner);
    winograd::DirectConvolution job = shape();
    const WeightUse use{WeightUse::Pass::direct, &kernels, spec_.weight, job.taps(), spec_.outChannels};
    job.weights = static_cast<const float*>(planner.transformedWeights(planner.forward, use));
    job.bias = planner.parameters()->data(Parameters::Field::values, spec_.bias);
    Slot& scratch = planner.scratch(Scratch::convolution);
    scratch.grow(bytesOf(kernels.directScratch(job, winograd::teamSize())));
    planner.forward.push_back([this, job, &kernels, &scratch](const Batch&) mutable {
      job.input = input_.data();
      job.output = output_.data();
      job.scratch = scratch.floats();
      winograd::runOnTeam([&](Team& team, int thread) { kernels.convolveDirectly(job, team, thread); });
    });
  }

 private:
  winograd::DirectConvolution shape() const {
    const Shape& in = input_.shape;
    return {in.n, in.c, in.h, in.w, spec_.kernel, spec_.padding, spec_.outChannels, rectify_};
  }

  void planWeightGradient(Planner& planner) override {
    const winograd::Kernels& kernels = winograd::bestKernels();
    const winograd::DirectGradient job{shape()};
    planAddition(planner, job, kernels.directGradientScratch(job, winograd::teamSize()), kernels.addDirectGradient);
  }
};

}  // namespace

std::unique_ptr<Layer> makeConvolution(const ConvolutionSpec& spec, bool rectify) {
  if (spec.inChannels < kFewestChannels) return std::make_unique<DirectConvolution>(spec, rectify);
  return std::make_unique<BlockedConvolution>(spec, rectify);
}

}  // namespace verydeep
