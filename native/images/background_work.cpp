#include "background_work.hpp"

#include <utility>

namespace verydeep {
namespace {

class BackgroundWork : public Napi::AsyncWorker {
 public:
  BackgroundWork(Napi::Env env, const char* name, Work work, Napi::Object held)
      : AsyncWorker(env, name), work_(std::move(work)), held_(Napi::Persistent(held)), deferred_(env) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { done_ = work_(); }
  void OnOK() override { deferred_.Resolve(done_ ? held_.Get(0u) : Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Work work_;
  bool done_ = false;
  /** An array of the output and the inputs, which keeps their memory alive. */
  Napi::ObjectReference held_;
  Napi::Promise::Deferred deferred_;
};

}  // namespace

Napi::Promise runInBackground(const char* name, Work work, Napi::Object output, const std::vector<Napi::Value>& inputs) {
  const Napi::Array held = Napi::Array::New(output.Env(), 1 + inputs.size());
  held.Set(0u, output);
  for (uint32_t i = 0; i < inputs.size(); i++) held.Set(1 + i, inputs[i]);
  auto* running = new BackgroundWork(output.Env(), name, std::move(work), held);
  const Napi::Promise promise = running->promise();
  running->Queue();
  return promise;
}

}  // namespace verydeep
