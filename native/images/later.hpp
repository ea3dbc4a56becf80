// Work on a thread of libuv's, told by a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <vector>

namespace verydeep {

/** Throws nothing and uses nothing of JavaScript's. @return whether there is a result */
using Work = std::function<bool()>;

/**
 * @param output what the promise becomes where there is a result, else undefined
 * @param inputs whose memory the work reads
 */
Napi::Promise doLater(const char* name, Work work, Napi::Object output, const std::vector<Napi::Value>& inputs);

}  // namespace verydeep
