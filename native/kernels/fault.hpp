// Errors. Builds without C++ exceptions, such as WebAssembly, hand them to their host.
#pragma once

#include <stdexcept>
#include <string>

namespace verydeep {

struct OutOfMemory : std::runtime_error {
  using std::runtime_error::runtime_error;
};

#ifdef __cpp_exceptions
template <class Error>
[[noreturn]] void fail(const Error& error) {
  throw error;
}
#else
enum class Fault { other, outOfMemory };

/** Ends the call with an error of the host's. It must not return. */
[[noreturn]] void failInHost(Fault fault, const char* message);

template <class Error>
[[noreturn]] void fail(const Error& error) {
  failInHost(Fault::other, error.what());
}
[[noreturn]] inline void fail(const OutOfMemory& error) { failInHost(Fault::outOfMemory, error.what()); }
#endif

}  // namespace verydeep
