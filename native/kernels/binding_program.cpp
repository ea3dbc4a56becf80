// JavaScript functions over programs.
#include "binding.hpp"

namespace verydeep {
namespace {

using Info = const Napi::CallbackInfo&;

int64_t integer(const Napi::Object& object, const char* name) { return object.Get(name).ToNumber().Int64Value(); }
float real(const Napi::Object& object, const char* name) { return object.Get(name).ToNumber().FloatValue(); }

/** @throws RangeError unless the parameters have the tensors that the convolution reads and writes */
ConvolutionSpec convolutionOf(const Napi::Object& layer, const Parameters& parameters, bool training) {
  const ConvolutionSpec spec{integer(layer, "kernel"),
                             integer(layer, "padding"),
                             integer(layer, "inChannels"),
                             integer(layer, "outChannels"),
                             static_cast<std::size_t>(integer(layer, "weight")),
                             static_cast<std::size_t>(integer(layer, "bias"))};
  const auto field = training ? Parameters::Field::gradients : Parameters::Field::values;
  const bool fits = parameters.has(field, spec.weight) && parameters.has(field, spec.bias) &&
                    parameters.count(spec.weight) == spec.outChannels * spec.products() &&
                    parameters.count(spec.bias) == spec.outChannels;
  if (!fits) throw Napi::RangeError::New(layer.Env(), "a convolution's tensors are not among the parameters");
  return spec;
}

LayerSpec layerOf(const Napi::Object& layer, const Parameters& parameters, bool training) {
  using Kind = LayerSpec::Kind;
  const std::string kind = layer.Get("kind").ToString();
  LayerSpec spec{};
  if (kind == "convolution") {
    spec.kind = Kind::convolution;
    spec.convolution = convolutionOf(layer, parameters, training);
  } else if (kind == "relu") {
    spec.kind = Kind::relu;
  } else if (kind == "maxPool") {
    spec.kind = Kind::maxPool;
    spec.ceil = layer.Get("rounding").ToString().Utf8Value() == "ceil";
  } else if (kind == "adaptivePool") {
    spec.kind = Kind::adaptivePool;
    spec.side = std::max<int64_t>(integer(layer, "side"), 1);
    spec.maximum = layer.Get("method").ToString().Utf8Value() == "max";
    if (spec.maximum && spec.side != 1) throw Napi::RangeError::New(layer.Env(), "max pools to one value");
  } else if (kind == "lrn") {
    spec.kind = Kind::lrn;
    spec.lrn = {integer(layer, "size"), real(layer, "k"), real(layer, "alpha"), real(layer, "beta")};
  } else if (kind == "dropout") {
    spec.kind = Kind::dropout;
    spec.rate = layer.Get("rate").ToNumber().DoubleValue();
  } else {
    throw Napi::TypeError::New(layer.Env(), "unknown kind of layer: " + kind);
  }
  return spec;
}

/** The arguments of a call from the third on: layers, inputShape, training, inputGradient. */
ProgramOptions optionsOf(Info info, const Parameters& parameters) {
  const auto layers = info[2].As<Napi::Array>(), shape = info[3].As<Napi::Array>();
  const auto extent = [&](uint32_t axis) { return shape.Get(axis).ToNumber().Int64Value(); };
  ProgramOptions options;
  options.training = info[4].ToBoolean() && parameters.training();
  for (uint32_t i = 0; i < layers.Length(); i++) {
    options.layers.push_back(layerOf(layers.Get(i).As<Napi::Object>(), parameters, options.training));
  }
  options.input = {extent(0), extent(1), extent(2), extent(3)};
  options.inputGradient = info[5].ToBoolean();
  return options;
}

/** compile(engine, parameters, layers, inputShape, training, inputGradient) → Promise<{ program, memoryBytes }> */
Napi::Value compile(Info info) {
  const auto engine = unwrap<Engine>(info[0]);
  const auto parameters = unwrap<Parameters>(info[1]);
  const ProgramOptions options = optionsOf(info, *parameters);
  const auto work = [context = engine->context, parameters, options]() -> Result {
    auto program = std::make_shared<Program>(*context, parameters, options);
    return [program](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("memoryBytes", static_cast<double>(program->memoryUse().total()));
      result.Set("program", wrap(env, program));
      return result;
    };
  };
  return engine->worker->run(info.Env(), work);
}

/**
 * planMemory(engine, counts: number[], layers, inputShape, training, inputGradient) → Promise<{ activations, gradients,
 * scratch, transformedWeights }>: plans a program over tensors of these sizes without allocating memory for either.
 */
Napi::Value planMemory(Info info) {
  const auto engine = unwrap<Engine>(info[0]);
  const std::vector<int64_t> counts = integersOf(info[1].As<Napi::Array>());
  const std::vector<bool> isBias(counts.size());
  const auto parameters = std::make_shared<Parameters>(counts, isBias, info[4].ToBoolean(), Allocation::dryRun);
  const ProgramOptions options = optionsOf(info, *parameters);
  const auto work = [context = engine->context, parameters, options]() -> Result {
    return [use = Program(*context, parameters, options).memoryUse()](Napi::Env env) -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("activations", static_cast<double>(use.activations));
      result.Set("gradients", static_cast<double>(use.gradients));
      result.Set("scratch", static_cast<double>(use.scratch));
      result.Set("transformedWeights", static_cast<double>(use.transformedWeights));
      return result;
    };
  };
  return engine->worker->run(info.Env(), work);
}

/** The JavaScript arrays that the worker reads and writes in one run, and references that keep them alive. */
struct Arrays {
  Batch batch;
  std::vector<Napi::Value> keep;

  Arrays(const Napi::Object& object, const Program& program) {
    const int64_t images = batch.images = integer(object, "images");
    if (images < 1 || images > program.input().n) throw Napi::RangeError::New(object.Env(), "too many images");
    const int64_t input = images * program.input().image(), output = images * program.output().image();
    batch.input = take<float>(object, "input", napi_float32_array, input);
    batch.output = take<float>(object, "output", napi_float32_array, output);
    batch.dropoutKeys = take<uint32_t>(object, "dropoutKeys", napi_uint32_array, images * 2);
    batch.labels = take<int32_t>(object, "labels", napi_int32_array, images);
    batch.losses = take<float>(object, "losses", napi_float32_array, images);
    batch.weights = take<float>(object, "weights", napi_float32_array, images);
    batch.labelSmoothing = object.Get("labelSmoothing").IsNumber() ? object.Get("labelSmoothing").ToNumber().DoubleValue() : 0;
    if (object.Get("targets").IsTypedArray()) {
      batch.targetCount = static_cast<int64_t>(object.Get("targets").As<Napi::TypedArray>().ElementLength()) / images;
      batch.targets = take<float>(object, "targets", napi_float32_array, images * batch.targetCount);
    }
    batch.outputGradient = take<float>(object, "outputGradient", napi_float32_array, output);
    batch.inputGradient = take<float>(object, "inputGradient", napi_float32_array, input);
    batch.gradientScale = object.Has("gradientScale") ? object.Get("gradientScale").ToNumber().DoubleValue() : 0;
    if (!batch.input || !batch.output) throw Napi::TypeError::New(object.Env(), "a run needs input and output");
  }

 private:
  template <class T>
  T* take(const Napi::Object& object, const char* name, napi_typedarray_type type, int64_t count) {
    const Napi::Value value = object.Get(name);
    if (value.IsUndefined()) return nullptr;
    keep.push_back(value);
    return dataOf<T>(value, type, count, name);
  }
};

using Method = void (Program::*)(const Batch&, const std::atomic<bool>&);

/** A batch's `gradientsReady(tensor)`, called on JavaScript's thread; the reference lives as long as the job. */
std::function<void(std::size_t)> readyCallback(Worker& worker, Napi::FunctionReference* callback) {
  return [&worker, callback](std::size_t tensor) {
    worker.notify([callback, tensor](Napi::Env env) {
      callback->Call({Napi::Number::New(env, static_cast<double>(tensor))});
    });
  };
}

Napi::Value run(Info info, Method method, const Arrays& arrays, const std::shared_ptr<Program>& program) {
  const auto engine = unwrap<Engine>(info[0]);
  std::shared_ptr<Napi::FunctionReference> callback;
  Batch batch = arrays.batch;
  if (info[3].IsFunction()) {
    callback = std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[3].As<Napi::Function>()));
    batch.gradientsReady = readyCallback(*engine->worker, callback.get());
  }
  // The engine outlives its jobs: each job holds the worker, which lives at most as long as the process.
  const auto work = [program, method, batch = std::move(batch), &stop = engine->worker->stopping(),
                     context = engine->context]() -> Result {
    ((*program).*method)(batch, stop);
    return {};
  };
  return engine->worker->run(info.Env(), work, arrays.keep, callback);
}

/** forward(engine, program, batch) */
Napi::Value forward(Info info) {
  const auto program = unwrap<Program>(info[1]);
  return run(info, &Program::forward, Arrays(info[2].As<Napi::Object>(), *program), program);
}

/** accumulate(engine, program, batch, gradientsReady?) */
Napi::Value accumulate(Info info) {
  const auto program = unwrap<Program>(info[1]);
  const Arrays arrays(info[2].As<Napi::Object>(), *program);
  if (!program->training() || program->output().pixels() != 1 || !arrays.batch.labels || !arrays.batch.losses) {
    throw Napi::TypeError::New(info.Env(), "accumulate needs a training program, one score map, labels and losses");
  }
  return run(info, &Program::accumulate, arrays, program);
}

/** backward(engine, program, batch) */
Napi::Value backward(Info info) {
  const auto program = unwrap<Program>(info[1]);
  const Arrays arrays(info[2].As<Napi::Object>(), *program);
  if (!program->training() || !arrays.batch.outputGradient ||
      (arrays.batch.inputGradient && !program->hasInputGradient())) {
    throw Napi::TypeError::New(info.Env(), "backward needs a training program and the output's gradient");
  }
  return run(info, &Program::backward, arrays, program);
}

/** profile(engine, program) → Promise<{ layer, pass, algorithm, seconds }[]> of the last run */
Napi::Value profile(Info info) {
  const auto program = unwrap<Program>(info[1]);
  const auto work = [program]() -> Result {
    return [stages = program->stages()](Napi::Env env) -> Napi::Value {
      Napi::Array result = Napi::Array::New(env, stages.size());
      for (uint32_t i = 0; i < stages.size(); i++) {
        Napi::Object stage = Napi::Object::New(env);
        stage.Set("layer", static_cast<double>(stages[i].layer));
        stage.Set("pass", stages[i].pass);
        stage.Set("algorithm", stages[i].algorithm);
        stage.Set("seconds", stages[i].seconds);
        result.Set(i, stage);
      }
      return result;
    };
  };
  return unwrap<Engine>(info[0])->worker->run(info.Env(), work);
}

}  // namespace

void bindPrograms(Napi::Env env, Napi::Object exports) {
  exports.Set("compile", Napi::Function::New<compile>(env));
  exports.Set("planMemory", Napi::Function::New<planMemory>(env));
  exports.Set("forward", Napi::Function::New<forward>(env));
  exports.Set("accumulate", Napi::Function::New<accumulate>(env));
  exports.Set("backward", Napi::Function::New<backward>(env));
  exports.Set("profile", Napi::Function::New<profile>(env));
}

}  // namespace verydeep
