#include "bindings.hpp"
#include "jpeg.hpp"
#include "background_work.hpp"

namespace verydeep {
namespace {

using Info = const Napi::CallbackInfo&;

File fileOf(const Napi::Value& value) {
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

/** Decodes into a newly allocated buffer. */
struct Job {
  File file;
  uint32_t width, height;
  Napi::Uint8Array output;

  explicit Job(Info info) : file(fileOf(info[0])) {
    width = info[1].As<Napi::Number>().Uint32Value();
    height = info[2].As<Napi::Number>().Uint32Value();
    output = Napi::Uint8Array::New(info.Env(), static_cast<std::size_t>(width) * height * 3);
  }

  Work work() {
    return [file = file, width = width, height = height, to = output.Data()] {
      return decodeJpeg(file, width, height, to);
    };
  }
};

}  // namespace

Napi::Value jpegHeader(Info info) {
  const Napi::Env env = info.Env();
  const auto header = readJpegHeader(fileOf(info[0]));
  if (!header) return env.Undefined();
  const Napi::Object object = Napi::Object::New(env);
  object.Set("width", header->width);
  object.Set("height", header->height);
  object.Set("progressive", header->progressive);
  object.Set("extended", header->extended);
  if (!header->exif.empty()) {
    object.Set("exif", Napi::Buffer<uint8_t>::Copy(env, header->exif.data(), header->exif.size()));
  }
  return object;
}

Napi::Value decodeJpegNow(Info info) {
  Job job(info);
  return job.work()() ? Napi::Value(job.output) : info.Env().Undefined();
}

Napi::Value decodeJpegLater(Info info) {
  Job job(info);
  return runInBackground("verydeep.decodeJpeg", job.work(), job.output, {info[0]});
}

}  // namespace verydeep
