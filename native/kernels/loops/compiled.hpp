// The loops, included by the files that compile them for one instruction set. All of it is private to such a file.
#pragma once

#include <cmath>
#include <cstring>

#include "loops.hpp"

#define VD_INLINE inline __attribute__((always_inline))

namespace verydeep {
namespace {

// Vectors of eight values in the compiler's vector extension, which maps them to the vectors of the instruction set.
constexpr int64_t kLanes = 8;
typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
typedef uint8_t Octets __attribute__((vector_size(8)));

template <class Vector, class T>
VD_INLINE void load(const T* from, Vector& to) {
  std::memcpy(&to, from, sizeof(Vector));
}

template <class Vector, class T>
VD_INLINE void store(const Vector& from, T* to) {
  std::memcpy(to, &from, sizeof(Vector));
}

void rectify(float* x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) x[i] = x[i] <= 0.0f ? 0.0f : x[i];
}

/** g ← g where y > 0, else 0; y > 0 exactly where x > 0. */
void mask(const float* __restrict y, float* __restrict g, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) g[i] = y[i] > 0.0f ? g[i] : 0.0f;
}

/** Takes x, the value at index `which` of its window, where it is greater than the best so far. */
template <class Value, class Place>
VD_INLINE void consider(const Value& x, int32_t which, Value& best, Place& at) {
  const auto better = (x > best) | ((x != x) & (best == best));
  best = better ? x : best;
  at = better ? at - at + which : at;
}

/** Sets `best`, initially the first value, to a window's maximum. Value and Place are numbers or vectors of them. */
template <class Value, class Place>
VD_INLINE void maximize(Value& best, const Value& b, const Value& c, const Value& d, bool rectify, Place& at) {
  at = Place{};
  consider(b, 1, best, at);
  consider(c, 2, best, at);
  consider(d, 3, best, at);
  const Value zero{};
  if (rectify) best = best <= zero ? zero : best;
}

void poolForward(const PoolRow& row, int64_t block) {
  for (int64_t u = 0; u < row.outWidth; u++) {
    const int64_t left = 2 * u * block, right = 2 * u + 1 < row.inWidth ? left + block : left;
    float* y = row.y + u * block;
    uint8_t* place = row.place + u * block;
    int64_t i = 0;
    for (; i + kLanes <= block; i += kLanes) {
      Floats a, b, c, d;
      Ints at;
      load(row.top + left + i, a);
      load(row.top + right + i, b);
      load(row.bottom + left + i, c);
      load(row.bottom + right + i, d);
      maximize(a, b, c, d, row.rectify, at);
      store(a, y + i);
      store(__builtin_convertvector(at, Octets), place + i);
    }
    for (; i < block; i++) {
      int32_t at;
      y[i] = row.top[left + i];
      maximize(y[i], row.top[right + i], row.bottom[left + i], row.bottom[right + i], row.rectify, at);
      place[i] = static_cast<uint8_t>(at);
    }
  }
}

/** Gives the maximum of a window the output's gradient, and its other values 0. */
template <class Value, class Place>
VD_INLINE void backwardWindow(const PoolRow& row, const Value& y, const Value& dy, const Place& at, int64_t left,
                              int64_t right) {
  const Value zero{};
  const Value passed = row.rectify ? (y > zero ? dy : zero) : dy;
  store(at == 0 ? passed : zero, row.top + left);
  if (right != left) store(at == 1 ? passed : zero, row.top + right);
  if (row.bottom == row.top) return;
  store(at == 2 ? passed : zero, row.bottom + left);
  if (right != left) store(at == 3 ? passed : zero, row.bottom + right);
}

void poolBackward(const PoolRow& row, const float* gradient, int64_t block) {
  for (int64_t u = 0; u < row.outWidth; u++) {
    const int64_t left = 2 * u * block, right = 2 * u + 1 < row.inWidth ? left + block : left;
    const float *y = row.y + u * block, *dy = gradient + u * block;
    const uint8_t* place = row.place + u * block;
    int64_t i = 0;
    for (; i + kLanes <= block; i += kLanes) {
      Floats value, slope;
      Octets at;
      load(y + i, value);
      load(dy + i, slope);
      load(place + i, at);
      backwardWindow(row, value, slope, __builtin_convertvector(at, Ints), left + i, right + i);
    }
    for (; i < block; i++) backwardWindow(row, y[i], dy[i], static_cast<int32_t>(place[i]), left + i, right + i);
  }
  // Rounding down leaves a last column outside all windows.
  for (int64_t i = 2 * row.outWidth * block; i < row.inWidth * block; i++) row.top[i] = row.bottom[i] = 0.0f;
}

VD_INLINE uint32_t rotate(uint32_t x, int by) { return (x << by) | (x >> (32 - by)); }

/** Threefry-2x32 with 20 rounds, as in src/core/random.ts, for the counters (ordinal, first …). */
void drawWords(uint32_t key0, uint32_t key1, uint32_t ordinal, uint32_t first, uint32_t* __restrict even,
                             uint32_t* __restrict odd) {
  constexpr int kRotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint32_t keys[3] = {key0, key1, 0x1bd11bdau ^ key0 ^ key1};
  for (uint32_t i = 0; i < kDrawnCounters; i++) {
    uint32_t x0 = ordinal + keys[0];
    uint32_t x1 = first + i + keys[1];
    for (uint32_t group = 0; group < 5; group++) {
      for (uint32_t round = 0; round < 4; round++) {
        x0 += x1;
        x1 = rotate(x1, kRotations[group % 2 * 4 + round]) ^ x0;
      }
      x0 += keys[(group + 1) % 3];
      x1 += keys[(group + 2) % 3] + group + 1;
    }
    even[i] = x0;
    odd[i] = x1;
  }
}

/** A single pass, limited by memory bandwidth. It also zeroes the gradients. */
void step(const SgdArrays& tensor, int64_t begin, int64_t end, float rate, float momentum, float decay) {
  float* __restrict w = tensor.values;
  float* __restrict g = tensor.gradients;
  float* __restrict v = tensor.velocities;
  for (int64_t i = begin; i < end; i++) {
    v[i] = momentum * v[i] - rate * (g[i] + decay * w[i]);
    w[i] += v[i];
    g[i] = 0.0f;
  }
}

/** sums[c] = terms[c] + … + terms[c + size − 1] */
VD_INLINE void sumWindows(const float* __restrict terms, int64_t channels, int64_t size, float* __restrict sums) {
  for (int64_t c = 0; c < channels; c++) sums[c] = terms[c];
  for (int64_t j = 1; j < size; j++) {
    for (int64_t c = 0; c < channels; c++) sums[c] += terms[c + j];
  }
}

/** Computes s and s^−β of one pixel. */
void lrnScale(const LrnSpec& spec, int64_t channels, const LrnPixel& b) {
  const float* __restrict x = b.x;
  float* __restrict squares = b.terms + spec.size / 2;
  for (int64_t c = 0; c < channels; c++) squares[c] = x[c] * x[c];
  sumWindows(b.terms, channels, spec.size, b.sums);
  const float* __restrict sums = b.sums;
  float *__restrict scales = b.scales, *__restrict powers = b.powers;
  for (int64_t c = 0; c < channels; c++) scales[c] = spec.k + spec.alpha * sums[c];
  if (spec.beta == 0.75f) {
    for (int64_t c = 0; c < channels; c++) {
      const float root = std::sqrt(scales[c]);
      powers[c] = 1.0f / (root * std::sqrt(root));
    }
  } else {
    for (int64_t c = 0; c < channels; c++) powers[c] = std::pow(scales[c], -spec.beta);
  }
}

/** Overwrites x with y. */
void lrnNormalize(int64_t channels, const LrnPixel& b) {
  float* __restrict x = b.x;
  const float* __restrict powers = b.powers;
  for (int64_t c = 0; c < channels; c++) x[c] *= powers[c];
}

/** Overwrites dy with dx. */
void lrnPropagate(const LrnSpec& spec, int64_t channels, const LrnPixel& b) {
  const float *__restrict x = b.x, *__restrict powers = b.powers, *__restrict scales = b.scales;
  float *__restrict dy = b.dy, *__restrict terms = b.terms + spec.size / 2;
  for (int64_t c = 0; c < channels; c++) terms[c] = dy[c] * x[c] * powers[c] / scales[c];
  sumWindows(b.terms, channels, spec.size, b.sums);
  const float* __restrict sums = b.sums;
  const float factor = 2 * spec.alpha * spec.beta;
  for (int64_t c = 0; c < channels; c++) dy[c] = dy[c] * powers[c] - factor * x[c] * sums[c];
}

constexpr Loops kLoops{rectify, mask, poolForward, poolBackward, drawWords, step, lrnScale, lrnNormalize, lrnPropagate};

}  // namespace
}  // namespace verydeep
