// Convolutions of any kernel and padding, by oneDNN, in the layouts that it prefers.
#include "layers.hpp"
#include "onednn_compat.hpp"

namespace verydeep {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

memory::desc anyLayout(const memory::dims& dims) { return {dims, memory::data_type::f32, Tag::any}; }

memory::dims dimsOf(const Shape& s) { return {s.n, s.c, s.h, s.w}; }

/** y ← y + x, in the order that never changes. */
void add(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

class Convolution : public Layer {
 public:
  explicit Convolution(const ConvolutionSpec& spec) : spec_(spec) {}
  bool hasParameters() const override { return true; }

  void planForward(Planner& planner) override {
    const Shape in = planner.activation.shape, out = spec_.outputOf(in);
    forward_ = forwardDesc(planner, in, out);
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

 private:
  template <class PrimitiveDesc>
  static std::string algorithm(const PrimitiveDesc& desc) {
    return std::string("oneDNN ") + desc.impl_info_str();
  }

  memory::dims weightDims() const { return {spec_.outChannels, spec_.inChannels, spec_.kernel, spec_.kernel}; }
  memory::desc weightDesc() const { return {weightDims(), memory::data_type::f32, Tag::oihw}; }
  memory::desc biasDesc() const { return {{spec_.outChannels}, memory::data_type::f32, Tag::x}; }

  /** The layouts of input and output are oneDNN's choice, unless it chooses one that the other layers do not know. */
  dnnl::convolution_forward::primitive_desc forwardDesc(Planner& planner, const Shape& in, const Shape& out) const {
    compat::ConvolutionShape shape{anyLayout(dimsOf(in)), anyLayout(weightDims()), biasDesc(),
                                   anyLayout(dimsOf(out)), spec_.padding};
    const dnnl::engine& engine = planner.context().engine;
    auto desc = compat::convolutionForward(engine, planner.training(), shape);
    if (blockOf(in, desc.src_desc()) && blockOf(out, desc.dst_desc())) return desc;
    shape.source = descOf(in, 1);
    shape.destination = descOf(out, 1);
    return compat::convolutionForward(engine, planner.training(), shape);
  }

  static memory parameter(Planner& planner, Parameters::Field field, std::size_t tensor, const memory::desc& desc) {
    return memory(desc, planner.context().engine, planner.parameters()->data(field, tensor));
  }

  /**
   * Descriptor of a backward primitive: first for the layouts that activations and gradients have, and if only
   * oneDNN's slow code can do that, for those it likes better.
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

  /** `tensor` itself, or a copy in the layout that a primitive wants. */
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
    // Where oneDNN wants a layout that no other layer knows, the gradient goes through a staged copy.
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

  ConvolutionSpec spec_;
  dnnl::convolution_forward::primitive_desc forward_;
  Tensor input_{}, output_{};
};

}  // namespace

std::unique_ptr<Layer> makeConvolution(const ConvolutionSpec& spec) { return std::make_unique<Convolution>(spec); }

}  // namespace verydeep
