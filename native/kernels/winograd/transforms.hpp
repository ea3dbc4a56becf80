// Each scheme's transforms in one dimension. Applied to columns and then to rows, they are the transforms in two
// dimensions.
//
//     y = Aᵀ [(G g) ⊙ (Bᵀ d)]      d: inputs, g: 3 weights, y: outputs, ⊙ at the points
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace verydeep::winograd {
namespace {

/**
 * F(4×4, 3×3) with the interpolation points 0, ±a, ±b, ∞, where a = 1/√2 and b = √2. They cost the same as the usual
 * 0, ±1, ±2, ∞ and have a third of the rounding error, since the powers of a and b stay near 1. Each point p contributes
 * the value at p of the polynomials with coefficients g and (reversed) d.
 */
struct Tiles4 {
  /** In one dimension: a tile's outputs, the inputs it reads, how far before it these begin, and the points. */
  static constexpr int kSide = 4, kPatch = 6, kMargin = 1, kAcross = 6;
  static constexpr int kPoints = kAcross * kAcross;

  static constexpr float kA = 0.70710678118654752f;
  static constexpr float kB = 1.41421356237309505f;

  /** Bᵀ: six inputs to six points. */
  VD_INLINE static void transformInput(const Vec (&d)[6], Vec (&t)[6]) {
    t[0] = d[0] - 2.5f * d[2] + d[4];
    const Vec evenA = d[4] - 2.0f * d[2], oddA = d[3] - 2.0f * d[1];
    t[1] = evenA + kA * oddA;
    t[2] = evenA - kA * oddA;
    const Vec evenB = d[4] - 0.5f * d[2], oddB = d[3] - 0.5f * d[1];
    t[3] = evenB + kB * oddB;
    t[4] = evenB - kB * oddB;
    t[5] = d[1] - 2.5f * d[3] + d[5];
  }

  /** Aᵀ: six points to four outputs. */
  VD_INLINE static void transformOutput(const Vec (&m)[6], Vec (&y)[4]) {
    const Vec sumA = m[1] + m[2], differenceA = m[1] - m[2];
    const Vec sumB = m[3] + m[4], differenceB = m[3] - m[4];
    y[0] = m[0] + sumA + sumB;
    y[1] = kA * differenceA + kB * differenceB;
    y[2] = 0.5f * sumA + 2.0f * sumB;
    y[3] = 0.5f * kA * differenceA + (2.0f * kB * differenceB + m[5]);
  }

  /** A: gradients of four outputs to those of six points. */
  VD_INLINE static void transformOutputGradient(const Vec (&y)[4], Vec (&t)[6]) {
    t[0] = y[0];
    const Vec evenA = y[0] + 0.5f * y[2], oddA = y[1] + 0.5f * y[3];
    t[1] = evenA + kA * oddA;
    t[2] = evenA - kA * oddA;
    const Vec evenB = y[0] + 2.0f * y[2], oddB = y[1] + 2.0f * y[3];
    t[3] = evenB + kB * oddB;
    t[4] = evenB - kB * oddB;
    t[5] = y[3];
  }

  /** G: three weights to six points. */
  VD_INLINE static void transformWeight(const Vec (&g)[3], Vec (&t)[6]) {
    t[0] = g[0];
    const Vec evenA = (g[0] + 0.5f * g[2]) * (-2.0f / 3.0f), oddA = g[1] * (kA * -2.0f / 3.0f);
    t[1] = evenA + oddA;
    t[2] = evenA - oddA;
    const Vec evenB = (g[0] + 2.0f * g[2]) * (1.0f / 6.0f), oddB = g[1] * (kB / 6.0f);
    t[3] = evenB + oddB;
    t[4] = evenB - oddB;
    t[5] = g[2];
  }

  /** Gᵀ: gradients of six points to those of three weights. */
  VD_INLINE static void transformWeightGradient(const Vec (&s)[6], Vec (&g)[3]) {
    const Vec sumA = (s[1] + s[2]) * (-2.0f / 3.0f), sumB = (s[3] + s[4]) * (1.0f / 6.0f);
    g[0] = s[0] + sumA + sumB;
    g[1] = (kA * -2.0f / 3.0f) * (s[1] - s[2]) + (kB / 6.0f) * (s[3] - s[4]);
    g[2] = 0.5f * sumA + 2.0f * sumB + s[5];
  }
};

/**
 * For maps of at most 2×2 pixels, each of which is one tile. Inputs beyond their edges are 0, so in one dimension the 2
 * outputs are a product with a Toeplitz matrix, y₀ = g₁ d₀ + g₂ d₁ and y₁ = g₀ d₀ + g₁ d₁. It takes three
 * multiplications, so 9 in two dimensions instead of the 36 of Tiles4.
 */
struct Maps2 {
  static constexpr int kSide = 2, kPatch = 2, kMargin = 0, kAcross = 3;
  static constexpr int kPoints = kAcross * kAcross;

  VD_INLINE static void transformInput(const Vec (&d)[2], Vec (&t)[3]) {
    t[0] = d[0] + d[1];
    t[1] = d[1];
    t[2] = d[0];
  }
  VD_INLINE static void transformOutput(const Vec (&m)[3], Vec (&y)[2]) {
    y[0] = m[0] + m[1];
    y[1] = m[0] + m[2];
  }
  VD_INLINE static void transformOutputGradient(const Vec (&y)[2], Vec (&t)[3]) {
    t[0] = y[0] + y[1];
    t[1] = y[0];
    t[2] = y[1];
  }
  VD_INLINE static void transformWeight(const Vec (&g)[3], Vec (&t)[3]) {
    t[0] = g[1];
    t[1] = g[2] - g[1];
    t[2] = g[0] - g[1];
  }
  VD_INLINE static void transformWeightGradient(const Vec (&s)[3], Vec (&g)[3]) {
    g[0] = s[2];
    g[1] = s[0] - s[1] - s[2];
    g[2] = s[1];
  }
};

/** Calls f(Tiles4{}) or f(Maps2{}). */
template <class F>
VD_INLINE auto byScheme(Scheme scheme, const F& f) {
  return scheme == Scheme::maps2 ? f(Maps2{}) : f(Tiles4{});
}

}  // namespace
}  // namespace verydeep::winograd
