// Runs work on a libuv thread and returns a promise for the result.
#pragma once

#include <napi.h>

#include <functional>
#include <vector>

namespace verydeep {

/** Must not throw or use JavaScript objects. @return whether there is a result */
using Work = std::function<bool()>;

/**
 * @param output what the promise resolves to if there is a result; otherwise it resolves to undefined
 * @param inputs objects whose memory the work reads
 */
Napi::Promise runInBackground(const char* name, Work work, Napi::Object output, const std::vector<Napi::Value>& inputs);

}  // namespace verydeep
