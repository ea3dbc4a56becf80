// Convolutions of any kernel size and padding, computed by oneDNN in the layouts that it prefers. For few input channels,
// our own kernel computes the forward pass, in the layout that the layers above prefer.
#include "layers.hpp"
#include "onednn_compat.hpp"
#include "winograd/team.hpp"

namespace verydeep {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

memory::desc anyLayout(const memory::dims& dims) { return {dims, memory::data_type::f32, Tag::any}; }

memory::dims dimsOf(const Shape& s) { return {s.n, s.c, s.h, s.w}; }

/** y ← y + x, in a fixed order. */
void add(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

class Convolution : public Layer {
 public:
  explicit Convolution(const ConvolutionSpec& spec) : spec_(spec) {}
  bool hasParameters() const override { return true; }

  void planForward(Planner& planner) override {
    const Shape in = planner.activation.shape, out = spec_.outputOf(in);
    forward_ = preferredDesc(planner, in, out);
    planner.forward.begin("forward", algorithm(forward_));
    planner.layOutActivation(*blockOf(in, forward_.src_desc()));
    input_ = planner.activation;
    output_ = planner.nextActivation(out, *blockOf(out, forward_.dst_desc()));
    planner.execute(planner.forward, dnnl::convolution_forward(forward_),
                    {{DNNL_ARG_SRC, planner.memoryOf(input_, forward_.src_desc())},
                     {DNNL_ARG_WEIGHTS,
                      planner.weights(planner.forward, spec_.weight, weightDims(), forward_.weights_desc())},
                     {DNNL_ARG_BIAS, parameter(planner, Parameters::Field::values, spec_.bias, biasDesc())},
                     {DNNL_ARG_DST, planner.memoryOf(output_, forward_.dst_desc())}},
                    forward_.scratchpad_desc());
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool wantInput) override {
    planWeightGradient(planner);
    if (wantInput) planInputGradient(planner);
  }

 protected:
  /** The forward primitive from one layout to another. The backward primitives take it as a hint. */
  dnnl::convolution_forward::primitive_desc forwardDesc(Planner& planner, const memory::desc& in,
                                                        const memory::desc& out) const {
    return compat::convolutionForward(planner.context().engine, planner.training(),
                                      {in, anyLayout(weightDims()), biasDesc(), out, spec_.padding});
  }

  ConvolutionSpec spec_;
  dnnl::convolution_forward::primitive_desc forward_;
  Tensor input_{}, output_{};

 private:
  template <class PrimitiveDesc>
  static std::string algorithm(const PrimitiveDesc& desc) {
    return std::string("oneDNN ") + desc.impl_info_str();
  }

  memory::dims weightDims() const { return {spec_.outChannels, spec_.inChannels, spec_.kernel, spec_.kernel}; }
  memory::desc weightDesc() const { return {weightDims(), memory::data_type::f32, Tag::oihw}; }
  memory::desc biasDesc() const { return {{spec_.outChannels}, memory::data_type::f32, Tag::x}; }

  /** oneDNN chooses the layouts of input and output, except where it chooses one that the other layers do not support. */
  dnnl::convolution_forward::primitive_desc preferredDesc(Planner& planner, const Shape& in, const Shape& out) const {
    const auto desc = forwardDesc(planner, anyLayout(dimsOf(in)), anyLayout(dimsOf(out)));
    if (blockOf(in, desc.src_desc()) && blockOf(out, desc.dst_desc())) return desc;
    return forwardDesc(planner, descOf(in, 1), descOf(out, 1));
  }

  static memory parameter(Planner& planner, Parameters::Field field, std::size_t tensor, const memory::desc& desc) {
    return memory(desc, planner.context().engine, planner.parameters()->data(field, tensor));
  }

  /**
   * Descriptor of a backward primitive in the layouts of the activations and gradients or, if only oneDNN's slow
   * reference code supports those, in the layouts that oneDNN prefers.
   */
  template <class Make>
  auto backwardDesc(const Make& make) const {
    compat::ConvolutionShape shape{forward_.src_desc(), anyLayout(weightDims()), biasDesc(), forward_.dst_desc(),
                                   spec_.padding};
    auto desc = make(shape);
    if (!compat::isReference(desc)) return desc;
    shape.source = anyLayout(dimsOf(input_.shape));
    shape.destination = anyLayout(dimsOf(output_.shape));
    return make(shape);
  }

  /** `tensor` itself, or a copy in the layout that a primitive needs. */
  static memory as(Planner& planner, Scratch scratch, const Tensor& tensor, const memory::desc& desc) {
    const auto block = blockOf(tensor.shape, desc);
    if (block == tensor.block) return planner.memoryOf(tensor, desc);
    return planner.staged(planner.backward, scratch, tensor, desc);
  }

  void planWeightGradient(Planner& planner) {
    const dnnl::engine& engine = planner.context().engine;
    const auto desc = backwardDesc([&](const compat::ConvolutionShape& shape) {
      return compat::convolutionBackwardWeights(engine, shape, forward_);
    });
    planner.backward.begin("weight gradient", algorithm(desc));
    const memory weights = planner.scratch(Scratch::weightGradient).memory(desc.diff_weights_desc(), engine);
    Slot& bias = planner.scratch(Scratch::biasGradient);
    planner.execute(planner.backward, dnnl::convolution_backward_weights(desc),
                    {{DNNL_ARG_SRC, as(planner, Scratch::stagedSource, input_, desc.src_desc())},
                     {DNNL_ARG_DIFF_DST, as(planner, Scratch::stagedGradient, planner.gradient, desc.diff_dst_desc())},
                     {DNNL_ARG_DIFF_WEIGHTS, weights},
                     {DNNL_ARG_DIFF_BIAS, bias.memory(biasDesc(), engine)}},
                    desc.scratchpad_desc());
    planAddition(planner, weights, desc.diff_weights_desc());
    float* sum = planner.parameters()->data(Parameters::Field::gradients, spec_.bias);
    planner.backward.push_back([&bias, sum, count = spec_.outChannels](const Batch&) { add(bias.floats(), sum, count); });
  }

  /** Adds a weight gradient in oneDNN's layout to the canonical one. */
  void planAddition(Planner& planner, const memory& from, const memory::desc& desc) {
    const dnnl::engine& engine = planner.context().engine;
    const dnnl::reorder::primitive_desc reorder(engine, desc, engine, weightDesc(), compat::accumulating());
    planner.execute(planner.backward, dnnl::reorder(reorder),
                    {{DNNL_ARG_FROM, from},
                     {DNNL_ARG_TO, parameter(planner, Parameters::Field::gradients, spec_.weight, weightDesc())}},
                    reorder.scratchpad_desc());
  }

  void planInputGradient(Planner& planner) {
    const auto desc = backwardDesc([&](const compat::ConvolutionShape& shape) {
      return compat::convolutionBackwardData(planner.context().engine, shape, forward_);
    });
    planner.backward.begin("input gradient", algorithm(desc));
    // If oneDNN needs a layout that no other layer supports, the gradient goes through a staged copy.
    const memory outputGradient = as(planner, Scratch::stagedGradient, planner.gradient, desc.diff_dst_desc());
    const auto block = blockOf(input_.shape, desc.diff_src_desc());
    const Tensor inputGradient = planner.nextGradient(input_.shape, block.value_or(1));
    const memory result = block ? planner.memoryOf(inputGradient, desc.diff_src_desc())
                                : planner.scratch(Scratch::stagedSource).memory(desc.diff_src_desc(), planner.context().engine);
    planner.execute(planner.backward, dnnl::convolution_backward_data(desc),
                    {{DNNL_ARG_DIFF_DST, outputGradient},
                     {DNNL_ARG_WEIGHTS,
                      planner.weights(planner.backward, spec_.weight, weightDims(), desc.weights_desc())},
                     {DNNL_ARG_DIFF_SRC, result}},
                    desc.scratchpad_desc());
    if (!block) planUnstage(planner, result, desc.diff_src_desc(), inputGradient);
    planner.gradient = inputGradient;
  }

  static void planUnstage(Planner& planner, const memory& from, const memory::desc& desc, const Tensor& to) {
    const dnnl::engine& engine = planner.context().engine;
    const auto plain = descOf(to.shape, to.block);
    const dnnl::reorder::primitive_desc reorder(engine, desc, engine, plain, compat::withUserScratchpad());
    planner.execute(planner.backward, dnnl::reorder(reorder),
                    {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, planner.memoryOf(to, plain)}}, reorder.scratchpad_desc());
  }
};

class DirectConvolution : public Convolution {
 public:
  DirectConvolution(const ConvolutionSpec& spec, bool rectify) : Convolution(spec), rectify_(rectify) {}

  void planForward(Planner& planner) override {
    const winograd::Kernels& kernels = planner.kernels();
    planner.forward.begin("forward", "own");
    planner.layOutActivation(1);
    input_ = planner.activation;
    const Shape in = input_.shape, out = spec_.outputOf(in);
    output_ = planner.nextActivation(out, kernels.width);
    output_.rectified = rectify_;
    if (planner.training()) forward_ = forwardDesc(planner, descOf(in, 1), descOf(out, kernels.width));
    winograd::DirectConvolution job{in.n, in.c, in.h, in.w, spec_.kernel, spec_.padding, out.c, rectify_};
    const WeightUse use{WeightUse::Pass::direct, &kernels, spec_.weight, job.taps(), out.c};
    job.weights = static_cast<const float*>(planner.transformedWeights(planner.forward, use));
    job.bias = planner.parameters()->data(Parameters::Field::values, spec_.bias);
    Slot& scratch = planner.scratch(Scratch::direct);
    scratch.grow(static_cast<std::size_t>(kernels.directScratch(job, winograd::teamSize())) * sizeof(float));
    planner.forward.push_back([this, job, &kernels, &scratch](const Batch&) mutable {
      job.input = input_.data();
      job.output = output_.data();
      job.scratch = scratch.floats();
      winograd::runOnTeam([&](winograd::Team& team, int thread) { kernels.convolveDirectly(job, team, thread); });
    });
    planner.activation = output_;
  }

  void planBackward(Planner& planner, bool wantInput) override {
    if (rectify_ && !planner.gradient.rectified) {
      planner.layOutGradient(output_.block);
      planReluMask(planner, output_);
    }
    Convolution::planBackward(planner, wantInput);
  }

 private:
  bool rectify_;
};

}  // namespace

std::unique_ptr<Layer> makeConvolution(const ConvolutionSpec& spec) { return std::make_unique<Convolution>(spec); }

std::unique_ptr<Layer> makeDirectConvolution(const ConvolutionSpec& spec, bool rectify) {
  return std::make_unique<DirectConvolution>(spec, rectify);
}

bool suitsDirect(const ConvolutionSpec& spec, const Context& context) {
  return context.ownKernels && spec.inChannels < kFewestChannels;
}

}  // namespace verydeep
