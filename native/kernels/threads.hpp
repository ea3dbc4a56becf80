// The threads that an engine computes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#ifndef __wasm__
#include <condition_variable>
#include <thread>
#include <vector>
#endif

namespace verydeep {

#ifdef __wasm__
/** For what only the thread that owns a pool uses. */
struct Mutex {
  void lock() {}
  void unlock() {}
};

/** Where threads sleep until something changes. */
class Sleepers {
 public:
  /** Calls f, which changes it, and wakes all that sleep. */
  template <class F>
  void change(const F& f) {
    f();
    changes_.fetch_add(1);
    __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&changes_), ~0u);
  }
  template <class Done>
  void sleepUntil(const Done& done) {
    for (;;) {
      const int seen = changes_.load();
      if (done()) return;
      __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(&changes_), seen, -1);
    }
  }

 private:
  std::atomic<int> changes_{0};
};
#else
using Mutex = std::mutex;

/** Where threads sleep until something changes. */
class Sleepers {
 public:
  /** Calls f, which changes it, and wakes all that sleep. */
  template <class F>
  void change(const F& f) {
    {
      // Otherwise a thread could look just before the change and sleep just after.
      const std::lock_guard<std::mutex> lock(mutex_);
      f();
    }
    changed_.notify_all();
  }
  template <class Done>
  void sleepUntil(const Done& done) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, done);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};
#endif

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

  /** What a thread other than the owner's does until the pool ends. For WebAssembly the host starts these threads. */
  void loop(int thread);

 private:
  using Work = void (*)(const void* function, int thread);

  void runErased(Work work, const void* function);
  /**
   * Binds each thread to a core if the process may use exactly as many cores as there are threads. Otherwise the system
   * may put two threads on one core for milliseconds, and every barrier waits for them.
   */
  void keepToCores();

  int size_;
#ifndef __wasm__
  std::vector<std::thread> threads_;
#endif
  Work work_ = nullptr;
  const void* function_ = nullptr;
  /** Increases with every run. */
  std::atomic<uint32_t> round_{0};
  std::atomic<int> working_{0};
  std::atomic<bool> ending_{false};
  Sleepers begun_, finished_;
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
