// Work on a thread of libuv, with a promise for its result.
#pragma once

#include <napi.h>

#include <functional>
#include <vector>

namespace verydeep {

/** Must not throw or use JavaScript objects. @return whether there is a result */
using Work = std::function<bool()>;

/**
 * @param output the value of the promise where there is a result; otherwise that is undefined
 * @param inputs objects whose memory the work reads
 */
Napi::Promise doLater(const char* name, Work work, Napi::Object output, const std::vector<Napi::Value>& inputs);

}  // namespace verydeep
