// Vectors of four: SSE2, NEON, or whatever the compiler generates for them.
#define VD_WIDTH 4
#include "instantiate.hpp"

namespace verydeep::winograd {
extern const Kernels kPortable;
#ifdef __aarch64__
const Kernels kPortable = kernelsNamed("NEON");
#else
const Kernels kPortable = kernelsNamed("portable");
#endif
}  // namespace verydeep::winograd
