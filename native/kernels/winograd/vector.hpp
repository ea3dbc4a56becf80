// Vectors of kWidth floats, by the vector extensions of GCC and Clang. Included by the files that compile the
// kernels for one instruction set, which define VD_WIDTH; all code from here on is private to such a file, so that
// the linker never takes one instruction set's copy of a function for another's.
#pragma once

#include <cstdint>
#include <cstring>

#define VD_INLINE inline __attribute__((always_inline))

namespace verydeep::winograd {
namespace {

constexpr int kWidth = VD_WIDTH;
typedef float Vec __attribute__((vector_size(kWidth * 4)));
typedef int32_t IntVec __attribute__((vector_size(kWidth * 4)));
typedef uint8_t ByteVec __attribute__((vector_size(kWidth)));

VD_INLINE Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
VD_INLINE void store(float* to, Vec v) { *reinterpret_cast<Vec*>(to) = v; }
VD_INLINE Vec zero() { return Vec{}; }

/** From an array of any alignment of which `count` values are there; the rest is 0. */
VD_INLINE Vec loadPart(const float* from, int64_t count) {
  float values[kWidth] = {};
  for (int64_t i = 0; i < kWidth && i < count; i++) values[i] = from[i];
  Vec v;
  std::memcpy(&v, values, sizeof v);
  return v;
}

/** Places of a pooling's maxima as integers. */
VD_INLINE IntVec loadPlaces(const uint8_t* from) {
  ByteVec bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, IntVec);
}
VD_INLINE void storePlaces(uint8_t* to, IntVec places) {
  const ByteVec bytes = __builtin_convertvector(places, ByteVec);
  std::memcpy(to, &bytes, sizeof bytes);
}

/** max(x, 0), but NaN stays NaN. */
VD_INLINE Vec rectified(Vec x) { return x <= zero() ? zero() : x; }
/** x where `by` is above 0, else 0. */
VD_INLINE Vec masked(Vec x, Vec by) { return by > zero() ? x : zero(); }

VD_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
VD_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
VD_INLINE int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** Part `i` of `count` cut into `parts` that differ by one at most. */
struct Range {
  int64_t begin, end;
};
VD_INLINE Range part(int64_t count, int64_t parts, int64_t i) {
  return {count * i / parts, count * (i + 1) / parts};
}

}  // namespace
}  // namespace verydeep::winograd
