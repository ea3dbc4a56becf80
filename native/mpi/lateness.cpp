#include "lateness.hpp"

#include <algorithm>

namespace verydeep {
namespace {

/** A longer gap between two calls occurs only if this process was stopped. */
constexpr auto ASLEEP = std::chrono::seconds(3);

/** Operations begin in order: a rank that has begun fewer has not reached this one. */
std::vector<int> missing(int64_t operation, const std::vector<int64_t>& begun) {
  std::vector<int> ranks;
  for (std::size_t rank = 0; rank < begun.size(); rank++) {
    if (begun[rank] <= operation) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

/** The smallest rank that is not in an ascending list. */
int firstPresent(const std::vector<int>& absent) {
  int rank = 0;
  for (const int other : absent) {
    if (other == rank) rank++;
  }
  return rank;
}

}  // namespace

std::optional<Late> Lateness::check(int64_t waitingFor, const std::vector<int64_t>& begun) {
  const auto now = Clock::now();
  const bool slept = now - last_ > ASLEEP;
  last_ = now;
  if (waitingFor != waitingFor_ || slept) {
    waitingFor_ = waitingFor;
    since_ = now;
    next_ = patience_;
  }
  if (waitingFor < 0 || now - since_ < next_) return std::nullopt;
  next_ *= 2;
  Late late{missing(waitingFor, begun), std::chrono::duration<double>(now - since_).count()};
  if (late.ranks.empty() || firstPresent(late.ranks) != rank_) return std::nullopt;
  return late;
}

}  // namespace verydeep
