// Finds the fastest schedule on this machine while programs run, by trying each in turn on real work. Schedules differ
// only in time, never in a bit of the result, so a trial costs nothing but time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../threads.hpp"
#include "kernels.hpp"

namespace verydeep::winograd {

/** Times the schedules of one kind of job. All jobs of that kind share it. */
class Trials {
 public:
  /** @param candidates the first is kept if no other is clearly faster */
  explicit Trials(std::vector<Schedule> candidates);

  const std::vector<Schedule>& candidates() const { return candidates_; }
  bool decided() const { return decided_; }
  /** The one to use now. */
  const Schedule& current() const { return candidates_[decided_ ? best_ : turn_ % candidates_.size()]; }
  /** Records the current schedule's time and moves on to the next. @returns seconds beyond the fastest so far */
  double took(double seconds);
  /** Keeps the best so far. */
  void decide();

 private:
  std::vector<Schedule> candidates_;
  std::vector<double> least_;
  std::size_t turn_ = 0, best_ = 0;
  bool decided_ = false;
};

class Tuner {
 public:
  /** Turns tuning on or off. If it is off (the default), the first candidate is always used. */
  void turn(bool on) { on_ = on; }

  /** Loads earlier findings, each "key tiles shared"; ignores lines of any other form. */
  void recall(const std::vector<std::string>& lines);
  /** @param candidates not empty */
  std::shared_ptr<Trials> trialsFor(const std::string& key, const std::vector<Schedule>& candidates);
  void took(const std::string& key, Trials& trials, double seconds);
  /** Returns the findings since the last call, for `recall`. Any thread may call it. */
  std::vector<std::string> news();

 private:
  struct Known {
    int64_t tiles;
    bool shared;
  };

  bool on_ = false;
  /** Seconds lost to trials, beyond the best schedule's time. */
  double spent_ = 0;
  std::map<std::string, Known> known_;
  std::map<std::string, std::shared_ptr<Trials>> trials_;
  Mutex mutex_;
  std::vector<std::string> news_;
};

}  // namespace verydeep::winograd
