#include "bindings.hpp"

namespace verydeep {

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("resample", Napi::Function::New<resampleNow>(env));
  exports.Set("resampleLater", Napi::Function::New<resampleLater>(env));
#ifdef VERYDEEP_JPEG
  exports.Set("jpegHeader", Napi::Function::New<jpegHeader>(env));
  exports.Set("decodeJpeg", Napi::Function::New<decodeJpegNow>(env));
  exports.Set("decodeJpegLater", Napi::Function::New<decodeJpegLater>(env));
#endif
  return exports;
}

NODE_API_MODULE(verydeep_images, initialize)

}  // namespace verydeep
