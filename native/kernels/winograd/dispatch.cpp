#include <algorithm>
#include <atomic>
#include <chrono>

#include "../isa.hpp"
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

const Kernels& bestKernels() {
#ifdef __x86_64__
  if (bestIsa() == Isa::avx512) return kAvx512;
  if (bestIsa() == Isa::avx2) return kAvx2;
#endif
  return kPortable;
}

const Kernels* bf16Kernels() {
#ifdef VD_HAVE_BF16
  if (hasAvx512Bf16()) return &kAvx512Bf16;
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
