// Products of large matrices, for fully connected layers: C [m, n] = A [m, k] · B [k, n], in blocks that fit the caches.
// The factors may be stored by rows or by columns. Each value of C is a sum over k in an order that depends only on the
// shapes.
#pragma once

#include "product.hpp"
#include "team.hpp"

namespace verydeep::winograd {
namespace {

/** Values of k per block: a panel of B of that depth fits in the first-level cache. */
constexpr int64_t kPackedDepth = 512, kStreamedDepth = 64;
/** Columns per block. Enough that the rows of a large factor are read in long pieces. */
constexpr int64_t kBlockColumns = 1024;
/** Rows of a work item, where B is packed as a whole. Each item reads all of it. */
constexpr int64_t kMostItemRows = 192;
/** Rows of C in registers, beside one vector of columns. */
constexpr int kMostRows = 12;

/** Rows of C in registers, beside N vectors of columns. */
template <int N>
constexpr int rowsBeside() {
  return N == kVectors ? kTiles : N == 3 ? 8 : kMostRows;
}

VD_INLINE Vec loadUnaligned(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
VD_INLINE void storeUnaligned(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

/** What to fetch into the caches meanwhile: `rows` rows of `lines` cache lines for every kFetchStep values of k. */
struct Fetch {
  const float* from = nullptr;
  int64_t rowStride = 0, rows = 0, lines = 0;
  /** From one step to the next. */
  int64_t advance = 0;
};
constexpr int64_t kFetchStep = 64 / sizeof(float);

struct MatrixPiece {
  const float* a;
  int64_t aRow, aColumn;
  /** Packed: `[depth][vectors][kWidth]` */
  const float* b;
  int64_t depth;
  float* c;
  int64_t cRow;
  /** Columns of C; the last vector may have fewer than kWidth. */
  int64_t columns;
  bool add;
  Fetch fetch;
};

template <int N, int T>
VD_INLINE void addColumns(const MatrixPiece& p, const float* a, const float* b, Vec (&sum)[N][T]) {
  Vec column[N];
  for (int j = 0; j < N; j++) column[j] = load(b + j * kWidth);
  for (int t = 0; t < T; t++) {
    const float x = a[t * p.aRow];
    for (int j = 0; j < N; j++) sum[j][t] = multiplyAdd(column[j], x, sum[j][t]);
  }
}

template <int N, int T>
VD_INLINE void multiplyMatrixPiece(const MatrixPiece& p) {
  Vec sum[N][T];
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) sum[j][t] = zero();
  }
  const float *a = p.a, *b = p.b;
  int64_t k = 0;
  if (p.fetch.from) {
    const float* from = p.fetch.from;
    for (; k + kFetchStep <= p.depth; k += kFetchStep, from += p.fetch.advance) {
      for (int64_t r = 0; r < p.fetch.rows; r++) {
        for (int64_t line = 0; line < p.fetch.lines; line++) {
          __builtin_prefetch(from + r * p.fetch.rowStride + line * kFetchStep, 0, 2);
        }
      }
#pragma GCC unroll 2
      for (int i = 0; i < kFetchStep; i++, a += p.aColumn, b += N * kWidth) addColumns(p, a, b, sum);
    }
  }
  for (; k < p.depth; k++, a += p.aColumn, b += N * kWidth) addColumns(p, a, b, sum);
  const int64_t whole = p.columns / kWidth, rest = p.columns % kWidth;
  for (int t = 0; t < T; t++) {
    for (int j = 0; j < N; j++) {
      float* c = p.c + t * p.cRow + j * kWidth;
      if (j < whole) {
        storeUnaligned(c, p.add ? loadUnaligned(c) + sum[j][t] : sum[j][t]);
      } else if (j == whole && rest > 0) {
        const Vec value = p.add ? loadPart(c, rest) + sum[j][t] : sum[j][t];
        for (int64_t lane = 0; lane < rest; lane++) c[lane] = value[lane];
      }
    }
  }
}

template <int N, int T>
VD_INLINE void multiplyMatrixRows(const MatrixPiece& p, int64_t rows) {
  if (rows == T) return multiplyMatrixPiece<N, T>(p);
  if constexpr (T > 1) multiplyMatrixRows<N, T - 1>(p, rows);
}

/** Columns per panel: as many vectors as fit in the registers, or fewer if C has fewer columns. */
VD_INLINE int64_t panelVectors(const MatrixProduct& job) { return smaller(kVectors, divideUp(job.n, kWidth)); }

/** Packs columns `[column, column + columns)` of rows `[k, k + depth)` of B; the rest of the panel is zero. */
VD_INLINE void packPanel(const MatrixProduct& job, int64_t k, int64_t depth, int64_t column, float* to) {
  const int64_t width = panelVectors(job) * kWidth, columns = smaller(width, job.n - column);
  const float* from = job.b + k * job.bRow + column * job.bColumn;
  if (job.bColumn == 1) {
    for (int64_t i = 0; i < depth; i++, to += width) {
      std::memcpy(to, from + i * job.bRow, static_cast<std::size_t>(columns) * sizeof(float));
      for (int64_t j = columns; j < width; j++) to[j] = 0;
    }
    return;
  }
  // In blocks, so that the lines that are read stay in the cache until all of their values are written.
  constexpr int64_t kSide = 16;
  for (int64_t first = 0; first < depth; first += kSide) {
    const int64_t last = smaller(depth, first + kSide);
    for (int64_t j = 0; j < width; j++) {
      for (int64_t i = first; i < last; i++) {
        to[i * width + j] = j < columns ? from[i * job.bRow + j * job.bColumn] : 0.0f;
      }
    }
  }
}

/** Whether B is the small factor, which every item of work reads whole: packed once, by all threads. */
VD_INLINE bool packsWhole(const MatrixProduct& job) { return job.k * job.n <= job.m * larger(job.k, job.n); }

VD_INLINE int64_t packedColumns(const MatrixProduct& job) {
  return divideUp(job.n, panelVectors(job) * kWidth) * panelVectors(job) * kWidth;
}

int64_t matrixScratch(const MatrixProduct& job, int threads) {
  return packsWhole(job) ? job.k * packedColumns(job) : threads * kStreamedDepth * kBlockColumns;
}

/** A block of columns of C, over one block of depth: `packed` has its panels of B, `panelStride` apart. */
struct MatrixBlock {
  Range rows, columns;
  int64_t k, depth;
  const float* packed;
  int64_t panelStride;
  /** The values of B that are packed next, stored as B is by rows, or null. */
  const float* next = nullptr;
};

template <int N>
void multiplyMatrixBlock(const MatrixProduct& job, const MatrixBlock& block) {
  constexpr int kMost = rowsBeside<N>();
  // Columns of A that are apart are copied: at a distance of a power of two, they would share one set of the cache.
  alignas(64) float copy[kMost * kPackedDepth];
  const bool apart = job.aColumn != 1, onePanel = block.columns.end - block.columns.begin <= N * kWidth;
  const int64_t rows = block.rows.end - block.rows.begin, pieces = divideUp(rows, kMost);
  for (int64_t i = 0; i < pieces; i++) {
    const Range range = part(rows, pieces, i);
    const int64_t count = range.end - range.begin, row = block.rows.begin + range.begin;
    const float* a = job.a + row * job.aRow + block.k * job.aColumn;
    MatrixPiece p{a,     job.aRow, job.aColumn, block.packed, block.depth, job.c + row * job.n + block.columns.begin,
                  job.n, 0,        job.add || block.k > 0, {}};
    if (apart) {
      for (int64_t k = 0; k < block.depth; k++) {
        for (int64_t t = 0; t < count; t++) copy[k * count + t] = a[t * job.aRow + k * job.aColumn];
      }
      p.a = copy;
      p.aRow = 1;
      p.aColumn = count;
    } else if (onePanel && i + 1 < pieces) {
      p.fetch = {a + count * job.aRow, job.aRow, count, 1, kFetchStep};
    }
    if (block.next) {
      // Each piece fetches its share of the rows below its own columns.
      const Range share = part(block.depth, pieces, i);
      const int64_t steps = larger(1, block.depth / kFetchStep), fetched = divideUp(share.end - share.begin, steps);
      p.fetch = {block.next + share.begin * job.bRow, job.bRow, fetched, N * kWidth / kFetchStep, fetched * job.bRow};
    }
    for (int64_t column = block.columns.begin; column < block.columns.end; column += N * kWidth) {
      p.columns = smaller(N * kWidth, block.columns.end - column);
      multiplyMatrixRows<N, kMost>(p, count);
      p.b += block.panelStride;
      p.c += N * kWidth;
      if (block.next) p.fetch.from += N * kWidth;
    }
  }
}

VD_INLINE void multiplyBlock(const MatrixProduct& job, const MatrixBlock& block) {
  byVectors(panelVectors(job), [&](auto count) { multiplyMatrixBlock<decltype(count)::value>(job, block); });
}

void multiplyPacked(const MatrixProduct& job, Team& team) {
  const int64_t width = panelVectors(job) * kWidth, panels = packedColumns(job) / width;
  const int64_t depths = divideUp(job.k, kPackedDepth);
  // `[depth block][panel][depth][width]`
  const auto packed = [&](int64_t block, int64_t panel) {
    const int64_t depth = smaller(kPackedDepth, job.k - block * kPackedDepth);
    return job.scratch + block * kPackedDepth * packedColumns(job) + panel * depth * width;
  };
  for (int64_t i; (i = team.take()) < depths * panels;) {
    const int64_t block = i / panels, panel = i % panels, k = block * kPackedDepth;
    packPanel(job, k, smaller(kPackedDepth, job.k - k), panel * width, packed(block, panel));
  }
  team.wait();
  const int64_t strips = divideUp(job.n, kBlockColumns);
  const int64_t wanted = divideUp(job.m, larger(1, divideUp(4 * team.threads(), strips)));
  const int64_t parts = divideUp(job.m, smaller(kMostItemRows, divideUp(wanted, kMostRows) * kMostRows));
  for (int64_t i; (i = team.take()) < strips * parts;) {
    const Range rows = part(job.m, parts, i % parts);
    const int64_t first = i / parts * kBlockColumns;
    const Range columns{first, smaller(job.n, first + kBlockColumns)};
    for (int64_t block = 0; block < depths; block++) {
      const int64_t k = block * kPackedDepth, depth = smaller(kPackedDepth, job.k - k);
      multiplyBlock(job, {rows, columns, k, depth, packed(block, first / width), depth * width});
    }
  }
}

/** B is the large factor: each thread packs the part that it needs, which no other does. */
void multiplyStreamed(const MatrixProduct& job, Team& team, int thread) {
  const int64_t width = panelVectors(job) * kWidth;
  float* packed = job.scratch + thread * kStreamedDepth * kBlockColumns;
  for (int64_t i; (i = team.take()) < divideUp(job.n, kBlockColumns);) {
    const int64_t first = i * kBlockColumns;
    const Range columns{first, smaller(job.n, first + kBlockColumns)};
    for (int64_t k = 0; k < job.k; k += kStreamedDepth) {
      const int64_t depth = smaller(kStreamedDepth, job.k - k);
      for (int64_t column = first, panel = 0; column < columns.end; column += width, panel++) {
        packPanel(job, k, depth, column, packed + panel * depth * width);
      }
      const int64_t left = job.k - k - depth;
      const bool ahead = job.bColumn == 1 && left >= kStreamedDepth;
      multiplyBlock(job, {{0, job.m}, columns, k, depth, packed, depth * width,
                          ahead ? job.b + (k + depth) * job.bRow + first : nullptr});
    }
  }
}

void multiplyMatrices(const MatrixProduct& job, Team& team, int thread) {
  if (packsWhole(job)) {
    multiplyPacked(job, team);
  } else {
    multiplyStreamed(job, team, thread);
  }
}

}  // namespace
}  // namespace verydeep::winograd
