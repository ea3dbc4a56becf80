// Finds the fastest schedule on this machine while programs run, by trying each in turn on real work. Schedules differ
// in time only, never in a bit of the result, so a trial costs no more than some time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace verydeep::winograd {

/** The schedules of one kind of job. All jobs of that kind share it and its findings. */
class Trials {
 public:
  /** @param candidates the first is kept if no other is clearly faster */
  explicit Trials(std::vector<Schedule> candidates);

  const std::vector<Schedule>& candidates() const { return candidates_; }
  bool decided() const { return decided_; }
  /** The one to use now. */
  const Schedule& current() const { return candidates_[decided_ ? best_ : turn_ % candidates_.size()]; }
  /** Records the current one's time and moves on to the next. @returns seconds beyond the least so far */
  double took(double seconds);
  /** Stays with the best so far. */
  void decide();

 private:
  std::vector<Schedule> candidates_;
  std::vector<double> least_;
  std::size_t turn_ = 0, best_ = 0;
  bool decided_ = false;
};

class Tuner {
 public:
  /** Off, the default: always uses the first candidate. */
  void turn(bool on) { on_ = on; }

  /** Takes over earlier findings, "key tiles shared" each; ignores lines of any other form. */
  void recall(const std::vector<std::string>& lines);
  /** @param candidates not empty */
  std::shared_ptr<Trials> trialsFor(const std::string& key, const std::vector<Schedule>& candidates);
  void took(const std::string& key, Trials& trials, double seconds);
  /** Findings since the last call, for `recall`. From any thread. */
  std::vector<std::string> news();

 private:
  struct Known {
    int64_t tiles;
    bool shared;
  };

  bool on_ = false;
  /** Seconds lost to trials, beyond the best. */
  double spent_ = 0;
  std::map<std::string, Known> known_;
  std::map<std::string, std::shared_ptr<Trials>> trials_;
  std::mutex mutex_;
  std::vector<std::string> news_;
};

}  // namespace verydeep::winograd
