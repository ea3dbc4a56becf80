// oneDNN 2 creates a primitive from an operation descriptor, oneDNN 3 directly from its arguments. Everything that
// differs between the two is here.
#pragma once

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>

namespace verydeep::compat {

using dnnl::memory;

#if DNNL_VERSION_MAJOR >= 3
#define VD_ONEDNN_3 1
#endif

/** A convolution with stride 1; `padding` zeros on each side. */
struct ConvolutionShape {
  memory::desc source, weights, bias, destination;
  memory::dim padding;
};

/** With three input channels, oneDNN would choose Winograd's method in training, which is then two to three times slower. */
inline dnnl::algorithm algorithmFor(const ConvolutionShape& c) {
  constexpr memory::dim kFewChannels = 8;
#ifdef VD_ONEDNN_3
  const memory::dim channels = c.source.get_dims()[1];
#else
  const memory::dim channels = c.source.dims()[1];
#endif
  return channels < kFewChannels ? dnnl::algorithm::convolution_direct : dnnl::algorithm::convolution_auto;
}

inline dnnl::primitive_attr withUserScratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/** Attributes of a primitive that adds to its destination. */
inline dnnl::primitive_attr accumulating() {
  dnnl::post_ops sum;
  sum.append_sum(1.0f);
  dnnl::primitive_attr attributes = withUserScratchpad();
  attributes.set_post_ops(sum);
  return attributes;
}

inline dnnl::convolution_forward::primitive_desc convolutionForward(const dnnl::engine& engine, bool training,
                                                                    const ConvolutionShape& c) {
  const auto kind = training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const auto algorithm = algorithmFor(c);
  const memory::dims strides{1, 1}, padding{c.padding, c.padding};
#ifdef VD_ONEDNN_3
  return {engine,        kind,    algorithm, c.source, c.weights,           c.bias,
          c.destination, strides, padding,   padding,  withUserScratchpad()};
#else
  return {{kind, algorithm, c.source, c.weights, c.bias, c.destination, strides, padding, padding},
          withUserScratchpad(),
          engine};
#endif
}

inline dnnl::convolution_backward_data::primitive_desc convolutionBackwardData(
    const dnnl::engine& engine, const ConvolutionShape& c, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto algorithm = algorithmFor(c);
  const memory::dims strides{1, 1}, padding{c.padding, c.padding};
#ifdef VD_ONEDNN_3
  return {engine,  algorithm, c.source, c.weights, c.destination,
          strides, padding,   padding,  hint,      withUserScratchpad()};
#else
  return {{algorithm, c.source, c.weights, c.destination, strides, padding, padding},
          withUserScratchpad(),
          engine,
          hint};
#endif
}

inline dnnl::convolution_backward_weights::primitive_desc convolutionBackwardWeights(
    const dnnl::engine& engine, const ConvolutionShape& c, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto algorithm = algorithmFor(c);
  const memory::dims strides{1, 1}, padding{c.padding, c.padding};
#ifdef VD_ONEDNN_3
  return {engine,  algorithm, c.source, c.weights, c.bias,  c.destination,
          strides, padding,   padding,  hint,      withUserScratchpad()};
#else
  return {{algorithm, c.source, c.weights, c.bias, c.destination, strides, padding, padding},
          withUserScratchpad(),
          engine,
          hint};
#endif
}

/** Whether a primitive runs oneDNN's slow reference code. */
template <class PrimitiveDesc>
bool isReference(const PrimitiveDesc& desc) {
  return std::strncmp(desc.impl_info_str(), "ref", 3) == 0;
}

/** The instruction set that oneDNN generates code for. */
inline const char* effectiveIsa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 with VNNI";
    case dnnl::cpu_isa::avx512_core:
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 with BF16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AVX-512 with AMX";
    default:
#ifdef __aarch64__
      return "AArch64";
#else
      return "this machine's instruction set";
#endif
  }
}

}  // namespace verydeep::compat
