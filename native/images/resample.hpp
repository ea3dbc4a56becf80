// Separable resampling of 8-bit RGB with weights that somebody else has computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace verydeep {

/** Which inputs make each output of a row or column: `count` from `start` on, by `weights[output · width + …]`. */
struct Taps {
  const int32_t* starts;
  const int32_t* counts;
  /** Of 22 binary places. */
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
 * The window `rows` × `columns` of an image that is resampled along its rows by `across` and then along its columns by
 * `down`, each rounded to bytes. Integers throughout, so that any machine gives the same.
 * @param to receives [rows, columns, 3]
 */
void resample(const Image& image, const Taps& across, const Taps& down, Span columns, Span rows, uint8_t* to);

}  // namespace verydeep
