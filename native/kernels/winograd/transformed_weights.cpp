#include "transformed_weights.hpp"

#include <utility>

#include "team.hpp"

namespace verydeep::winograd {

TransformedWeights::TransformedWeights(Allocation allocation, int64_t floats, Transform transform)
    : block_(static_cast<std::size_t>(floats) * sizeof(float), "transformed weights", allocation),
      transform_(std::move(transform)) {}

void TransformedWeights::refresh(uint64_t version) {
  if (version_ == version) return;
  runOnTeam([this](Team& team, int thread) { transform_(block_.bytes(), team, thread); });
  version_ = version;
}

}  // namespace verydeep::winograd
