// Vectors of kWidth floats, in the vector extension of GCC and Clang. Included by the files that compile the kernels for
// one instruction set, which define VD_WIDTH. All code from here on is private to such a file, so that the linker never
// uses one instruction set's copy of a function for another.
#pragma once

#include <cstdint>
#include <cstring>
#ifdef __x86_64__
#include <immintrin.h>
#endif

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

// a · b + sum. Compilers contract it to one instruction where there is one, but not for WebAssembly.
#ifdef __wasm_relaxed_simd__
VD_INLINE Vec multiplyAdd(Vec a, Vec b, Vec sum) { return __builtin_wasm_relaxed_madd_f32x4(a, b, sum); }
VD_INLINE Vec multiplyAdd(Vec a, float b, Vec sum) { return multiplyAdd(a, Vec{b, b, b, b}, sum); }
#else
VD_INLINE Vec multiplyAdd(Vec a, Vec b, Vec sum) {
  return sum + a * b;
}
VD_INLINE Vec multiplyAdd(Vec a, float b, Vec sum) { return sum + a * b; }
#endif

/** Bypasses the caches, for values that are not read again soon. Finish with flushStream. */
VD_INLINE void stream(float* to, Vec v) {
#if VD_WIDTH == 16 && defined(__AVX512F__)
  _mm512_stream_ps(to, reinterpret_cast<__m512>(v));
#elif VD_WIDTH == 8 && defined(__AVX__)
  _mm256_stream_ps(to, reinterpret_cast<__m256>(v));
#elif VD_WIDTH == 4 && defined(__SSE__)
  _mm_stream_ps(to, reinterpret_cast<__m128>(v));
#else
  store(to, v);
#endif
}
VD_INLINE void flushStream() {
#ifdef __x86_64__
  _mm_sfence();
#endif
}

// The factors of the products: floats, or bfloat16 (the upper half of a float). For bfloat16 the processor multiplies
// pairs and adds both products to a float.
#ifdef VD_BF16
typedef uint16_t Element;
VD_INLINE void storeElements(Element* to, Vec v) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to),
                     reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v))));
}
/** even[0], odd[0], even[1], odd[1], … */
VD_INLINE void storePairs(Element* to, Vec even, Vec odd) {
  typedef uint16_t Halves __attribute__((vector_size(kWidth * 2)));
  typedef uint32_t Pairs __attribute__((vector_size(kWidth * 4)));
  const auto low = reinterpret_cast<Halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(even)));
  const auto high = reinterpret_cast<Halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(odd)));
  *reinterpret_cast<Pairs*>(to) = __builtin_convertvector(low, Pairs) | __builtin_convertvector(high, Pairs) << 16;
}
#else
typedef float Element;
VD_INLINE void storeElements(Element* to, Vec v) { store(to, v); }
#endif
/** Elements per cache line. */
constexpr int64_t kLine = 64 / sizeof(Element);
/** Number of floats that take as much memory as this (even) number of elements. */
VD_INLINE int64_t floatsOf(int64_t elements) { return elements * int64_t{sizeof(Element)} / int64_t{sizeof(float)}; }

/** Loads from an array of `count` values with any alignment; the rest is 0. */
VD_INLINE Vec loadPart(const float* from, int64_t count) {
  float values[kWidth] = {};
  for (int64_t i = 0; i < kWidth && i < count; i++) values[i] = from[i];
  Vec v;
  std::memcpy(&v, values, sizeof v);
  return v;
}

/** Loads the places of a pooling's maxima as integers. */
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

/** Part `i` of `count` items, cut into `parts` whose sizes differ by at most one. */
struct Range {
  int64_t begin, end;
};
VD_INLINE Range part(int64_t count, int64_t parts, int64_t i) {
  return {count * i / parts, count * (i + 1) / parts};
}

}  // namespace
}  // namespace verydeep::winograd
