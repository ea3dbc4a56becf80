#include "kernels.hpp"

namespace verydeep::winograd {

extern const Kernels kPortable;
#ifdef __x86_64__
extern const Kernels kAvx2, kAvx512;
#endif

const Kernels& bestKernels() {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2;
#endif
  return kPortable;
}

}  // namespace verydeep::winograd
