// The table of kernels of one instruction set. A file that includes this defines VD_WIDTH first.
#pragma once

#include "convolve.hpp"
#include "peak.hpp"
#include "weight_gradient.hpp"
#include "weights.hpp"

namespace verydeep::winograd {
namespace {

constexpr Kernels kernelsNamed(const char* name) {
  return {name,
          kWidth,
          scheduleConvolution,
          convolutionScratch,
          convolve,
          scheduleWeightGradient,
          weightGradientScratch,
          addWeightGradient,
          transformedWeights,
          transformWeights,
          multiplyAndAdd};
}

}  // namespace
}  // namespace verydeep::winograd
