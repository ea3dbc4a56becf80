// The functions that JavaScript calls. TypeScript checks the options; only what could corrupt memory is checked again.
#pragma once

#include <napi.h>

namespace verydeep {

/**
 * resample(pixels, width, height, across, down, left, top, columns, rows) → Uint8Array. `across` and `down` are
 * arrays [starts, counts, weights].
 */
Napi::Value resampleNow(const Napi::CallbackInfo& info);
/** The same on a libuv thread → Promise. */
Napi::Value resampleLater(const Napi::CallbackInfo& info);

/** jpegHeader(bytes) → { width, height, progressive, exif?: Uint8Array } | undefined, see readJpegHeader */
Napi::Value jpegHeader(const Napi::CallbackInfo& info);
/** decodeJpeg(bytes, width, height) → Uint8Array | undefined, see decodeJpeg in jpeg.hpp */
Napi::Value decodeJpegNow(const Napi::CallbackInfo& info);
/** The same on a libuv thread → Promise. */
Napi::Value decodeJpegLater(const Napi::CallbackInfo& info);

}  // namespace verydeep
