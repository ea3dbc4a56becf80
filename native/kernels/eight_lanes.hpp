// Vectors of eight values in the compiler's vector extension, which maps them to the vectors of any instruction set. The
// kernels in winograd/ use vector.hpp instead, whose width is that of one instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include "vectorized.hpp"

namespace verydeep {

constexpr int64_t kLanes = 8;

using Floats = float __attribute__((vector_size(32)));
using Ints = int32_t __attribute__((vector_size(32)));
using Octets = uint8_t __attribute__((vector_size(8)));

template <class Vector, class T>
VD_INLINE void load(const T* from, Vector& to) {
  std::memcpy(&to, from, sizeof(Vector));
}

template <class Vector, class T>
VD_INLINE void store(const Vector& from, T* to) {
  std::memcpy(to, &from, sizeof(Vector));
}

}  // namespace verydeep
