// Divides loops among threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "threads.hpp"

namespace verydeep {

/** Below this many values a second thread costs more than it saves. */
constexpr int64_t kValuesWorthThreads = 16384;

/** Calls f(begin, end) on every thread with its share of [0, count); each item has `weight` values. */
template <class F>
void parallelRanges(int64_t count, int64_t weight, const F& f) {
  ThreadPool* pool = count > 1 && count * weight > kValuesWorthThreads ? ThreadPool::current() : nullptr;
  if (pool) {
    const int64_t threads = ThreadPool::currentThreads();
    // Shares of whole cache lines, where items are single values.
    const int64_t grain = weight == 1 ? 16 : 1;
    const int64_t grains = (count + grain - 1) / grain;
    pool->run([&](int thread) {
      const int64_t begin = std::min(count, grains * thread / threads * grain);
      const int64_t end = std::min(count, grains * (thread + 1) / threads * grain);
      if (begin < end) f(begin, end);
    });
    return;
  }
  if (count > 0) f(0, count);
}

}  // namespace verydeep
