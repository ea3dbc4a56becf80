// Direct convolution, for few input channels: there a transform would cost more than it saves.
#pragma once

#include "convolve.hpp"

namespace verydeep::winograd {
namespace {

/** The operands for some pixels of a row and one group of output blocks. */
struct DirectPiece {
  /** The rows that the kernel reads, `[inChannels · kernel]` of `rowStride` floats, from the first pixel's window on. */
  const float* rows;
  int64_t rowStride, rowCount, kernel;
  /** `[tap][vectors of a group][kWidth]` */
  const float* weights;
  const float* bias;
  /** `[output block]` of `planeStride` floats, at the first pixel. */
  float* output;
  int64_t planeStride;
  bool rectify, streaming;
};

/** T pixels, N vectors of outputs. */
template <int N, int T>
VD_INLINE void convolvePiece(const DirectPiece& p) {
  Vec sum[N][T];
  for (int j = 0; j < N; j++) {
    for (int t = 0; t < T; t++) sum[j][t] = zero();
  }
  const float *row = p.rows, *u = p.weights;
  for (int64_t i = 0; i < p.rowCount; i++, row += p.rowStride) {
    for (int64_t k = 0; k < p.kernel; k++, u += N * kWidth) {
      Vec weight[N];
      for (int j = 0; j < N; j++) weight[j] = load(u + j * kWidth);
      for (int t = 0; t < T; t++) {
        const float x = row[k + t];
        for (int j = 0; j < N; j++) sum[j][t] = multiplyAdd(weight[j], x, sum[j][t]);
      }
    }
  }
  for (int j = 0; j < N; j++) {
    const Vec bias = load(p.bias + j * kWidth);
    for (int t = 0; t < T; t++) {
      const Vec value = sum[j][t] + bias, y = p.rectify ? rectified(value) : value;
      float* to = p.output + j * p.planeStride + t * kWidth;
      if (p.streaming) {
        stream(to, y);
      } else {
        store(to, y);
      }
    }
  }
}

/** Computes a whole row of outputs, in pieces as even as possible. */
template <int N>
void convolveRow(DirectPiece p, int64_t width) {
  const int64_t pieces = divideUp(width, kTiles);
  for (int64_t i = 0; i < pieces; i++) {
    const Range range = part(width, pieces, i);
    switch (range.end - range.begin) {
      case 1: convolvePiece<N, 1>(p); break;
      case 2: convolvePiece<N, 2>(p); break;
      case 3: convolvePiece<N, 3>(p); break;
      case 4: convolvePiece<N, 4>(p); break;
      case 5: convolvePiece<N, 5>(p); break;
      default: convolvePiece<N, kTiles>(p); break;
    }
    p.rows += range.end - range.begin;
    p.output += (range.end - range.begin) * kWidth;
  }
}

VD_INLINE int64_t paddedOutputs(int64_t outputs) { return divideUp(outputs, kWidth) * kWidth; }
VD_INLINE int64_t paddedWidth(const DirectConvolution& job) { return job.inWidth + 2 * job.padding; }

/** The rows of `image` that row `y` of the output reads, padded with zeros. */
VD_INLINE void copyRows(const DirectConvolution& job, int64_t image, int64_t y, float* rows) {
  for (int64_t c = 0; c < job.inChannels; c++) {
    const float* plane = job.input + (image * job.inChannels + c) * job.inHeight * job.inWidth;
    for (int64_t k = 0; k < job.kernel; k++, rows += paddedWidth(job)) {
      const int64_t from = y + k - job.padding;
      std::memset(rows, 0, static_cast<std::size_t>(paddedWidth(job)) * sizeof(float));
      if (from < 0 || from >= job.inHeight) continue;
      std::memcpy(rows + job.padding, plane + from * job.inWidth, static_cast<std::size_t>(job.inWidth) * sizeof(float));
    }
  }
}

/** One thread's scratch memory in floats: the padded bias, and the rows. */
VD_INLINE int64_t scratchPerThread(const DirectConvolution& job) {
  return divideUp(paddedOutputs(job.outChannels) + job.inChannels * job.kernel * paddedWidth(job), kWidth) * kWidth;
}

int64_t directScratch(const DirectConvolution& job, int threads) { return threads * scratchPerThread(job); }

void convolveDirectly(const DirectConvolution& job, Team& team, int thread) {
  const int64_t height = job.outHeight(), width = job.outWidth(), blocks = divideUp(job.outChannels, kWidth);
  const bool streaming = job.images * blocks * kWidth * height * width >= kFloatsPastCaches;
  float *bias = job.scratch + thread * scratchPerThread(job), *rows = bias + paddedOutputs(job.outChannels);
  for (int64_t b = 0; b < blocks; b++) store(bias + b * kWidth, loadPart(job.bias + b * kWidth, job.outChannels - b * kWidth));
  for (int64_t i; (i = team.take()) < job.images * height;) {
    const int64_t image = i / height, y = i % height;
    copyRows(job, image, y, rows);
    for (int64_t b = 0; b < blocks; b += kVectors) {
      const int64_t vectors = smaller(kVectors, blocks - b), planeStride = height * width * kWidth;
      const DirectPiece p{rows,
                          paddedWidth(job),
                          job.inChannels * job.kernel,
                          job.kernel,
                          job.weights + b * kWidth * job.taps(),
                          bias + b * kWidth,
                          job.output + (image * blocks + b) * planeStride + y * width * kWidth,
                          planeStride,
                          job.rectify,
                          streaming};
      byVectors(vectors, [&](auto count) { convolveRow<decltype(count)::value>(p, width); });
    }
  }
  if (streaming) flushStream();
}

int64_t directWeights(int64_t taps, int64_t outputs) { return taps * paddedOutputs(outputs); }

/** `[outputs, taps]` to `[group of outputs][tap][vector][kWidth]`. */
void packDirectWeights(const float* canonical, int64_t taps, int64_t outputs, void* to, Team& team, int) {
  const int64_t blocks = divideUp(outputs, kWidth);
  for (int64_t group; (group = team.take()) < divideUp(blocks, kVectors);) {
    const int64_t first = group * kVectors, vectors = smaller(kVectors, blocks - first);
    float* u = static_cast<float*>(to) + first * kWidth * taps;
    for (int64_t tap = 0; tap < taps; tap++) {
      for (int64_t lane = 0; lane < vectors * kWidth; lane++, u++) {
        const int64_t output = first * kWidth + lane;
        *u = output < outputs ? canonical[output * taps + tap] : 0.0f;
      }
    }
  }
}

}  // namespace
}  // namespace verydeep::winograd
