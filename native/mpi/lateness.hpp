// Finds ranks that are alive but have not joined the operation the others are in, for example because they wait for
// images.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace verydeep {

/** Which ranks the others are waiting for, and for how many seconds. */
struct Late {
  std::vector<int> ranks;
  double seconds = 0;
};

class Lateness {
 public:
  using Clock = std::chrono::steady_clock;

  /** @param patience time before the first report, then twice as long for each further one */
  Lateness(int rank, Clock::duration patience) : rank_(rank), patience_(patience) {}

  /**
   * Call often.
   * @param waitingFor the number of the oldest operation in progress, or -1
   * @param begun how many operations each rank has begun, as far as is known
   * @returns what this rank should report now: one of the waiting ranks reports for all
   */
  std::optional<Late> check(int64_t waitingFor, const std::vector<int64_t>& begun);

 private:
  int rank_;
  Clock::duration patience_, next_{};
  Clock::time_point since_, last_;
  int64_t waitingFor_ = -1;
};

}  // namespace verydeep
