// Threads that work on one job together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace verydeep::winograd {

/**
 * Shares out items of work and lets threads wait for each other. Its methods are not inline: the kernels are
 * compiled for several instruction sets, and a copy of theirs must not become everybody's.
 */
class Team {
 public:
  explicit Team(int threads);
  int threads() const;

  /** The next item of this phase, counted from 0 and without end; each is given out once. */
  int64_t take();
  /** Ends a phase: returns when all threads have called it. */
  void wait();

 private:
  int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> phase_{0};
  std::mutex mutex_;
  std::condition_variable next_;
  /** One a cache line; a phase's is reset while the next but one has not begun. */
  struct alignas(64) Counter {
    std::atomic<int64_t> next{0};
  } counters_[3];
};

/** The threads that runOnTeam will have. */
int teamSize();
/** Calls work(team, thread) on all threads. */
void runOnTeam(const std::function<void(Team&, int)>& work);

}  // namespace verydeep::winograd
