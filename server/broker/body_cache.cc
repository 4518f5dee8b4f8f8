#include "server/broker/body_cache.h"

#include <algorithm>

#include "base/check.h"

namespace pontoon::broker {

BodyCache::Entry* BodyCache::Find(uint64_t entry) {
  if (entry == hot_index_ && hot_ != nullptr) return hot_;
  const auto it = entries_.find(entry);
  if (it == entries_.end()) return nullptr;
  hot_index_ = entry;
  return hot_ = &it->second;
}

void BodyCache::Insert(uint64_t entry, const base::SliceChain& body, uint32_t wanted) {
  hot_ = nullptr;  // The map moves its values.
  Entry& cached = entries_[entry];
  bytes_ -= cached.pinned;
  cached.body = body;
  cached.pinned = 0;
  const base::Slice* before = nullptr;
  for (const base::Slice& slice : cached.body.slices()) {
    if (before == nullptr || !before->SameBlock(slice)) cached.pinned += slice.pinned_bytes();
    before = &slice;
  }
  bytes_ += cached.pinned;
  cached.wanted = wanted;
  cached.hot_slice = 0;
  cached.hot_slice_start = 0;
}

bool BodyCache::Read(const BodyPart& part, base::SliceChain* out) {
  Entry* entry = Find(part.index);
  if (entry == nullptr) return false;
  const auto& slices = entry->body.slices();
  if (uint64_t{part.offset} + part.size > entry->body.size()) return false;
  if (part.offset < entry->hot_slice_start) {
    entry->hot_slice = 0;
    entry->hot_slice_start = 0;
  }
  uint64_t at = part.offset;
  uint64_t left = part.size;
  while (left != 0) {
    const base::Slice& slice = slices[entry->hot_slice];
    if (at >= entry->hot_slice_start + slice.size()) {
      entry->hot_slice_start += slice.size();
      ++entry->hot_slice;
      continue;
    }
    const uint64_t skip = at - entry->hot_slice_start;
    const uint64_t n = std::min<uint64_t>(left, slice.size() - skip);
    out->Append(slice.Sub(skip, n));
    at += n;
    left -= n;
  }
  return true;
}

void BodyCache::Delivered(uint64_t entry) {
  Entry* cached = Find(entry);
  if (cached == nullptr || cached->wanted == 0) return;
  if (--cached->wanted == 0) Drop(entry);
}

void BodyCache::Drop(uint64_t entry) {
  const auto it = entries_.find(entry);
  if (it == entries_.end()) return;
  bytes_ -= it->second.pinned;
  entries_.erase(it);
  hot_ = nullptr;
}

void BodyCache::TrimTo(uint64_t bytes) {
  while (bytes_ > bytes && !entries_.empty()) Drop(entries_.begin()->first);
}

void BodyCache::Clear() {
  entries_.clear();
  hot_ = nullptr;
  bytes_ = 0;
}

}  // namespace pontoon::broker
