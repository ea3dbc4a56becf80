// Tensors of activations and gradients, and the family of memory layouts that they use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace verydeep {

/** [N, C, H, W] */
struct Shape {
  int64_t n, c, h, w;

  int64_t pixels() const { return h * w; }
  /** Values of one image. */
  int64_t image() const { return c * h * w; }
  int64_t count() const { return n * image(); }
};

/** Part of a program's memory. Its size and address are known once the whole program is planned. */
class Slot {
 public:
  void grow(std::size_t bytes) { bytes_ = std::max(bytes_, bytes); }
  std::size_t bytes() const { return bytes_; }
  void place(char* data) { data_ = data; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  uint8_t* octets() const { return reinterpret_cast<uint8_t*>(data_); }

 private:
  std::size_t bytes_ = 0;
  char* data_ = nullptr;
};

/**
 * Channels are stored in blocks of `block`, the last padded with zeros: value (n, c, y, x) has index
 * ((n · ⌈C / block⌉ + ⌊c / block⌋) · H · W + y · W + x) · block + c mod block. Block 1 is the canonical layout
 * (NCHW), block C is channels-last (NHWC), and 4, 8 or 16 suit vector units (nChw8c).
 */
struct Tensor {
  Slot* slot;
  Shape shape;
  int64_t block;
  /**
   * True for an activation that is the output of a ReLU, and for a gradient with respect to one that is already 0 where
   * the activation is not above 0, as after the ReLU's backward pass.
   */
  bool rectified = false;

  int64_t blocks() const { return (shape.c + block - 1) / block; }
  /** Planes of [H, W, block]. */
  int64_t planes() const { return shape.n * blocks(); }
  /** Values, padding included. */
  int64_t stored() const { return planes() * shape.pixels() * block; }
  float* data() const { return slot->floats(); }
};

/** For a 1×1 map, NHWC is the same as NCHW, so both are block 1. */
inline int64_t normalizedBlock(const Shape& shape, int64_t block) {
  return block == shape.c && shape.pixels() == 1 ? 1 : block;
}

/** Copies a tensor to one of the same shape in another layout. */
void layOut(const Tensor& from, const Tensor& to);

}  // namespace verydeep
