// The functions that WebAssembly's host calls (src/kernels/wasm/engine.ts). An instance is one engine. Handles and arrays
// are addresses in its memory. The host interprets and checks options; only what could corrupt memory is checked again.
#include <algorithm>
#include <cstdlib>

#include "../program.hpp"

#define VD_EXPORT(name) extern "C" __attribute__((export_name(name)))
#define VD_IMPORT(name) extern "C" __attribute__((import_module("verydeep"), import_name(name)))

VD_IMPORT("fail") [[noreturn]] void hostFail(int outOfMemory, const char* message);
VD_IMPORT("ready") void hostReady(int tensor);

namespace verydeep {

void failInHost(Fault fault, const char* message) { hostFail(fault == Fault::outOfMemory, message); }

namespace {

using Handle = std::shared_ptr<Parameters>;

Context context;
ThreadPool* pool = nullptr;
/** The last text that a function returned. */
std::string text;

const char* returned(std::string result) {
  text = std::move(result);
  return text.c_str();
}

/** A layer is eight numbers: its kind in the order of LayerSpec::Kind, then its options. */
constexpr int kNumbers = 8;

LayerSpec layerOf(const double* numbers, const Parameters& parameters, bool training) {
  const auto integer = [numbers](int i) { return static_cast<int64_t>(numbers[i]); };
  const auto real = [numbers](int i) { return static_cast<float>(numbers[i]); };
  LayerSpec spec{};
  spec.kind = static_cast<LayerSpec::Kind>(integer(0));
  switch (spec.kind) {
    case LayerSpec::Kind::convolution: {
      spec.convolution = {integer(1), integer(2), integer(3), integer(4), static_cast<std::size_t>(integer(5)),
                          static_cast<std::size_t>(integer(6))};
      const ConvolutionSpec& c = spec.convolution;
      const auto field = training ? Parameters::Field::gradients : Parameters::Field::values;
      const bool fits = parameters.has(field, c.weight) && parameters.has(field, c.bias) &&
                        parameters.count(c.weight) == c.outChannels * c.products() &&
                        parameters.count(c.bias) == c.outChannels;
      if (!fits) fail(std::out_of_range("a convolution's tensors are not among the parameters"));
      break;
    }
    case LayerSpec::Kind::relu: break;
    case LayerSpec::Kind::maxPool: spec.ceil = numbers[1] != 0; break;
    case LayerSpec::Kind::adaptivePool:
      spec.side = std::max<int64_t>(integer(1), 1);
      spec.maximum = numbers[2] != 0;
      if (spec.maximum && spec.side != 1) fail(std::out_of_range("max pools to one value"));
      break;
    case LayerSpec::Kind::lrn: spec.lrn = {integer(1), real(2), real(3), real(4)}; break;
    case LayerSpec::Kind::dropout: spec.rate = numbers[1]; break;
    default: fail(std::out_of_range("unknown kind of layer"));
  }
  return spec;
}

std::vector<int64_t> integers(const double* numbers, int count) { return std::vector<int64_t>(numbers, numbers + count); }

/** The one run at a time that the host describes. */
Batch batch;
const std::atomic<bool> never{false};

}  // namespace

VD_EXPORT("allocate") void* allocate(std::size_t bytes) {
  void* data = nullptr;
  if (posix_memalign(&data, 64, std::max<std::size_t>(bytes, 1)) == 0) return data;
  fail(OutOfMemory("out of memory: " + std::to_string(bytes) + " bytes for a batch cannot be allocated; lower the batch size or the image size"));
}
VD_EXPORT("deallocate") void deallocate(void* data) { std::free(data); }

VD_EXPORT("start") void start(int threads, int tune) {
  pool = new ThreadPool(threads);
  context.tuner.turn(tune != 0);
}
/** A thread's work, on an instance of this module over the same memory. */
VD_EXPORT("work") void work(int thread) { pool->loop(thread); }

VD_EXPORT("peak") double peak() { return winograd::measuredPeak(); }

VD_EXPORT("createParameters")
Handle* createParameters(const double* counts, const double* isBias, const double* rates, int tensors, int training,
                         int dryRun) {
  const std::vector<bool> biases(isBias, isBias + tensors);
  return new Handle(std::make_shared<Parameters>(integers(counts, tensors), biases, training != 0,
                                                 dryRun ? Allocation::dryRun : Allocation::real,
                                                 std::vector<float>(rates, rates + tensors)));
}
VD_EXPORT("releaseParameters") void releaseParameters(Handle* parameters) { delete parameters; }
VD_EXPORT("tensor") float* tensor(Handle* parameters, int field, int tensor) {
  return (*parameters)->data(static_cast<Parameters::Field>(field), static_cast<std::size_t>(tensor));
}
/** Call when a tensor's values have been written. */
VD_EXPORT("written") void written(Handle* parameters, int tensor) {
  const auto which = static_cast<std::size_t>(tensor);
  (*parameters)->write(Parameters::Field::values, which, (*parameters)->data(Parameters::Field::values, which));
}
VD_EXPORT("zeroGradients") void zeroGradients(Handle* parameters) { (*parameters)->zeroGradients(); }
VD_EXPORT("update")
void update(Handle* parameters, float learningRate, float momentum, float weightDecay, float biasDecay) {
  (*parameters)->update({learningRate, momentum, weightDecay, biasDecay});
}

/** @param shape N, C, H, W */
VD_EXPORT("createProgram")
Program* createProgram(Handle* parameters, const double* layers, int count, const double* shape, int training, int inputGradient) {
  ProgramOptions options;
  options.training = training != 0 && (*parameters)->training();
  for (int i = 0; i < count; i++) {
    options.layers.push_back(layerOf(layers + i * kNumbers, **parameters, options.training));
  }
  options.input = {static_cast<int64_t>(shape[0]), static_cast<int64_t>(shape[1]), static_cast<int64_t>(shape[2]),
                   static_cast<int64_t>(shape[3])};
  options.inputGradient = inputGradient != 0;
  return new Program(context, *parameters, options);
}
VD_EXPORT("releaseProgram") void releaseProgram(Program* program) { delete program; }
/** @param which 0 activations, 1 gradients, 2 scratch, 3 transformed weights */
VD_EXPORT("memoryUse") double memoryUse(const Program* program, int which) {
  const MemoryUse use = program->memoryUse();
  const std::size_t parts[] = {use.activations, use.gradients, use.scratch, use.transformedWeights};
  return static_cast<double>(parts[which]);
}

/** Describes the next run, which may use what is not null. */
VD_EXPORT("setBatch")
void setBatch(int images, const float* input, float* output, const uint32_t* dropoutKeys, const int32_t* labels,
              const float* weights, double labelSmoothing, const float* targets, int targetCount, double gradientScale, float* losses, const float* outputGradient, float* inputGradient) {
  batch.images = images;
  batch.input = input;
  batch.output = output;
  batch.dropoutKeys = dropoutKeys;
  batch.labels = labels;
  batch.weights = weights;
  batch.labelSmoothing = labelSmoothing;
  batch.targets = targets;
  batch.targetCount = targetCount;
  batch.gradientScale = gradientScale;
  batch.losses = losses;
  batch.outputGradient = outputGradient;
  batch.inputGradient = inputGradient;
  batch.gradientsReady = [](std::size_t tensor) { hostReady(static_cast<int>(tensor)); };
}
VD_EXPORT("forward") void forward(Program* program) { program->forward(batch, never); }
VD_EXPORT("accumulate") void accumulate(Program* program) { program->accumulate(batch, never); }
VD_EXPORT("backward") void backward(Program* program) { program->backward(batch, never); }

/** The stages of the last run, one a line: layer, pass, algorithm, nanoseconds, separated by tabs. */
VD_EXPORT("stages") const char* stages(const Program* program) {
  std::string lines;
  for (const Stage& stage : program->stages()) {
    lines += std::to_string(stage.layer) + '\t' + stage.pass + '\t' + stage.algorithm + '\t';
    lines += std::to_string(static_cast<int64_t>(1e9 * stage.seconds)) + '\n';
  }
  return returned(std::move(lines));
}

}  // namespace verydeep
