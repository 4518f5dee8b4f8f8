#include "base/slice.h"

#include <algorithm>
#include <new>

namespace pontoon::base {

Block* Block::New(size_t capacity) {
  void* memory = ::operator new(sizeof(Block) + capacity);
  return new (memory) Block(capacity);
}

void Block::Free(Block* block) {
  block->~Block();
  ::operator delete(static_cast<void*>(block));
}

Slice Slice::Copy(absl::string_view bytes) {
  if (bytes.empty()) return Slice();
  Block* block = Block::New(bytes.size());
  std::memcpy(block->data(), bytes.data(), bytes.size());
  return Slice(block, block->data(), bytes.size());
}

void SliceChain::Append(Slice slice) {
  if (slice.empty()) return;
  size_ += slice.size();
  if (!slices_.empty()) {
    Slice& last = slices_.back();
    if (last.SameBlock(slice) && last.data() + last.size() == slice.data()) {
      const size_t joined = last.size() + slice.size();
      const char* start = last.data();
      // The reference of `last` goes with the old value; the new one takes over that of `slice`.
      Slice whole = std::move(slice);
      last = whole.ExtendedDown(start, joined);
      return;
    }
  }
  slices_.push_back(std::move(slice));
}

void SliceChain::Append(SliceChain&& other) {
  for (Slice& slice : other.slices_) Append(std::move(slice));
  other.Clear();
}

Slice SliceChain::Flatten() const {
  if (slices_.empty()) return Slice();
  if (slices_.size() == 1) return slices_[0];
  Block* block = Block::New(size_);
  AppendTo(block->data());
  return Slice(block, block->data(), size_);
}

SliceChain SliceChain::Sub(size_t offset, size_t size) const {
  PONTOON_CHECK(offset <= size_ && size <= size_ - offset);
  SliceChain part;
  for (const Slice& slice : slices_) {
    if (size == 0) break;
    if (offset >= slice.size()) {
      offset -= slice.size();
      continue;
    }
    const size_t n = std::min(size, slice.size() - offset);
    part.Append(slice.Sub(offset, n));
    offset = 0;
    size -= n;
  }
  return part;
}

char* SliceWriter::Reserve(size_t size) {
  if (block_ == nullptr || block_->capacity() - used_ < size) {
    CloseRun();
    if (block_ != nullptr) block_->Unref();
    block_ = Block::New(std::max(size, block_bytes_));
    used_ = taken_ = 0;
  }
  char* out = block_->data() + used_;
  used_ += size;
  return out;
}

void SliceWriter::CloseRun() {
  if (block_ == nullptr || used_ == taken_) return;
  block_->Ref();
  chain_.Append(Slice(block_, block_->data() + taken_, used_ - taken_));
  taken_ = used_;
}

SliceChain SliceWriter::Take() {
  CloseRun();
  return std::exchange(chain_, SliceChain());
}

}  // namespace pontoon::base
