// y_c = x_c / (k + alpha · Σ x_j²)^beta over the `size` channels around c, by oneDNN.
#include "layers.hpp"
#include "onednn_compat.hpp"

namespace verydeep {
namespace {

class Lrn : public Layer {
 public:
  explicit Lrn(const LrnSpec& spec) : spec_(spec) {}

  void planForward(Planner& planner) override {
    input_ = planner.activation;
    desc_ = forwardDesc(planner);
    const auto data = shape().data;
    const Tensor output = planner.nextActivation(input_.shape, input_.block);
    Arguments arguments{{DNNL_ARG_SRC, planner.memoryOf(input_, data)}, {DNNL_ARG_DST, planner.memoryOf(output, data)}};
    if (planner.training() && desc_.workspace_desc().get_size() > 0) {
      workspace_ = planner.ownSlot().memory(desc_.workspace_desc(), planner.context().engine);
      arguments.emplace(DNNL_ARG_WORKSPACE, workspace_);
    }
    planner.execute(planner.forward, dnnl::lrn_forward(desc_), arguments, desc_.scratchpad_desc());
    planner.activation = output;
  }

  void planBackward(Planner& planner, bool) override {
    const auto data = shape().data;
    planner.layOutGradient(input_.block);
    const auto desc = compat::lrnBackward(planner.context().engine, shape(), desc_);
    const Tensor output = planner.nextGradient(input_.shape, input_.block);
    Arguments arguments{{DNNL_ARG_SRC, planner.memoryOf(input_, data)},
                        {DNNL_ARG_DIFF_DST, planner.memoryOf(planner.gradient, data)},
                        {DNNL_ARG_DIFF_SRC, planner.memoryOf(output, data)}};
    if (workspace_) arguments.emplace(DNNL_ARG_WORKSPACE, workspace_);
    planner.execute(planner.backward, dnnl::lrn_backward(desc), arguments, desc.scratchpad_desc());
    planner.gradient = output;
  }

 private:
  /** oneDNN divides alpha by the size, the paper does not. */
  compat::LrnShape shape() const {
    const float alpha = spec_.alpha * static_cast<float>(spec_.size);
    return {descOf(input_.shape, input_.block), spec_.size, alpha, spec_.beta, spec_.k};
  }

  dnnl::lrn_forward::primitive_desc forwardDesc(Planner& planner) const {
    return compat::lrnForward(planner.context().engine, planner.training(), shape());
  }

  LrnSpec spec_;
  Tensor input_{};
  dnnl::lrn_forward::primitive_desc desc_;
  dnnl::memory workspace_;
};

}  // namespace

std::unique_ptr<Layer> makeLrn(const LrnSpec& spec) { return std::make_unique<Lrn>(spec); }

}  // namespace verydeep
