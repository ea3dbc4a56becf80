// Which schedule is fastest on this machine, found out while programs run: each is tried in turn on real work. They
// differ in time only, never in a bit of the result, so that a trial costs no more than being somewhat slower.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace verydeep::winograd {

/** What one kind of job runs by. All jobs of that kind share it, and learn together. */
class Trials {
 public:
  /** @param candidates the first is what to keep if none is clearly faster */
  explicit Trials(std::vector<Schedule> candidates);

  const std::vector<Schedule>& candidates() const { return candidates_; }
  bool decided() const { return decided_; }
  /** The one to run by now. */
  const Schedule& current() const { return candidates_[decided_ ? best_ : turn_ % candidates_.size()]; }
  /** Takes note of what the current one took; goes on to the next. @returns seconds beyond the least so far */
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
  /** Off, as at first: the first candidate is taken always. */
  void turn(bool on) { on_ = on; }

  /** Takes over what was found out before, "key tiles shared" each; what does not look like that is passed over. */
  void recall(const std::vector<std::string>& lines);
  /** @param candidates not empty */
  std::shared_ptr<Trials> trialsFor(const std::string& key, const std::vector<Schedule>& candidates);
  void took(const std::string& key, Trials& trials, double seconds);
  /** What was found out since the last call, for `recall`. From any thread. */
  std::vector<std::string> news();

 private:
  struct Known {
    int64_t tiles;
    bool shared;
  };

  bool on_ = false;
  /** Seconds that trials have taken beyond the best. */
  double spent_ = 0;
  std::map<std::string, Known> known_;
  std::map<std::string, std::shared_ptr<Trials>> trials_;
  std::mutex mutex_;
  std::vector<std::string> news_;
};

}  // namespace verydeep::winograd
