// Blocks of memory, each with a single owner.
#pragma once

#include <cstddef>
#include <string>

#include "fault.hpp"

namespace verydeep {

/** A dry run plans memory without allocating it: its blocks have a size but no data. */
enum class Allocation { real, dryRun };

/** Zeroed memory, aligned to a cache line or, if it is large, to a huge page. */
class MemoryBlock {
 public:
  MemoryBlock() = default;
  /** @throws OutOfMemory naming `purpose`, the bytes, and the remedy. */
  MemoryBlock(std::size_t bytes, const std::string& purpose, Allocation allocation);
  ~MemoryBlock();
  MemoryBlock(MemoryBlock&& other) noexcept;
  MemoryBlock& operator=(MemoryBlock&& other) noexcept;

  float* floats() const { return static_cast<float*>(data_); }
  char* bytes() const { return static_cast<char*>(data_); }
  std::size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace verydeep
