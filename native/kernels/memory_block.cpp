#include "memory_block.hpp"

#if defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#elif !defined(__wasm__)
#include <sys/mman.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace verydeep {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Larger blocks are mapped from the system: they start zeroed, and freeing them returns them to it immediately. The heap
// would keep the memory of programs that come and go.
constexpr std::size_t kMapFrom = std::size_t{256} << 10;
// From here on they begin at a huge page.
constexpr std::size_t kHugeFrom = 2 * kHugePage;

std::size_t roundUp(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(__wasm__)
// Memory only grows, so blocks of all sizes come from one heap.
void* mapBlock(std::size_t) { return nullptr; }
void unmapBlock(void*, std::size_t) {}
constexpr bool kMaps = false;
#elif defined(_WIN32)
constexpr bool kMaps = true;

void* mapBlock(std::size_t bytes) { return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }

void unmapBlock(void* data, std::size_t) { VirtualFree(data, 0, MEM_RELEASE); }
#else
constexpr bool kMaps = true;

void unmapBlock(void* data, std::size_t bytes) {
  munmap(data, bytes < kHugeFrom ? bytes : roundUp(bytes, kHugePage));
}

void* mapPages(std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

void* mapBlock(std::size_t bytes) {
  if (bytes < kHugeFrom) return mapPages(bytes);
  const std::size_t wanted = roundUp(bytes, kHugePage);
  void* base = mapPages(wanted + kHugePage);
  if (!base) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(base);
  const std::uintptr_t aligned = roundUp(address, kHugePage);
  if (aligned > address) munmap(base, aligned - address);
  if (const std::size_t rest = address + kHugePage - aligned) {
    munmap(reinterpret_cast<void*>(aligned + wanted), rest);
  }
  void* data = reinterpret_cast<void*>(aligned);
#ifdef MADV_HUGEPAGE
  madvise(data, wanted, MADV_HUGEPAGE);
#endif
  return data;
}
#endif

bool isMapped(std::size_t bytes) { return kMaps && bytes >= kMapFrom; }

/** Memory that `freeAligned` frees. */
void* allocateAligned(std::size_t bytes) {
#ifdef _WIN32
  return _aligned_malloc(bytes, kCacheLine);
#else
  void* data = nullptr;
  return posix_memalign(&data, kCacheLine, bytes) == 0 ? data : nullptr;
#endif
}

void freeAligned(void* data) {
#ifdef _WIN32
  _aligned_free(data);
#else
  std::free(data);
#endif
}

void* allocate(std::size_t bytes) {
  if (isMapped(bytes)) return mapBlock(bytes);
  void* data = allocateAligned(roundUp(bytes, kCacheLine));
  if (data) std::memset(data, 0, bytes);
  return data;
}

}  // namespace

MemoryBlock::MemoryBlock(std::size_t bytes, const std::string& purpose, Allocation allocation) : size_(bytes) {
  if (bytes == 0 || allocation == Allocation::dryRun) return;
  data_ = bytes > SIZE_MAX / 2 ? nullptr : allocate(bytes);
  if (!data_) {
    fail(OutOfMemory("out of memory: " + std::to_string(bytes) + " bytes for " + purpose +
                      " cannot be allocated; lower the micro-batch or the image size, or free some memory"));
  }
}

MemoryBlock::~MemoryBlock() {
  if (!data_) return;
  if (isMapped(size_)) {
    unmapBlock(data_, size_);
  } else {
    freeAligned(data_);
  }
}

MemoryBlock::MemoryBlock(MemoryBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MemoryBlock& MemoryBlock::operator=(MemoryBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace verydeep
