#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "kernels.hpp"
#include "team.hpp"

namespace verydeep::winograd {

extern const Kernels kPortable;
#ifdef __x86_64__
extern const Kernels kAvx2, kAvx512;
#endif
#ifdef VD_HAVE_BF16
extern const Kernels kAvx512Bf16;
#endif

namespace {

const Kernels& chosenKernels() {
#ifdef __x86_64__
  const char* atMost = std::getenv("VERYDEEP_ISA");
  const auto within = [atMost](const char* name) { return !atMost || std::strcmp(atMost, name) == 0; };
  __builtin_cpu_init();
  if (within("avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return kAvx512;
  }
  if ((within("avx512") || within("avx2")) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return kAvx2;
  }
#endif
  return kPortable;
}

}  // namespace

const Kernels& bestKernels() {
  static const Kernels& kernels = chosenKernels();
  return kernels;
}

const Kernels* bf16Kernels() {
#ifdef VD_HAVE_BF16
  if (bestKernels().width == kAvx512Bf16.width && __builtin_cpu_supports("avx512bf16")) return &kAvx512Bf16;
#endif
  return nullptr;
}

double measuredPeak() {
  constexpr int kRepetitions = 40;
  constexpr int64_t kRounds = 200'000;
  double best = 0;
  for (int i = 0; i < kRepetitions; i++) {
    // Each thread has its own clock, so that one that waited for a core does not spoil the result.
    std::atomic<int64_t> total{0};
    runOnTeam([&total](Team&, int) {
      const auto start = std::chrono::steady_clock::now();
      const double operations = bestKernels().multiplyAndAdd(kRounds);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      total += static_cast<int64_t>(operations / time.count());
    });
    best = std::max(best, static_cast<double>(total));
  }
  return best;
}

}  // namespace verydeep::winograd
