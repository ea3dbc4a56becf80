// bfloat16: the upper 16 bits of a float32.
#pragma once

#include <cstdint>
#include <cstring>

namespace verydeep {

using BFloat16 = uint16_t;

/** Rounds to the nearest, ties to even; NaN stays NaN. */
inline BFloat16 toBFloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const bool isNan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<BFloat16>(isNan ? (bits >> 16) | 0x40u : rounded);
}

inline float toFloat(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

}  // namespace verydeep
