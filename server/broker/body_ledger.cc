#include "server/broker/body_ledger.h"

#include <bit>

#include "base/check.h"

namespace pontoon::broker {

BodyLedger::Chunk* BodyLedger::Find(uint64_t entry) const {
  const uint64_t number = entry / kChunkEntries;
  if (number == hot_number_) return hot_;
  const auto it = chunks_.find(number);
  if (it == chunks_.end()) return nullptr;
  hot_number_ = number;
  hot_ = it->second.get();
  return hot_;
}

BodyLedger::Chunk* BodyLedger::Make(uint64_t entry) {
  if (Chunk* chunk = Find(entry)) return chunk;
  hot_number_ = entry / kChunkEntries;
  return hot_ = (chunks_[hot_number_] = std::make_unique<Chunk>()).get();
}

void BodyLedger::Open(uint64_t entry, uint32_t bytes, uint32_t references) {
  Chunk* chunk = Make(entry);
  Slot& slot = chunk->slots[entry % kChunkEntries];
  PONTOON_CHECK_MSG(slot.references == 0 && references != 0 && bytes != 0,
                    "an entry was opened twice");
  slot.references = references;
  slot.bytes = bytes;
  slot.width = 0;
  ++chunk->live;
  ++live_entries_;
  live_bytes_ += bytes;
  last_opened_ = entry;
}

void BodyLedger::Grow(uint64_t entry, uint32_t bytes) {
  Chunk* chunk = Find(entry);
  PONTOON_CHECK(chunk != nullptr && chunk->slots[entry % kChunkEntries].references != 0);
  Slot& slot = chunk->slots[entry % kChunkEntries];
  slot.bytes = slot.bytes + bytes;
  live_bytes_ += bytes;
}

void BodyLedger::Seal(uint64_t entry) {
  Chunk* chunk = Find(entry);
  if (chunk == nullptr) return;
  Slot& slot = chunk->slots[entry % kChunkEntries];
  slot.width = static_cast<uint32_t>(std::bit_width(slot.references));
}

void BodyLedger::Add(uint64_t entry, uint32_t references) {
  Chunk* chunk = Find(entry);
  PONTOON_CHECK(chunk != nullptr && chunk->slots[entry % kChunkEntries].references != 0);
  chunk->slots[entry % kChunkEntries].references += references;
}

void BodyLedger::Release(uint64_t entry, uint32_t references) {
  Chunk* chunk = Find(entry);
  PONTOON_CHECK_MSG(chunk != nullptr, "a body was released more often than it was referred to");
  Slot& slot = chunk->slots[entry % kChunkEntries];
  PONTOON_CHECK_MSG(slot.references >= references,
                    "a body was released more often than it was referred to");
  slot.references -= references;
  if (slot.references != 0) {
    if (slot.width < 3 || slot.references > uint32_t{1} << (slot.width - 3) ||
        slot.bytes < kSparseBytesMin)
      return;
    slot.width = static_cast<uint32_t>(std::bit_width(slot.references));
    sparse_.push_back(entry);
    return;
  }
  live_bytes_ -= slot.bytes;
  --live_entries_;
  slot.bytes = 0;
  slot.width = 0;
  dropped_.push_back(entry);
  if (--chunk->live != 0) return;
  hot_number_ = ~uint64_t{0};
  hot_ = nullptr;
  chunks_.erase(entry / kChunkEntries);
}

uint32_t BodyLedger::BytesOf(uint64_t entry) const {
  const Chunk* chunk = Find(entry);
  return chunk == nullptr ? 0 : chunk->slots[entry % kChunkEntries].bytes;
}

uint32_t BodyLedger::ReferencesOf(uint64_t entry) const {
  const Chunk* chunk = Find(entry);
  return chunk == nullptr ? 0 : chunk->slots[entry % kChunkEntries].references;
}

void BodyLedger::ListRuns(std::vector<CheckpointContents::Run>* runs) const {
  for (const auto& [number, chunk] : chunks_) {
    for (uint64_t i = 0; i < kChunkEntries; ++i) {
      if (chunk->slots[i].references == 0) continue;
      const uint64_t entry = number * kChunkEntries + i;
      if (runs->empty() || runs->back().first + runs->back().count != entry)
        runs->push_back({entry, 0});
      ++runs->back().count;
    }
  }
}

void BodyLedger::Encode(Encoder* out) const {
  out->Varint(last_opened_);
  out->Varint(live_entries_);
  uint64_t next = 0;  // The entry behind those written.
  uint64_t first = 0;
  uint64_t count = 0;
  Slot like;
  const auto write = [&] {
    if (count == 0) return;
    out->Varint((count - 1) << 1 | (first != next ? 1 : 0));
    if (first != next) out->Varint(first - next);
    out->Varint(like.references);
    out->Varint(uint64_t{like.bytes} << 6 | like.width);
    next = first + count;
  };
  for (const auto& [number, chunk] : chunks_) {
    for (uint64_t i = 0; i < kChunkEntries; ++i) {
      const Slot& slot = chunk->slots[i];
      if (slot.references == 0) continue;
      const uint64_t entry = number * kChunkEntries + i;
      if (count != 0 && entry == first + count && slot == like) {
        ++count;
        continue;
      }
      write();
      first = entry;
      count = 1;
      like = slot;
    }
  }
  write();
}

bool BodyLedger::Restore(Decoder* in) {
  const uint64_t last_opened = in->Varint();
  const uint64_t entries = in->Varint();
  uint64_t next = 0;
  while (live_entries_ < entries && in->ok()) {
    const uint64_t head = in->Varint();
    const uint64_t count = (head >> 1) + 1;
    if ((head & 1) != 0) next += in->Varint();
    const uint32_t references = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
    const uint64_t packed = in->Bounded((uint64_t{1} << 26) - 1);
    const uint32_t bytes = static_cast<uint32_t>(packed >> 6);
    if (references == 0 || bytes == 0 || count > entries - live_entries_ || next > last_opened)
      return in->Fail(), false;
    for (uint64_t i = 0; i < count; ++i, ++next) {
      Open(next, bytes, references);
      Find(next)->slots[next % kChunkEntries].width = packed & 63;
    }
  }
  last_opened_ = last_opened;
  return in->ok();
}

}  // namespace pontoon::broker
