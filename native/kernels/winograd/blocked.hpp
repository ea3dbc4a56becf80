// Convolutions of any kernel in the blocked layout, without a transform: 1×1 and 5×5 kernels, and maps too small for
// Winograd's method.
#pragma once

#include "direct.hpp"

namespace verydeep::winograd {
namespace {

/** Floats of weights that stay in the first-level cache while the pixels of a strip are computed. */
constexpr int64_t kPanelFloats = VD_WIDTH == 16 ? 26624 : 6144;
/** Floats of one group's outputs per strip: they stay in the second-level cache while the weights pass by. */
constexpr int64_t kStripFloats = int64_t{48} << 10;

/** The operands for some pixels of a row and one group of output blocks. */
struct BlockedPiece {
  /** `rowCount` rows of `kernel` pixels and more, `rowStride` apart. */
  const float* rows;
  int64_t rowStride, rowCount, kernel;
  /** `[row][kernel][kWidth inputs][vector][kWidth]` */
  const float* weights;
  /** If not null, the sums begin with it; otherwise with what `output` holds. */
  const float* bias;
  float* output;
  int64_t planeStride;
  bool rectify;
};

template <int N, int T>
VD_INLINE void addBlockedPiece(const BlockedPiece& p) {
  Vec sum[N][T];
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) {
      sum[j][t] = p.bias ? load(p.bias + j * kWidth) : load(p.output + j * p.planeStride + t * kWidth);
    }
  }
  const float *row = p.rows, *u = p.weights;
  for (int64_t i = 0; i < p.rowCount; i++, row += p.rowStride) {
    const float* v = row;
    for (int64_t k = 0; k < p.kernel; k++, v += kWidth) {
#pragma GCC unroll 4
      for (int c = 0; c < kWidth; c++, u += N * kWidth) {
        Vec weight[N];
        for (int j = 0; j < N; j++) weight[j] = load(u + j * kWidth);
        for (int t = 0; t < T; t++) {
          const float x = v[t * kWidth + c];
          for (int j = 0; j < N; j++) sum[j][t] = multiplyAdd(weight[j], x, sum[j][t]);
        }
      }
    }
  }
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) {
      store(p.output + j * p.planeStride + t * kWidth, p.rectify ? rectified(sum[j][t]) : sum[j][t]);
    }
  }
}

template <int N>
void addBlockedRow(BlockedPiece p, int64_t width) {
  for (int64_t pieces = divideUp(width, kTiles); pieces > 0; pieces--) {
    const int64_t pixels = divideUp(width, pieces);
    width -= pixels;
    switch (pixels) {
      case 1: addBlockedPiece<N, 1>(p); break;
      case 2: addBlockedPiece<N, 2>(p); break;
      case 3: addBlockedPiece<N, 3>(p); break;
      case 4: addBlockedPiece<N, 4>(p); break;
      case 5: addBlockedPiece<N, 5>(p); break;
      default: addBlockedPiece<N, kTiles>(p); break;
    }
    p.rows += pixels * kWidth;
    p.output += pixels * kWidth;
  }
}

/** How a convolution is divided. The map of a 1×1 kernel counts as one row, which is cut into strips. */
struct BlockedPlan {
  explicit BlockedPlan(const BlockedConvolution& c, int threads)
      : inBlocks(divideUp(c.inChannels, kWidth)), outBlocks(divideUp(c.outChannels, kWidth)) {
    const bool flat = c.kernel == 1 && c.padding == 0;
    height = flat ? 1 : c.outHeight();
    width = flat ? c.outHeight() * c.outWidth() : c.outWidth();
    paddedWidth = c.inWidth + 2 * c.padding;
    // Pixels of a strip if flat, else rows.
    const int64_t lines = flat ? width : height;
    int64_t most = larger(1, kStripFloats / (kVectors * kWidth * (flat ? 1 : width)));
    // Enough strips for all threads; if the maps are too small for that, threads share the outputs of a strip.
    most = smaller(most, larger(flat ? 4 * kTiles : 1, divideUp(lines * c.images, 4 * threads)));
    strips = divideUp(lines, most);
    groups = divideUp(outBlocks, kVectors);
    shares = smaller(groups, divideUp(4 * threads, strips * c.images));
    scratch = flat ? 0 : inBlocks * kWidth * paddedWidth * (divideUp(lines, strips) + c.kernel - 1);
    // Whole blocks of inputs for a 1×1 kernel, rows of one block for others.
    const int64_t rowFloats = c.kernel * kWidth * kVectors * kWidth;
    panelRows = larger(1, kPanelFloats / rowFloats);
    if (c.kernel > 1) panelRows = smaller(panelRows, c.kernel);
  }

  int64_t inBlocks, outBlocks, height, width, paddedWidth, strips, groups, shares, scratch, panelRows;
};

VD_INLINE int64_t blockedScratchPerThread(const BlockedConvolution& job, int threads) {
  const BlockedPlan plan(job, threads);
  return plan.outBlocks * kWidth + plan.scratch;
}
int64_t blockedScratch(const BlockedConvolution& job, int threads) {
  return threads * blockedScratchPerThread(job, threads);
}

/**
 * Copies the rows that rows `lines` of the output read, with the padding: `[input block][row][paddedWidth][kWidth]`. The
 * padding is negative in the backward pass of a convolution that was padded by more than its kernel.
 */
VD_INLINE void copyBlockedRows(const BlockedConvolution& job, const BlockedPlan& plan, int64_t image, Range lines,
                               float* to) {
  const int64_t rowFloats = plan.paddedWidth * kWidth;
  const int64_t before = larger(0, job.padding) * kWidth, skipped = larger(0, -job.padding) * kWidth;
  const int64_t copied = job.padding < 0 ? rowFloats : job.inWidth * kWidth;
  const auto bytes = [](int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); };
  for (int64_t b = 0; b < plan.inBlocks; b++) {
    const float* plane = job.input + (image * plan.inBlocks + b) * job.inHeight * job.inWidth * kWidth;
    for (int64_t y = lines.begin - job.padding; y < lines.end - job.padding + job.kernel - 1; y++, to += rowFloats) {
      if (y < 0 || y >= job.inHeight) {
        std::memset(to, 0, bytes(rowFloats));
        continue;
      }
      std::memset(to, 0, bytes(before));
      std::memcpy(to + before, plane + y * job.inWidth * kWidth + skipped, bytes(copied));
      std::memset(to + before + copied, 0, bytes(rowFloats - before - copied));
    }
  }
}

/** Computes the outputs of one group for the rows of a strip. */
struct BlockedStrip {
  const BlockedConvolution& job;
  const BlockedPlan& plan;
  /** Rows of the strip at the first pixel of the first row: of one block, and of the next block. */
  const float* rows;
  int64_t rowStride, blockStride;
  /** The output block 0 at the strip's first pixel. */
  float* output;
  int64_t lines, width;
  const float* bias;
  /** The row of the input, perhaps of the padding, where the first line's kernel begins. */
  int64_t top;

  template <int N>
  void compute(int64_t firstBlock) const {
    const int64_t planeStride = job.outHeight() * job.outWidth() * kWidth, rowFloats = job.kernel * kWidth * N * kWidth;
    const int64_t count = job.kernel == 1 ? plan.inBlocks : plan.inBlocks * job.kernel;
    const float* weights = job.weights + firstBlock * kWidth * job.kernel * job.kernel * plan.inBlocks * kWidth;
    BlockedPiece p{};
    p.kernel = job.kernel;
    p.rowStride = job.kernel == 1 ? blockStride : rowStride;
    p.planeStride = planeStride;
    for (int64_t i = 0; i < count;) {
      // A panel does not cross into the next block, whose rows are elsewhere.
      const int64_t panel = smaller(plan.panelRows, job.kernel == 1 ? count - i : job.kernel - i % job.kernel);
      p.bias = i == 0 ? bias + firstBlock * kWidth : nullptr;
      p.rectify = job.rectify && i + panel == count;
      const float* from = job.kernel == 1 ? rows + i * blockStride
                                          : rows + i / job.kernel * blockStride + i % job.kernel * rowStride;
      float* to = output + firstBlock * planeStride;
      for (int64_t y = 0; y < lines; y++, from += rowStride, to += job.outWidth() * kWidth) {
        // Rows of the padding are left out.
        const int64_t above = top + y + i % job.kernel;
        const Range rows = job.kernel == 1 ? Range{0, panel} : Range{larger(0, -above), smaller(panel, job.inHeight - above)};
        p.rowCount = larger(0, rows.end - rows.begin);
        if (p.rowCount == 0 && !p.bias && !p.rectify) continue;
        p.rows = from + rows.begin * p.rowStride;
        p.weights = weights + rows.begin * rowFloats;
        p.output = to;
        addBlockedRow<N>(p, width);
      }
      i += panel;
      weights += panel * rowFloats;
    }
  }
};

void convolveBlocked(const BlockedConvolution& job, Team& team, int thread) {
  const BlockedPlan plan(job, team.threads());
  float *bias = job.scratch + thread * blockedScratchPerThread(job, team.threads()), *rows = bias + plan.outBlocks * kWidth;
  for (int64_t b = 0; b < plan.outBlocks; b++) {
    store(bias + b * kWidth, job.bias ? loadPart(job.bias + b * kWidth, job.outChannels - b * kWidth) : zero());
  }
  const bool flat = plan.scratch == 0;
  for (int64_t i; (i = team.take()) < job.images * plan.strips * plan.shares;) {
    const Range groups = part(plan.groups, plan.shares, i % plan.shares);
    const int64_t strip = i / plan.shares % plan.strips, image = i / plan.shares / plan.strips;
    float* output = job.output + image * plan.outBlocks * job.outHeight() * job.outWidth() * kWidth;
    const float* input = job.input + image * plan.inBlocks * job.inHeight * job.inWidth * kWidth;
    const Range lines = part(flat ? plan.width : plan.height, plan.strips, strip);
    BlockedStrip work{job,    plan,       rows, plan.paddedWidth * kWidth, 0, output, lines.end - lines.begin,
                      plan.width, bias, lines.begin - job.padding};
    if (flat) {
      work.rows = input + lines.begin * kWidth;
      work.blockStride = plan.width * kWidth;
      work.output += lines.begin * kWidth;
      work.width = work.lines;
      work.lines = 1;
    } else {
      copyBlockedRows(job, plan, image, lines, rows);
      work.blockStride = (work.lines + job.kernel - 1) * work.rowStride;
      work.output += lines.begin * plan.width * kWidth;
    }
    for (int64_t group = groups.begin; group < groups.end; group++) {
      const int64_t first = group * kVectors;
      byVectors(smaller(kVectors, plan.outBlocks - first),
                [&](auto count) { work.template compute<decltype(count)::value>(first); });
    }
  }
}

int64_t blockedWeights(const BlockedWeights& w) {
  return w.kernel * w.kernel * paddedOutputs(w.inChannels) * paddedOutputs(w.outChannels);
}

/**
 * `[O, I, k, k]` to `[group of outputs][input block][ky][kx][input][vector][kWidth]`; for the backward pass, rotated by
 * 180° and with inputs and outputs exchanged.
 */
void packBlockedWeights(const BlockedWeights& w, Team& team, int) {
  const int64_t ins = w.backward ? w.outChannels : w.inChannels, outs = w.backward ? w.inChannels : w.outChannels;
  const int64_t area = w.kernel * w.kernel, blocks = divideUp(outs, kWidth), inBlocks = divideUp(ins, kWidth);
  const int64_t groups = divideUp(blocks, kVectors);
  for (int64_t i; (i = team.take()) < groups * inBlocks;) {
    const int64_t first = i / inBlocks * kVectors, vectors = smaller(kVectors, blocks - first), b = i % inBlocks;
    float* u = w.packed + (first * inBlocks + b * vectors) * kWidth * area * kWidth;
    for (int64_t tap = 0; tap < area; tap++) {
      for (int64_t c = b * kWidth; c < (b + 1) * kWidth; c++) {
        for (int64_t lane = 0; lane < vectors * kWidth; lane++, u++) {
          const int64_t o = first * kWidth + lane;
          if (o >= outs || c >= ins) {
            *u = 0;
          } else {
            *u = w.backward ? w.canonical[(c * w.inChannels + o) * area + area - 1 - tap]
                            : w.canonical[(o * w.inChannels + c) * area + tap];
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace verydeep::winograd
