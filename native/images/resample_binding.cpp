#include <string>

#include "bindings.hpp"
#include "background_work.hpp"
#include "resample.hpp"

namespace verydeep {
namespace {

using Info = const Napi::CallbackInfo&;

/** The arguments, checked for memory safety. */
struct Job {
  Image image;
  Taps across, down;
  Span columns, rows;
  Napi::Uint8Array output;

  explicit Job(Info info) {
    const auto pixels = info[0].As<Napi::Uint8Array>();
    image = {pixels.Data(), size(info[1]), size(info[2])};
    if (image.width == 0 || image.height == 0 || pixels.ByteLength() / 3 / image.width < image.height) {
      refuse(info, "the image has fewer pixels than its size");
    }
    columns = {size(info[5]), size(info[5]) + size(info[7])};
    rows = {size(info[6]), size(info[6]) + size(info[8])};
    across = tapsOf(info, info[3].As<Napi::Array>(), columns, image.width);
    down = tapsOf(info, info[4].As<Napi::Array>(), rows, image.height);
    output = Napi::Uint8Array::New(info.Env(), 3 * columns.size() * rows.size());
  }

  Work work() {
    return [image = image, across = across, down = down, columns = columns, rows = rows, to = output.Data()] {
      resample(image, across, down, columns, rows, to);
      return true;
    };
  }

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

}  // namespace

Napi::Value resampleNow(Info info) {
  Job job(info);
  job.work()();
  return job.output;
}

Napi::Value resampleLater(Info info) {
  Job job(info);
  return runInBackground("verydeep.resample", job.work(), job.output, {info[0], info[3], info[4]});
}

}  // namespace verydeep
