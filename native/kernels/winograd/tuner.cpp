#include "tuner.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

namespace verydeep::winograd {
namespace {

/** Rounds over all candidates: the minimum of so many times is hardly disturbed by other work. */
constexpr std::size_t kRounds = 5;
/** Another candidate must take less than this share of the first one's time, so that chance does not decide. */
constexpr double kClearly = 0.98;
/** After so many seconds lost to trials, every job keeps its best schedule so far. */
constexpr double kSecondsToSpend = 3;

}  // namespace

Trials::Trials(std::vector<Schedule> candidates)
    : candidates_(std::move(candidates)),
      least_(candidates_.size(), std::numeric_limits<double>::infinity()),
      decided_(candidates_.size() == 1) {}

double Trials::took(double seconds) {
  double& least = least_[turn_ % candidates_.size()];
  // In the first round, memory and caches are cold.
  if (turn_ >= candidates_.size()) least = std::min(least, seconds);
  if (++turn_ == kRounds * candidates_.size()) decide();
  const double fastest = *std::min_element(least_.begin(), least_.end());
  return std::max(0.0, seconds - (turn_ > candidates_.size() ? fastest : seconds));
}

void Trials::decide() {
  const auto fastest = std::min_element(least_.begin(), least_.end());
  best_ = *fastest < kClearly * least_[0] ? static_cast<std::size_t>(fastest - least_.begin()) : 0;
  decided_ = true;
}

void Tuner::recall(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    const std::size_t end = line.find(' ');
    if (end == std::string::npos) continue;
    const char* const tiles = line.c_str() + end;
    char* shared = nullptr;
    char* rest = nullptr;
    Known known{};
    known.tiles = static_cast<decltype(known.tiles)>(std::strtol(tiles, &shared, 10));
    known.shared = std::strtol(shared, &rest, 10) != 0;
    if (shared != tiles && rest != shared) known_[line.substr(0, end)] = known;
  }
}

std::shared_ptr<Trials> Tuner::trialsFor(const std::string& key, const std::vector<Schedule>& candidates) {
  if (!on_) return std::make_shared<Trials>(std::vector<Schedule>{candidates[0]});
  std::shared_ptr<Trials>& trials = trials_[key];
  if (trials) return trials;
  trials = std::make_shared<Trials>(candidates);
  const auto known = known_.find(key);
  if (known == known_.end()) return trials;
  for (const Schedule& candidate : candidates) {
    if (candidate.tiles != known->second.tiles || candidate.shared != known->second.shared) continue;
    trials = std::make_shared<Trials>(std::vector<Schedule>{candidate});
  }
  return trials;
}

void Tuner::took(const std::string& key, Trials& trials, double seconds) {
  spent_ += trials.took(seconds);
  if (spent_ > kSecondsToSpend) trials.decide();
  if (!trials.decided()) return;
  const Schedule& found = trials.current();
  const std::string line = key + ' ' + std::to_string(found.tiles) + (found.shared ? " 1" : " 0");
  const std::lock_guard<Mutex> lock(mutex_);
  news_.push_back(line);
}

std::vector<std::string> Tuner::news() {
  const std::lock_guard<Mutex> lock(mutex_);
  return std::exchange(news_, {});
}

}  // namespace verydeep::winograd
