#include "transformed_weights.hpp"

#include "team.hpp"

namespace verydeep::winograd {

TransformedWeights::TransformedWeights(const Kernels& kernels, const Weights& weights)
    : kernels_(kernels),
      weights_(weights),
      block_(static_cast<std::size_t>(weights.backward
                                          ? kernels.transformedWeights(weights.outChannels, weights.inChannels)
                                          : kernels.transformedWeights(weights.inChannels, weights.outChannels)) *
                 sizeof(float),
             "transformed weights") {
  weights_.transformed = block_.floats();
}

void TransformedWeights::refresh(uint64_t version) {
  if (version_ == version) return;
  runOnTeam([this](Team& team, int thread) { kernels_.transformWeights(weights_, team, thread); });
  version_ = version;
}

}  // namespace verydeep::winograd
