// The threads that an engine computes on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace verydeep {

/**
 * Threads that run the same function together with the thread that owns them. Between two runs they spin for a moment
 * (the steps of a program follow one another at once), then sleep.
 */
class ThreadPool {
 public:
  /** @param threads including the calling one, which owns the pool and is the only one that may use it */
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /** Calls f(thread) on every thread, the owner being 0. Returns when all calls have. f must not throw. */
  template <class F>
  void run(const F& f) {
    runErased([](const void* function, int thread) { (*static_cast<const F*>(function))(thread); }, &f);
  }

  /** The pool that the calling thread owns, or null. */
  static ThreadPool* current();
  /** The size of that pool, or 1. */
  static int currentThreads();

 private:
  using Work = void (*)(const void* function, int thread);

  void runErased(Work work, const void* function);
  void loop(int thread);
  /**
   * Binds each thread to a core if the process may use exactly as many cores as there are threads. Otherwise the system
   * may put two threads on one core for milliseconds, and every barrier waits for them.
   */
  void keepToCores();

  std::vector<std::thread> threads_;
  Work work_ = nullptr;
  const void* function_ = nullptr;
  /** Increases with every run. */
  std::atomic<uint32_t> round_{0};
  std::atomic<int> working_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
};

/** Tells the processor that this thread only waits. */
inline void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace verydeep
