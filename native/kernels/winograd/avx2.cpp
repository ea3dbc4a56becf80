#define VD_WIDTH 8
#include "instantiate.hpp"

namespace verydeep::winograd {
extern const Kernels kAvx2;
const Kernels kAvx2 = kernelsNamed("AVX2");
}  // namespace verydeep::winograd
