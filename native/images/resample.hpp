// Resamples 8-bit RGB separably, with given weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace verydeep {

/** The inputs of each output of a row or column: `count` from `start` on, with weights from `output · width` on. */
struct Taps {
  const int32_t* starts;
  const int32_t* counts;
  /** Fixed point with 22 binary places. */
  const int32_t* weights;
  std::size_t width;
};

/** The outputs from `begin` to `end` of a row or column. */
struct Span {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

/** `[height, width, 3]` */
struct Image {
  const uint8_t* pixels;
  std::size_t width, height;
};

/**
 * Computes the window `rows` × `columns` of an image resampled along its rows by `across` and then along its columns by
 * `down`, each rounded to bytes. All arithmetic is on integers, so that every machine computes the same.
 * @param to receives [rows, columns, 3]
 */
void resample(const Image& image, const Taps& across, const Taps& down, Span columns, Span rows, uint8_t* to);

}  // namespace verydeep
