// Tells who lives and yet does not come to what the others do, for example because it waits for images.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace verydeep {

/** Whom the others wait for, and since how many seconds. */
struct Late {
  std::vector<int> ranks;
  double seconds = 0;
};

class Lateness {
 public:
  using Clock = std::chrono::steady_clock;

  /** @param patience after which something is said; then after twice the time, and so on */
  Lateness(int rank, Clock::duration patience) : rank_(rank), patience_(patience) {}

  /**
   * To be called often.
   * @param waitingFor the number of the oldest operation under way, or -1
   * @param begun how many operations each rank has begun, as far as is known
   * @returns what this rank should say now: one of those that wait speaks for all
   */
  std::optional<Late> check(int64_t waitingFor, const std::vector<int64_t>& begun);

 private:
  int rank_;
  Clock::duration patience_, next_{};
  Clock::time_point since_, last_;
  int64_t waitingFor_ = -1;
};

}  // namespace verydeep
