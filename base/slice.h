#ifndef PONTOON_BASE_SLICE_H_
#define PONTOON_BASE_SLICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "base/check.h"

namespace pontoon::base {

// A reference-counted piece of memory. Bytes behind what somebody has already been shown never
// change, so that any number of threads may read them; only the one owner that fills the block
// writes behind that. Read from a socket once, a body is shared by the log, by peers and by
// consumers through Slices of such a block.
class Block {
 public:
  // A block of `capacity` bytes with one reference, uninitialised.
  static Block* New(size_t capacity);

  void Ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) Free(this);
  }
  // True if the caller holds the only reference (then it may write anywhere).
  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }
  char* data() { return reinterpret_cast<char*>(this + 1); }
  size_t capacity() const { return capacity_; }

 private:
  explicit Block(size_t capacity) : capacity_(capacity) {}
  static void Free(Block* block);

  std::atomic<uint32_t> references_{1};
  const size_t capacity_;
};

// An immutable view of bytes that keeps them alive. Copying costs one atomic increment, never the
// bytes.
class Slice {
 public:
  Slice() = default;
  // Takes over one reference to `block` (which may be null for bytes that live for ever, as
  // literals do).
  Slice(Block* block, const char* data, size_t size) : block_(block), data_(data), size_(size) {}
  Slice(const Slice& other) : block_(other.block_), data_(other.data_), size_(other.size_) {
    if (block_ != nullptr) block_->Ref();
  }
  Slice(Slice&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Slice& operator=(Slice other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Slice() {
    if (block_ != nullptr) block_->Unref();
  }

  static Slice Copy(absl::string_view bytes);
  // Bytes that outlive every slice (string literals, static tables).
  static Slice Static(absl::string_view bytes) {
    return Slice(nullptr, bytes.data(), bytes.size());
  }

  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  absl::string_view view() const { return absl::string_view(data_, size_); }

  // The part [offset, offset + size) of this slice, which must contain it.
  Slice Sub(size_t offset, size_t size) const {
    PONTOON_CHECK(offset <= size_ && size <= size_ - offset);
    if (block_ != nullptr) block_->Ref();
    return Slice(block_, data_ + offset, size);
  }
  // The `size` bytes from `start`, of which this slice is the end and which lie in the same block.
  Slice ExtendedDown(const char* start, size_t size) const {
    PONTOON_CHECK(block_ != nullptr && start >= block_->data() && start + size == data_ + size_);
    block_->Ref();
    return Slice(block_, start, size);
  }
  // Bytes of memory that this slice keeps from being freed (its whole block), for budgets.
  size_t pinned_bytes() const { return block_ == nullptr ? 0 : block_->capacity(); }
  // True where both share one block; then two neighbours may be joined.
  bool SameBlock(const Slice& other) const { return block_ != nullptr && block_ == other.block_; }

 private:
  Block* block_ = nullptr;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Bytes in several slices, in order: a body that arrived in many frames, or what one gathered write
// sends.
class SliceChain {
 public:
  SliceChain() = default;
  explicit SliceChain(Slice slice) { Append(std::move(slice)); }

  // Empty slices are dropped; one that continues the last slice in the same block is joined to it.
  void Append(Slice slice);
  void Append(const SliceChain& other) {
    for (const Slice& slice : other.slices()) Append(slice);
  }
  void Append(SliceChain&& other);
  void Clear() {
    slices_.clear();
    size_ = 0;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const absl::InlinedVector<Slice, 2>& slices() const { return slices_; }
  // All bytes in one slice: no copy if there is but one.
  Slice Flatten() const;
  void AppendTo(char* out) const {
    for (const Slice& slice : slices_) {
      std::memcpy(out, slice.data(), slice.size());
      out += slice.size();
    }
  }
  // The part [offset, offset + size), sharing the bytes. Checked.
  SliceChain Sub(size_t offset, size_t size) const;

 private:
  absl::InlinedVector<Slice, 2> slices_;
  size_t size_ = 0;
};

// Collects small written pieces (frame headers, encoded methods, log headers) in blocks and hands
// them out as slices. One owner, one thread. Blocks of `block_bytes` are shared by what is written
// next to each other.
class SliceWriter {
 public:
  explicit SliceWriter(size_t block_bytes = 4096) : block_bytes_(block_bytes) {}
  ~SliceWriter() {
    if (block_ != nullptr) block_->Unref();
  }
  SliceWriter(const SliceWriter&) = delete;
  SliceWriter& operator=(const SliceWriter&) = delete;

  // Room for `size` contiguous bytes; write all of them before the next call to anything but
  // Append.
  char* Reserve(size_t size);
  void Append(absl::string_view bytes) {
    std::memcpy(Reserve(bytes.size()), bytes.data(), bytes.size());
  }
  // What was reserved since the last Take, as one chain (one slice unless a block filled up in
  // between).
  SliceChain Take();
  size_t pending_bytes() const { return chain_.size() + (used_ - taken_); }

 private:
  void CloseRun();

  const size_t block_bytes_;
  Block* block_ = nullptr;
  size_t used_ = 0;   // Bytes of block_ that are written.
  size_t taken_ = 0;  // Bytes of block_ that belong to earlier slices.
  SliceChain chain_;
};

}  // namespace pontoon::base

#endif  // PONTOON_BASE_SLICE_H_
