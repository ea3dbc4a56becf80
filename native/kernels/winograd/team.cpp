#include "team.hpp"

namespace verydeep::winograd {
namespace {

// About 20 µs: far longer than equally fast threads need to reach the barrier, far shorter than a time slice.
constexpr int kSpins = 1000;

}  // namespace

Team::Team(int threads) : threads_(threads) {}

int Team::threads() const { return threads_; }

int64_t Team::take() {
  return counters_[phase_.load(std::memory_order_relaxed) % 3].next.fetch_add(1, std::memory_order_relaxed);
}

void Team::wait() {
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    counters_[(phase + 2) % 3].next.store(0, std::memory_order_relaxed);
    waiting_.change([&] { phase_.store(phase + 1, std::memory_order_release); });
    return;
  }
  for (int spins = 0; spins < kSpins; spins++) {
    if (phase_.load(std::memory_order_acquire) != phase) return;
    relax();
  }
  // Some thread has lost its core to another process. Spinning on would keep it from getting one back.
  waiting_.sleepUntil([&] { return phase_.load(std::memory_order_acquire) != phase; });
}

int teamSize() { return ThreadPool::currentThreads(); }

void runOnTeam(const std::function<void(Team&, int)>& work) {
  Team team(teamSize());
  if (ThreadPool* pool = ThreadPool::current()) {
    pool->run([&](int thread) { work(team, thread); });
  } else {
    work(team, 0);
  }
}

}  // namespace verydeep::winograd
