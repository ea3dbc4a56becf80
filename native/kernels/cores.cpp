#include "cores.hpp"

#if defined(__linux__) && defined(_OPENMP)
#include <omp.h>
#include <sched.h>

#include <vector>
#endif

namespace verydeep {

void keepToCores([[maybe_unused]] int threads) {
#if defined(__linux__) && defined(_OPENMP)
  cpu_set_t allowed;
  // Fails if there are more cores than fit in a set.
  if (threads < 2 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) != threads) return;
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
#pragma omp parallel num_threads(threads)
  if (omp_get_num_threads() == threads) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cores[static_cast<std::size_t>(omp_get_thread_num())], &one);
    sched_setaffinity(0, sizeof one, &one);
  }
#endif
}

}  // namespace verydeep
