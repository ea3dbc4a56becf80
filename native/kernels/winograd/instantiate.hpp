// The table of kernels for one instruction set. Files that include this must define VD_WIDTH first.
#pragma once

#include "convolve.hpp"
#include "direct.hpp"
#include "dots.hpp"
#include "peak.hpp"
#ifndef VD_BF16
#include "blocked_gradient.hpp"
#include "matrix.hpp"
#include "weight_gradient.hpp"
#endif
#include "weight_transform.hpp"

namespace verydeep::winograd {
namespace {

constexpr Kernels kernelsNamed(const char* name) {
  return {name,
          kWidth,
          sizeof(Element),
          convolutionSchedules,
          convolutionScratch,
          convolve,
#ifdef VD_BF16
          // For inference only.
          nullptr,
          nullptr,
          nullptr,
#else
          scheduleWeightGradient,
          weightGradientScratch,
          addWeightGradient,
#endif
          transformedWeights,
          transformWeights,
          dotScratch,
          multiplyDots,
          packDotWeights,
          directScratch,
          convolveDirectly,
          directWeights,
          packDirectWeights,
          multiplyAndAdd,
#ifndef VD_BF16
          directGradientScratch,
          addDirectGradient,
          blockedScratch,
          convolveBlocked,
          blockedGradientScratch,
          addBlockedGradient,
          blockedWeights,
          packBlockedWeights,
          matrixScratch,
          multiplyMatrices,
#endif
  };
}

}  // namespace
}  // namespace verydeep::winograd
