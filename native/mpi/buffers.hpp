// Reuses memory for messages in flight: faulting in fresh pages costs as much as sending what they hold.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace verydeep {

/** A pool of unused blocks, for one thread. */
class Memory {
 public:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };

  /** @throws std::bad_alloc */
  Block take(std::size_t size) {
    for (std::size_t i = 0; i < free_.size(); i++) {
      if (free_[i].size < size) continue;
      std::swap(free_[i], free_.back());
      Block block = std::move(free_.back());
      free_.pop_back();
      return block;
    }
    // Too small for this request, and so perhaps for the next one.
    if (!free_.empty()) free_.pop_back();
    return {std::unique_ptr<char[]>(new char[size]), size};
  }
  void give(Block block) { free_.push_back(std::move(block)); }

 private:
  std::vector<Block> free_;
};

/** An array whose memory returns to the pool when it is destroyed. */
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Memory* memory, int64_t count)
      : memory_(memory), block_(memory->take(static_cast<std::size_t>(count) * sizeof(T))) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (memory_) memory_->give(std::move(block_));
  }
  T* data() { return reinterpret_cast<T*>(block_.bytes.get()); }

 private:
  void swap(Buffer& other) {
    std::swap(memory_, other.memory_);
    std::swap(block_, other.block_);
  }

  Memory* memory_ = nullptr;
  Memory::Block block_;
};

}  // namespace verydeep
