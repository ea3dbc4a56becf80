// A team of threads that work together on one job.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "../threads.hpp"

namespace verydeep::winograd {

/**
 * Distributes work items and lets threads wait for each other. Its methods are not inline: the kernels are compiled for
 * several instruction sets, and the linker must not use one set's copy for all.
 */
class Team {
 public:
  explicit Team(int threads);
  int threads() const;

  /** Takes the next number of this phase, counted from 0 without limit; each is taken once. */
  int64_t take();
  /** Ends a phase: returns when all threads have called it. */
  void wait();

 private:
  int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> phase_{0};
  Sleepers waiting_;
  /** One per cache line. A phase's counter is reset at the end of the phase two before it. */
  struct alignas(64) Counter {
    std::atomic<int64_t> next{0};
  } counters_[3];
};

/** The number of threads that runOnTeam will use. */
int teamSize();
/** Calls work(team, thread) on all threads. */
void runOnTeam(const std::function<void(Team&, int)>& work);

}  // namespace verydeep::winograd
