// C++'s allocations by several threads at once: the C library for WebAssembly does not lock its heap. (Blocks of memory
// are only allocated between runs.)
#include <atomic>
#include <cstdlib>
#include <new>

#include "../fault.hpp"

namespace {

std::atomic<bool> locked{false};

/** Held for so short a time that sleeping would take longer. */
class HeapLock {
 public:
  HeapLock() {
    while (locked.exchange(true, std::memory_order_acquire)) {
    }
  }
  ~HeapLock() { locked.store(false, std::memory_order_release); }
};

void* allocated(std::size_t bytes, std::size_t alignment) {
  void* data = nullptr;
  {
    const HeapLock lock;
    if (posix_memalign(&data, alignment, bytes ? bytes : 1) == 0) return data;
  }
  verydeep::fail(verydeep::OutOfMemory("out of memory; lower the batch size or the image size"));
}

void release(void* data) {
  const HeapLock lock;
  std::free(data);
}

}  // namespace

void* operator new(std::size_t bytes) { return allocated(bytes, 16); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocated(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* data) noexcept { release(data); }
void operator delete(void* data, std::size_t) noexcept { release(data); }
void operator delete(void* data, std::align_val_t) noexcept { release(data); }
void operator delete(void* data, std::size_t, std::align_val_t) noexcept { release(data); }
