// The highest rate at which the processor can multiply and add.
#pragma once

#include "product.hpp"

namespace verydeep::winograd {
namespace {

/** Enough parallel sums to keep all multipliers busy, few enough for the registers. */
constexpr int kChains = 12;

/** @returns the number of floating-point operations of this thread */
double multiplyAndAdd(int64_t rounds) {
  Vec sum[kChains];
  // A value the compiler cannot fold, chosen so the sums neither overflow nor underflow.
  volatile float seed = 0.5f;
  const Vec factor = zero() + seed, summand = zero() + seed;
  for (int i = 0; i < kChains; i++) sum[i] = zero() + seed;
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; i++) sum[i] = multiplyAdd(sum[i], factor, summand);
  }
  for (int i = 1; i < kChains; i++) sum[0] += sum[i];
  volatile float result = sum[0][0];
  (void)result;
  return 2.0 * kChains * kWidth * static_cast<double>(rounds);
}

}  // namespace
}  // namespace verydeep::winograd
