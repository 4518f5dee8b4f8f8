#include "server/broker/queue_state.h"

#include <algorithm>

#include "base/check.h"

namespace pontoon::broker {

bool QueueState::Covers(const ProcessId& process) const {
  return std::binary_search(processes_.begin(), processes_.end(), process);
}

void QueueState::ApplyFence(const FenceFact& fact) {
  fence_ = std::max(fence_, fact.through);
  for (const ProcessId& process : fact.processes) {
    const auto at = std::lower_bound(processes_.begin(), processes_.end(), process);
    if (at == processes_.end() || *at != process) processes_.insert(at, process);
  }
}

void QueueState::ForgetProcess(const ProcessId& process) {
  const auto at = std::lower_bound(processes_.begin(), processes_.end(), process);
  if (at != processes_.end() && *at == process) processes_.erase(at);
}

Segment* QueueState::Find(uint64_t number) const {
  if (number == hot_number_) return hot_;
  const auto it = segments_.find(number);
  if (it == segments_.end()) return nullptr;
  hot_number_ = number;
  hot_ = it->second.get();
  return hot_;
}

uint64_t QueueState::Append(const Reference& reference) {
  const uint64_t number = tail_ / Segment::kSlots;
  Segment* segment = Find(number);
  if (segment == nullptr) {
    segment = (segments_[number] =
                   std::make_unique<Segment>(static_cast<uint32_t>(tail_ % Segment::kSlots)))
                  .get();
    hot_number_ = number;
    hot_ = segment;
  }
  segment->Append(reference);
  totals_.Add(reference);
  ++live_;
  return ++tail_;
}

uint64_t QueueState::NextLive(uint64_t position) const {
  if (live_ == 0 || position > tail_) return 0;
  if (position == 0) position = 1;
  const uint64_t number = (position - 1) / Segment::kSlots;
  if (const Segment* segment = Find(number); segment != nullptr) {
    const uint32_t slot = segment->NextLive((position - 1) % Segment::kSlots);
    if (slot != Segment::kSlots) return number * Segment::kSlots + slot + 1;
  }
  for (auto it = segments_.upper_bound(number); it != segments_.end(); ++it) {
    const uint32_t slot = it->second->NextLive(0);
    if (slot != Segment::kSlots) return it->first * Segment::kSlots + slot + 1;
  }
  return 0;
}

bool QueueState::IsLive(uint64_t position) const {
  if (position == 0 || position > tail_) return false;
  const Segment* segment = SegmentOf(position);
  return segment != nullptr && segment->IsLive((position - 1) % Segment::kSlots);
}

uint64_t QueueState::Remove(uint64_t first, uint64_t count, Segment::Released released,
                            absl::FunctionRef<void(std::unique_ptr<Segment>)> emptied,
                            absl::FunctionRef<void(uint64_t, Segment*)> owing) {
  if (first == 0 || first > tail_ || count == 0) return 0;
  const uint64_t begin = first - 1;
  const uint64_t end = count > tail_ - begin ? tail_ : begin + count;
  uint64_t removed = 0;
  const uint64_t first_number = begin / Segment::kSlots;
  Segment* hot = Find(first_number);
  // Mostly all of it lies in one segment, and something is left there.
  if (hot != nullptr && (end - 1) / Segment::kSlots == first_number && hot->live() > count) {
    const MessageTotals before = hot->totals();
    const bool owed = hot->owes();
    removed = hot->Remove(static_cast<uint32_t>(begin % Segment::kSlots),
                          static_cast<uint32_t>(end - begin), released);
    live_ -= removed;
    totals_ -= before;
    totals_ += hot->totals();
    if (!owed && hot->owes()) owing(first_number, hot);
    return removed;
  }
  for (auto it = segments_.lower_bound(first_number);
       it != segments_.end() && it->first * Segment::kSlots < end;) {
    Segment* segment = it->second.get();
    const uint64_t base = it->first * Segment::kSlots;
    const uint64_t from = std::max(begin, base);
    const uint64_t to = std::min<uint64_t>(end, base + Segment::kSlots);
    const bool owed = segment->owes();
    totals_ -= segment->totals();
    removed += segment->Remove(static_cast<uint32_t>(from - base), static_cast<uint32_t>(to - from),
                               released);
    if (segment->live() != 0) {
      totals_ += segment->totals();
      if (!owed && segment->owes()) owing(it->first, segment);
      ++it;
      continue;
    }
    if (it->first == hot_number_) hot_number_ = ~uint64_t{0};
    std::unique_ptr<Segment> empty = std::move(it->second);
    it = segments_.erase(it);
    emptied(std::move(empty));
  }
  live_ -= removed;
  return removed;
}

bool QueueState::LoadSegment(uint64_t number, absl::string_view page, Segment::Released released) {
  Segment* segment = Find(number);
  PONTOON_CHECK(segment != nullptr);
  totals_ -= segment->totals();
  const bool ok = segment->Load(page, released);
  totals_ += segment->totals();
  return ok;
}

size_t QueueState::memory_bytes() const {
  // Segments on disk are alike: count them without looking at each.
  size_t bytes = sizeof(QueueState) + segments_.size() * (sizeof(Segment) + 32);
  if (!segments_.empty())
    bytes += segments_.begin()->second->memory_bytes() + segments_.rbegin()->second->memory_bytes();
  return bytes;
}

void QueueState::Encode(Encoder* out) const {
  out->U64(id_.value);
  out->U8((had_consumer_ ? 1 : 0) | (closed_ ? 2 : 0));
  out->Varint(tail_);
  out->Varint(fence_);
  out->Varint(processes_.size());
  for (const ProcessId& process : processes_) {
    out->U64(process.node.value);
    out->Varint(process.boot.value);
  }
  out->Varint(segments_.size());
  uint64_t next = 0;
  for (const auto& [number, segment] : segments_) {
    out->Varint(number - next);
    segment->Encode(out);
    next = number + 1;
  }
}

bool QueueState::Restore(Decoder* in) {
  id_.value = in->U64();
  const uint8_t flags = in->U8();
  if (flags > 3) return in->Fail(), false;
  had_consumer_ = (flags & 1) != 0;
  closed_ = (flags & 2) != 0;
  tail_ = in->Varint();
  fence_ = in->Varint();
  const uint64_t processes = in->Bounded(in->left() / 9);
  for (uint64_t i = 0; i < processes && in->ok(); ++i) {
    ProcessId process;
    process.node.value = in->U64();
    process.boot.value = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
    processes_.push_back(process);
  }
  const uint64_t segments = in->Bounded(in->left());
  uint64_t next = 0;
  for (uint64_t i = 0; i < segments && in->ok(); ++i) {
    next += in->Varint();
    auto segment = std::make_unique<Segment>();
    if (!segment->Restore(in)) return false;
    if (segment->live() == 0 || next * Segment::kSlots + segment->count() > tail_)
      return in->Fail(), false;
    live_ += segment->live();
    totals_ += segment->totals();
    segments_[next++] = std::move(segment);
  }
  return in->ok();
}

}  // namespace pontoon::broker
