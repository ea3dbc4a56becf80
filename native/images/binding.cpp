// resample(pixels, width, height, across, down, left, top, columns, rows) → Uint8Array, and resampleLater(…), the same
// on a thread of libuv's, → Promise. `across` and `down` are arrays [starts, counts, weights].
#include <napi.h>

#include <string>

#include "resample.hpp"

namespace verydeep {
namespace {

using Info = const Napi::CallbackInfo&;

/** Arguments, checked as far as memory is concerned; the arrays are kept alive by whoever holds the values. */
struct Job {
  Image image;
  Taps across, down;
  Span columns, rows;
  Napi::Uint8Array output;
  uint8_t* to;

  explicit Job(Info info) {
    const auto pixels = info[0].As<Napi::Uint8Array>();
    image = {pixels.Data(), size(info[1]), size(info[2])};
    if (image.width == 0 || image.height == 0 || pixels.ByteLength() / 3 / image.width < image.height) {
      refuse(info, "the image has fewer pixels than it says");
    }
    columns = {size(info[5]), size(info[5]) + size(info[7])};
    rows = {size(info[6]), size(info[6]) + size(info[8])};
    across = tapsOf(info, info[3].As<Napi::Array>(), columns, image.width);
    down = tapsOf(info, info[4].As<Napi::Array>(), rows, image.height);
    output = Napi::Uint8Array::New(info.Env(), 3 * columns.size() * rows.size());
    to = output.Data();
  }

  void run() const { resample(image, across, down, columns, rows, to); }

 private:
  static std::size_t size(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

  [[noreturn]] static void refuse(Info info, const std::string& why) {
    throw Napi::RangeError::New(info.Env(), "resample: " + why);
  }

  static Taps tapsOf(Info info, const Napi::Array& arrays, Span outputs, std::size_t inputs) {
    const auto starts = Napi::Value(arrays[0u]).As<Napi::Int32Array>();
    const auto counts = Napi::Value(arrays[1u]).As<Napi::Int32Array>();
    const auto weights = Napi::Value(arrays[2u]).As<Napi::Int32Array>();
    const std::size_t most = starts.ElementLength();
    if (outputs.size() == 0 || outputs.end > most || counts.ElementLength() != most) {
      refuse(info, "the window is empty or reaches beyond the result");
    }
    const Taps taps{starts.Data(), counts.Data(), weights.Data(), weights.ElementLength() / most};
    for (std::size_t i = outputs.begin; i < outputs.end; i++) {
      const bool inside = taps.starts[i] >= 0 && taps.counts[i] >= 1 &&
                          static_cast<std::size_t>(taps.counts[i]) <= taps.width &&
                          static_cast<std::size_t>(taps.starts[i]) + taps.counts[i] <= inputs;
      const bool ascending = i == outputs.begin || (taps.starts[i] >= taps.starts[i - 1] &&
                                                    taps.starts[i] + taps.counts[i] >=
                                                        taps.starts[i - 1] + taps.counts[i - 1]);
      if (!inside || !ascending) refuse(info, "the weights reach beyond the image");
    }
    return taps;
  }
};

Napi::Value resampleNow(Info info) {
  const Job job(info);
  job.run();
  return job.output;
}

class Later : public Napi::AsyncWorker {
 public:
  Later(Info info, const Job& job)
      : AsyncWorker(info.Env(), "verydeep.resample"),
        job_(job),
        deferred_(Napi::Promise::Deferred::New(info.Env())) {
    const Napi::Array held = Napi::Array::New(info.Env(), 4);
    held.Set(kOutput, job.output);
    held.Set(1, info[0]);
    held.Set(2, info[3]);
    held.Set(3, info[4]);
    held_ = Napi::Persistent(held.As<Napi::Object>());
  }
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { job_.run(); }
  void OnOK() override { deferred_.Resolve(held_.Get(kOutput)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  static constexpr uint32_t kOutput = 0;
  const Job job_;
  /** The arrays that the job reads and writes. */
  Napi::ObjectReference held_;
  Napi::Promise::Deferred deferred_;
};

Napi::Value resampleLater(Info info) {
  auto* later = new Later(info, Job(info));
  const Napi::Promise promise = later->promise();
  later->Queue();
  return promise;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("resample", Napi::Function::New<resampleNow>(env));
  exports.Set("resampleLater", Napi::Function::New<resampleLater>(env));
  return exports;
}

NODE_API_MODULE(verydeep_images, initialize)

}  // namespace
}  // namespace verydeep
