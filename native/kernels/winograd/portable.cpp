// Vectors of four: SSE2, NEON, or whatever the compiler generates for them.
#define VD_WIDTH 4
#include "instantiate.hpp"

namespace verydeep::winograd {
extern const Kernels kPortable;
#ifdef __aarch64__
const Kernels kPortable = kernelsNamed("NEON");
#elif defined(__wasm_relaxed_simd__)
const Kernels kPortable = kernelsNamed("relaxed SIMD");
#elif defined(__wasm__)
const Kernels kPortable = kernelsNamed("SIMD");
#else
const Kernels kPortable = kernelsNamed("portable");
#endif
}  // namespace verydeep::winograd
