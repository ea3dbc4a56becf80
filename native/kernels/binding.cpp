// JavaScript functions over the engine and parameters. TypeScript interprets and checks options; only what could corrupt
// memory is checked again here.
#include "binding.hpp"
#include "gpu_layer.hpp"

namespace verydeep {
namespace {

using Info = const Napi::CallbackInfo&;

std::vector<std::string> linesOf(const Napi::Array& array) {
  std::vector<std::string> lines;
  for (uint32_t i = 0; i < array.Length(); i++) lines.push_back(array.Get(i).ToString());
  return lines;
}

/** createEngine(threads, bf16, tune, schedules: string[]) */
Napi::Value createEngine(Info info) {
  auto engine = std::make_shared<Engine>();
  engine->worker = Worker::start(info.Env(), info[0].ToNumber().Int32Value());
  engine->context = std::make_shared<Context>();
  engine->context->tuner.turn(info[2].ToBoolean());
  engine->context->tuner.recall(linesOf(info[3].As<Napi::Array>()));
  engine->context->bf16 = info[1].ToBoolean() && winograd::bf16Kernels();
  return wrap(info.Env(), engine);
}

/** newSchedules(engine) → string[]: the schedules found since the last call, for createEngine */
Napi::Value newSchedules(Info info) {
  const std::vector<std::string> news = unwrap<Engine>(info[0])->context->tuner.news();
  Napi::Array result = Napi::Array::New(info.Env(), news.size());
  for (std::size_t i = 0; i < news.size(); i++) result.Set(static_cast<uint32_t>(i), news[i]);
  return result;
}

/** library() → { isa, bf16Isa? } */
Napi::Value library(Info info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("isa", winograd::bestKernels().name);
  if (const winograd::Kernels* bf16 = winograd::bf16Kernels()) result.Set("bf16Isa", bf16->name);
  return result;
}

/** peak(engine) → Promise<number>: floating-point operations per second that its threads can do in registers */
Napi::Value peak(Info info) {
  const auto work = []() -> Result {
    return [value = winograd::measuredPeak()](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, value); };
  };
  return unwrap<Engine>(info[0])->worker->run(info.Env(), work);
}

/** createParameters(counts: number[], isBias: boolean[], training, rates: number[]) */
Napi::Value createParameters(Info info) {
  const std::vector<int64_t> counts = integersOf(info[0].As<Napi::Array>());
  const auto isBias = info[1].As<Napi::Array>();
  std::vector<bool> biases;
  for (uint32_t i = 0; i < isBias.Length(); i++) biases.push_back(isBias.Get(i).ToBoolean());
  const auto factors = info[3].As<Napi::Array>();
  std::vector<float> rates;
  for (uint32_t i = 0; i < factors.Length(); i++) rates.push_back(factors.Get(i).ToNumber().FloatValue());
  if (biases.size() != counts.size() || rates.size() != counts.size()) {
    throw Napi::TypeError::New(info.Env(), "createParameters needs one isBias and one rate for each count");
  }
  try {
    return wrap(info.Env(), std::make_shared<Parameters>(counts, biases, info[2].ToBoolean(), Allocation::real, rates));
  } catch (const OutOfMemory& error) {
    Napi::Error thrown = Napi::Error::New(info.Env(), error.what());
    thrown.Set("code", Napi::String::New(info.Env(), "ERR_OUT_OF_MEMORY"));
    throw thrown;
  }
}

/** One tensor of one field (a call's arguments 2 and 3) and the JavaScript array in argument 4. */
struct Access {
  explicit Access(Info info)
      : parameters(unwrap<Parameters>(info[1])),
        field(static_cast<Parameters::Field>(info[2].ToNumber().Uint32Value())),
        tensor(info[3].ToNumber().Uint32Value()) {
    if (!parameters->has(field, tensor)) throw Napi::RangeError::New(info.Env(), "there is no such tensor");
    data = floatsOf(info[4], parameters->count(tensor), "a tensor's data");
  }

  std::shared_ptr<Parameters> parameters;
  Parameters::Field field;
  std::size_t tensor;
  float* data;
};

/** read(engine, parameters, field, tensor, to) */
Napi::Value read(Info info) {
  const Access access(info);
  const auto work = [access] {
    access.parameters->read(access.field, access.tensor, access.data);
    return Result();
  };
  return unwrap<Engine>(info[0])->worker->run(info.Env(), work, {info[4]});
}

/** write(engine, parameters, field, tensor, from) */
Napi::Value write(Info info) {
  const Access access(info);
  const auto work = [access] {
    access.parameters->write(access.field, access.tensor, access.data);
    return Result();
  };
  return unwrap<Engine>(info[0])->worker->run(info.Env(), work, {info[4]});
}

/** update(engine, parameters, learningRate, momentum, weightDecay, biasDecay) */
Napi::Value update(Info info) {
  const auto parameters = unwrap<Parameters>(info[1]);
  const SgdStep step{info[2].ToNumber().FloatValue(), info[3].ToNumber().FloatValue(),
                     info[4].ToNumber().FloatValue(), info[5].ToNumber().FloatValue()};
  const auto work = [parameters, step] {
    parameters->update(step);
    return Result();
  };
  return unwrap<Engine>(info[0])->worker->run(info.Env(), work);
}

/** block(parameters, field) → Float32Array of all its tensors: a view of the memory itself, which it keeps alive */
Napi::Value block(Info info) {
  const auto parameters = unwrap<Parameters>(info[0]);
  const auto field = static_cast<Parameters::Field>(info[1].ToNumber().Uint32Value());
  if (!parameters->has(field)) throw Napi::RangeError::New(info.Env(), "these parameters have no such field");
  int64_t count = 0;
  float* data = parameters->block(field, count);
  const auto release = [](Napi::Env, void*, std::shared_ptr<Parameters>* owner) { delete owner; };
  const auto memory = Napi::ArrayBuffer::New(info.Env(), data, static_cast<std::size_t>(count) * sizeof(float),
                                             release, new std::shared_ptr<Parameters>(parameters));
  return Napi::Float32Array::New(info.Env(), static_cast<std::size_t>(count), memory, 0);
}

/** zeroGradients(engine, parameters) */
Napi::Value zeroGradients(Info info) {
  const auto parameters = unwrap<Parameters>(info[1]);
  const auto work = [parameters] {
    parameters->zeroGradients();
    return Result();
  };
  return unwrap<Engine>(info[0])->worker->run(info.Env(), work);
}

/** release(engine, handle): destroys the object on the worker's thread, after all jobs queued before it. */
Napi::Value release(Info info) {
  if (!info[1].IsExternal()) throw Napi::TypeError::New(info.Env(), "there is nothing to release");
  std::shared_ptr<void> object;
  object.swap(info[1].As<Napi::External<Handle>>().Data()->object);
  unwrap<Engine>(info[0])->worker->release(info.Env(), std::move(object));
  return info.Env().Undefined();
}

/** gpuLayerFile() → string */
Napi::Value gpuLayer(Info info) {
  return Napi::String::New(info.Env(), gpuLayerFile());
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("createEngine", Napi::Function::New<createEngine>(env));
  exports.Set("newSchedules", Napi::Function::New<newSchedules>(env));
  exports.Set("library", Napi::Function::New<library>(env));
  exports.Set("gpuLayerFile", Napi::Function::New<gpuLayer>(env));
  exports.Set("peak", Napi::Function::New<peak>(env));
  exports.Set("createParameters", Napi::Function::New<createParameters>(env));
  exports.Set("read", Napi::Function::New<read>(env));
  exports.Set("write", Napi::Function::New<write>(env));
  exports.Set("update", Napi::Function::New<update>(env));
  exports.Set("block", Napi::Function::New<block>(env));
  exports.Set("zeroGradients", Napi::Function::New<zeroGradients>(env));
  exports.Set("release", Napi::Function::New<release>(env));
  bindPrograms(env, exports);
  return exports;
}

NODE_API_MODULE(verydeep_kernels, initialize)

}  // namespace
}  // namespace verydeep
