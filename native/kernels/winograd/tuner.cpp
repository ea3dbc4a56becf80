#include "tuner.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
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
    std::istringstream in(line);
    std::string key;
    Known known{};
    if (in >> key >> known.tiles >> known.shared) known_[key] = known;
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
  std::ostringstream line;
  line << key << ' ' << trials.current().tiles << ' ' << trials.current().shared;
  const std::lock_guard<Mutex> lock(mutex_);
  news_.push_back(line.str());
}

std::vector<std::string> Tuner::news() {
  const std::lock_guard<Mutex> lock(mutex_);
  return std::exchange(news_, {});
}

}  // namespace verydeep::winograd
