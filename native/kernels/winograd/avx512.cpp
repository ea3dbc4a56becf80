#define VD_WIDTH 16
#include "instantiate.hpp"

namespace verydeep::winograd {
extern const Kernels kAvx512;
const Kernels kAvx512 = kernelsNamed("AVX-512");
}  // namespace verydeep::winograd
