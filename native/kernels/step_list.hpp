// The steps of a pass, in order, and how long each stage took in the last run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fault.hpp"

namespace verydeep {

struct Batch;
using Step = std::function<void(const Batch&)>;

/** Consecutive steps with one purpose for one layer. */
struct Stage {
  /** Index in the chain that was compiled. Layers fused with it count as part of it. */
  std::size_t layer;
  /** "forward", "input gradient", "weight gradient", or "backward" for both gradients. */
  std::string pass;
  /** The algorithm's display name. */
  std::string algorithm;
  std::size_t firstStep;
  /** Duration in the last run. */
  double seconds = 0;
};

class StepList {
 public:
  /** Begins a stage. A stage without steps is dropped. */
  void begin(std::size_t layer, std::string pass, std::string algorithm) {
    if (!stages_.empty() && stages_.back().firstStep == steps_.size()) stages_.pop_back();
    stages_.push_back({layer, std::move(pass), std::move(algorithm), steps_.size()});
  }
  /** Begins a stage of the same layer. */
  void begin(std::string pass, std::string algorithm) {
    begin(stages_.back().layer, std::move(pass), std::move(algorithm));
  }
  void push_back(Step step) { steps_.push_back(std::move(step)); }
  const std::vector<Stage>& stages() const { return stages_; }

  /** @param stopped called before each step */
  template <class Stopped>
  void run(const Batch& batch, const Stopped& stopped) {
    auto before = std::chrono::steady_clock::now();
    for (std::size_t s = 0; s < stages_.size(); s++) {
      const std::size_t end = s + 1 < stages_.size() ? stages_[s + 1].firstStep : steps_.size();
      for (std::size_t i = stages_[s].firstStep; i < end; i++) {
        if (stopped()) fail(std::runtime_error("the process is ending"));
        steps_[i](batch);
      }
      const auto now = std::chrono::steady_clock::now();
      stages_[s].seconds = std::chrono::duration<double>(now - before).count();
      before = now;
    }
  }

 private:
  std::vector<Step> steps_;
  std::vector<Stage> stages_;
};

}  // namespace verydeep
