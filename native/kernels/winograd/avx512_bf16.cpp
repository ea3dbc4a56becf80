#define VD_WIDTH 16
#define VD_BF16
#include "instantiate.hpp"

namespace verydeep::winograd {
extern const Kernels kAvx512Bf16;
const Kernels kAvx512Bf16 = kernelsNamed("AVX-512 with BF16");
}  // namespace verydeep::winograd
