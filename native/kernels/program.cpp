#include "program.hpp"

#include <algorithm>
#include <stdexcept>

namespace verydeep {
namespace {

/** The layers that can be computed in the same step as the convolution at `i`. */
Epilogue epilogueAfter(const std::vector<LayerSpec>& layers, std::size_t i) {
  using Kind = LayerSpec::Kind;
  Epilogue epilogue;
  epilogue.rectify = ++i < layers.size() && layers[i].kind == Kind::relu;
  if (epilogue.rectify) i++;
  epilogue.pool = i < layers.size() && layers[i].kind == Kind::maxPool;
  epilogue.ceil = epilogue.pool && layers[i].ceil;
  return epilogue;
}

void run(StepList& steps, const Batch& batch, const std::atomic<bool>& stop) {
  steps.run(batch, [&stop] { return stop.load(std::memory_order_relaxed); });
}

/** Copies the images and fills the rest of the batch with zeros. */
void fill(const Tensor& tensor, const float* images, int64_t count) {
  const int64_t values = count * tensor.shape.image();
  std::copy(images, images + values, tensor.data());
  std::fill(tensor.data() + values, tensor.data() + tensor.shape.count(), 0.0f);
}

void copyOut(const Tensor& tensor, int64_t images, float* to) {
  std::copy(tensor.data(), tensor.data() + images * tensor.shape.image(), to);
}

}  // namespace

Program::Program(Context& context, std::shared_ptr<Parameters> parameters, const ProgramOptions& options)
    : planner_(context, std::move(parameters), options.training) {
  planForward(options);
  if (options.training) planBackward(options);
  planner_.allocate();
}

void Program::planForward(const ProgramOptions& options) {
  using Kind = LayerSpec::Kind;
  input_ = planner_.activation = planner_.nextActivation(options.input, 1);
  uint32_t dropouts = 0;
  bool rectify = false;
  for (std::size_t i = 0; i < options.layers.size(); i++) {
    const LayerSpec& spec = options.layers[i];
    if (spec.kind == Kind::relu && i + 1 < options.layers.size() && options.layers[i + 1].kind == Kind::maxPool) {
      rectify = true;  // becomes part of the pooling
      continue;
    }
    numbers_.push_back(i);
    planner_.forward.begin(i, "forward", "own");
    switch (spec.kind) {
      case Kind::convolution:
        if (suitsWinograd(spec.convolution, planner_.activation.shape)) {
          const Epilogue epilogue = epilogueAfter(options.layers, i);
          layers_.push_back(makeWinogradConvolution(spec.convolution, epilogue));
          i += (epilogue.rectify ? 1 : 0) + (epilogue.pool ? 1 : 0);
        } else if (suitsMatrixProduct(spec.convolution, planner_.activation, planner_.training())) {
          layers_.push_back(makeMatrixProduct(spec.convolution));
        } else {
          // If a pooling follows, the ReLU is cheaper in it.
          const Epilogue epilogue = epilogueAfter(options.layers, i);
          const bool rectifies = epilogue.rectify && !epilogue.pool;
          layers_.push_back(makeConvolution(spec.convolution, rectifies));
          i += rectifies ? 1 : 0;
        }
        break;
      case Kind::relu:
        layers_.push_back(makeRelu());
        break;
      case Kind::maxPool:
        layers_.push_back(makeMaxPool(spec.ceil, rectify));
        rectify = false;
        break;
      case Kind::adaptivePool:
        layers_.push_back(makeAdaptivePool(spec.side, spec.maximum));
        break;
      case Kind::lrn:
        layers_.push_back(makeLrn(spec.lrn));
        break;
      case Kind::dropout:
        layers_.push_back(makeDropout(spec.rate, dropouts++));
        break;
    }
    layers_.back()->planForward(planner_);
  }
  planner_.layOutActivation(1);
  output_ = planner_.activation;
}

void Program::planBackward(const ProgramOptions& options) {
  const bool inputGradient = options.inputGradient;
  outputGradient_ = planner_.gradient = planner_.nextGradient(output_.shape, 1);
  // Layers below the first one with parameters need no gradient unless the caller wants the input's.
  std::size_t first = 0;
  while (!inputGradient && first < layers_.size() && !layers_[first]->hasParameters()) first++;
  for (std::size_t i = layers_.size(); i-- > first;) {
    planner_.backward.begin(numbers_[i], "backward", "own");
    layers_[i]->planBackward(planner_, inputGradient || i > first);
    if (layers_[i]->hasParameters()) planReady(options, numbers_[i]);
  }
  if (!inputGradient) return;
  planner_.layOutGradient(1);
  inputGradient_ = planner_.gradient;
}

/** Adds a step that reports which gradients the layers below `layer` do not change. */
void Program::planReady(const ProgramOptions& options, std::size_t layer) {
  std::size_t ready = 0;
  for (std::size_t i = 0; i < layer; i++) {
    if (options.layers[i].kind != LayerSpec::Kind::convolution) continue;
    const ConvolutionSpec& convolution = options.layers[i].convolution;
    ready = std::max({ready, convolution.weight + 1, convolution.bias + 1});
  }
  planner_.backward.push_back([ready](const Batch& batch) {
    if (batch.gradientsReady) batch.gradientsReady(ready);
  });
}

std::vector<Stage> Program::stages() const {
  std::vector<Stage> all = planner_.forward.stages();
  if (training()) all.insert(all.end(), planner_.backward.stages().begin(), planner_.backward.stages().end());
  return all;
}

void Program::forward(const Batch& batch, const std::atomic<bool>& stop) {
  fill(input_, batch.input, batch.images);
  run(planner_.forward, batch, stop);
  copyOut(output_, batch.images, batch.output);
}

void Program::accumulate(const Batch& batch, const std::atomic<bool>& stop) {
  forward(batch, stop);
  const int64_t classes = output_.shape.c;
  std::fill(outputGradient_.data(), outputGradient_.data() + output_.shape.count(), 0.0f);
  const auto loss = batch.targets ? euclideanLoss : softmaxLoss;
  loss(output_.data(), batch, classes, outputGradient_.data());
  run(planner_.backward, batch, stop);
}

void Program::backward(const Batch& batch, const std::atomic<bool>& stop) {
  forward(batch, stop);
  fill(outputGradient_, batch.outputGradient, batch.images);
  run(planner_.backward, batch, stop);
  if (batch.inputGradient) copyOut(inputGradient_, batch.images, batch.inputGradient);
}

}  // namespace verydeep
