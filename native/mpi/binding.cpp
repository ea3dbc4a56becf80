// JavaScript functions over MPI. TypeScript checks the options; only what could corrupt memory is checked again here.
#include <napi.h>

#include "all_reduce.hpp"
#include "collectives.hpp"
#include "world.hpp"

namespace verydeep {
namespace {

using Info = const Napi::CallbackInfo&;

/** MPI can be started only once per process. */
std::shared_ptr<World> world;

World& opened(Napi::Env env) {
  if (!world) throw Napi::Error::New(env, "MPI has not been started");
  return *world;
}

struct Floats {
  float* data;
  int64_t count;
};

Floats floatsOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw Napi::TypeError::New(value.Env(), "the data must be a Float32Array");
  }
  auto array = value.As<Napi::Float32Array>();
  if (array.ElementLength() > 0x7fffffff) throw Napi::RangeError::New(value.Env(), "too many values for one message");
  return {array.Data(), static_cast<int64_t>(array.ElementLength())};
}

/** open(patience in seconds, lost(rank, seconds), late(ranks, seconds)) → Promise of what `describe` in world.cpp returns */
Napi::Value open(Info info) {
  if (world) throw Napi::Error::New(info.Env(), "MPI has been started before");
  auto ready = Napi::Promise::Deferred::New(info.Env());
  world = World::start(info.Env(), info[0].ToNumber().DoubleValue(), info[1].As<Napi::Function>(),
                       info[2].As<Napi::Function>(), ready);
  return ready.Promise();
}

/** allReduceSum(data, brief) */
Napi::Value allReduceSum(Info info) {
  const Floats floats = floatsOf(info[0]);
  return opened(info.Env()).run(info.Env(), makeAllReduce(floats.data, floats.count, info[1].ToBoolean()), nullptr, info[0]);
}

/** broadcast(data, root) */
Napi::Value broadcast(Info info) {
  const Floats floats = floatsOf(info[0]);
  const int root = info[1].ToNumber().Int32Value();
  return opened(info.Env()).run(info.Env(), makeBroadcast(floats.data, floats.count, root), nullptr, info[0]);
}

/** allGather(text) → Promise<string[]>, one from each rank */
Napi::Value allGather(Info info) {
  const std::string text = info[0].ToString();
  const auto all = std::make_shared<Bytes>();
  const auto ends = std::make_shared<std::vector<int>>();
  const Result result = [all, ends](Napi::Env env) -> Napi::Value {
    Napi::Array texts = Napi::Array::New(env, ends->size());
    int begin = 0;
    for (uint32_t i = 0; i < ends->size(); i++) {
      const int end = (*ends)[i];
      texts.Set(i, Napi::String::New(env, reinterpret_cast<const char*>(all->data()) + begin, static_cast<std::size_t>(end - begin)));
      begin = end;
    }
    return texts;
  };
  return opened(info.Env()).run(info.Env(), makeAllGather(Bytes(text.begin(), text.end()), all, ends), result, info.Env().Undefined());
}

/** close() */
Napi::Value close(Info info) { return opened(info.Env()).close(info.Env()); }

/** abort(code) */
Napi::Value abort(Info info) {
  opened(info.Env()).abort(info[0].ToNumber().Int32Value());
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New<open>(env));
  exports.Set("allReduceSum", Napi::Function::New<allReduceSum>(env));
  exports.Set("broadcast", Napi::Function::New<broadcast>(env));
  exports.Set("allGather", Napi::Function::New<allGather>(env));
  exports.Set("close", Napi::Function::New<close>(env));
  exports.Set("abort", Napi::Function::New<abort>(env));
  return exports;
}

NODE_API_MODULE(verydeep_mpi, initialize)

}  // namespace
}  // namespace verydeep
