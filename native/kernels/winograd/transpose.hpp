// Converts between the canonical order of weights, where the nine pixels of a pair of channels are adjacent, and vectors
// that hold one pixel of several channels.
#pragma once

#include "vector.hpp"

namespace verydeep::winograd {
namespace {

// Squares of eight at most: a row of weights has nine values.
constexpr int kSquare = kWidth < 8 ? kWidth : 8;
typedef float Row __attribute__((vector_size(kSquare * 4)));
typedef int32_t RowIndex __attribute__((vector_size(kSquare * 4)));

VD_INLINE Row shuffled(Row a, Row b, RowIndex index) {
#ifdef __clang__
  Row result;
  for (int i = 0; i < kSquare; i++) result[i] = index[i] < kSquare ? a[index[i]] : b[index[i] - kSquare];
  return result;
#else
  return __builtin_shuffle(a, b, index);
#endif
}

/** Interleaves the first (or second) halves of two rows. */
VD_INLINE Row zipped(Row a, Row b, bool second) {
  RowIndex index{};
  for (int i = 0; i < kSquare; i++) index[i] = i / 2 + (second ? kSquare / 2 : 0) + (i % 2) * kSquare;
  return shuffled(a, b, index);
}

/** Each round halves the distance between a column's values; after log2(kSquare) rounds rows are columns. */
VD_INLINE void transpose(Row (&rows)[kSquare]) {
#pragma GCC unroll 3
  for (int round = 1; round < kSquare; round *= 2) {
    Row next[kSquare];
#pragma GCC unroll 8
    for (int i = 0; i < kSquare / 2; i++) {
      next[2 * i] = zipped(rows[i], rows[i + kSquare / 2], false);
      next[2 * i + 1] = zipped(rows[i], rows[i + kSquare / 2], true);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kSquare; i++) rows[i] = next[i];
  }
}

VD_INLINE Row loadRow(const float* from) {
  Row row;
  std::memcpy(&row, from, sizeof row);
  return row;
}
VD_INLINE void storeRow(float* to, Row row) { std::memcpy(to, &row, sizeof row); }

/** values[k][lane] = from[lane · stride + k], for nine values of kWidth lanes. */
VD_INLINE void gatherNine(const float* from, int64_t stride, float (&values)[9][kWidth]) {
  for (int lane = 0; lane < kWidth; lane += kSquare) {
    for (int k = 0; k + kSquare <= 9; k += kSquare) {
      Row rows[kSquare];
      for (int i = 0; i < kSquare; i++) rows[i] = loadRow(from + (lane + i) * stride + k);
      transpose(rows);
      for (int i = 0; i < kSquare; i++) storeRow(&values[k + i][lane], rows[i]);
    }
  }
  for (int lane = 0; lane < kWidth; lane++) values[8][lane] = from[lane * stride + 8];
}

/** to[lane · stride + i] += values[i][lane], for `count` values, a multiple of kSquare. */
VD_INLINE void addTransposed(const float (*values)[kWidth], int64_t count, int64_t lanes, float* to, int64_t stride) {
  for (int64_t i = 0; i < count; i += kSquare) {
    for (int64_t lane = 0; lane < lanes; lane += kSquare) {
      Row rows[kSquare];
      for (int j = 0; j < kSquare; j++) rows[j] = loadRow(&values[i + j][lane]);
      transpose(rows);
      for (int j = 0; j < kSquare; j++) {
        float* at = to + (lane + j) * stride + i;
        storeRow(at, loadRow(at) + rows[j]);
      }
    }
  }
}

}  // namespace
}  // namespace verydeep::winograd
