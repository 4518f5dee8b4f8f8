#include "server/broker/segment.h"

#include <algorithm>

#include "base/check.h"

namespace pontoon::broker {

Reference Segment::RunAt(const Run& run, uint32_t nth) {
  Reference reference;
  reference.entry = run.entry + uint64_t{run.entry_step()} * nth;
  reference.offset =
      run.offset + static_cast<uint32_t>(run.offset_step * static_cast<int32_t>(nth));
  reference.envelope_bytes = run.envelope_bytes;
  reference.payload_bytes = run.payload_bytes;
  reference.persistent = run.persistent();
  if (run.piece_distance != 0)
    reference.first_piece = run.entry + static_cast<uint64_t>(int64_t{run.piece_distance});
  return reference;
}

void Segment::Append(const Reference& r) {
  PONTOON_CHECK(loaded_ && count_ < kSlots);
  const uint32_t slot = count_++;
  ++live_;
  totals_.Add(r);
  first_entry_ = std::min(first_entry_, r.entry);
  last_entry_ = std::max(last_entry_, r.entry);
  if (!runs_.empty() && r.first_piece == 0) {
    Run& run = runs_.back();
    const uint32_t n = slot - run.slot;
    if (run.piece_distance == 0 && run.envelope_bytes == r.envelope_bytes &&
        run.payload_bytes == r.payload_bytes && run.persistent() == r.persistent) {
      if (n == 1 && r.entry >= run.entry && r.entry - run.entry <= kEntryStepMax) {
        run.steps = static_cast<uint16_t>((r.entry - run.entry) << 1 | (run.steps & 1));
        run.offset_step = static_cast<int32_t>(r.offset) - static_cast<int32_t>(run.offset);
        return;
      }
      if (n > 1 && RunAt(run, n) == r) return;
    }
  }
  Run run;
  run.entry = r.entry;
  run.offset = r.offset;
  run.offset_step = 0;
  run.envelope_bytes = r.envelope_bytes;
  run.payload_bytes = r.payload_bytes;
  run.piece_distance =
      r.first_piece == 0 ? 0 : static_cast<int32_t>(static_cast<int64_t>(r.first_piece - r.entry));
  run.slot = static_cast<uint16_t>(slot);
  run.steps = r.persistent ? 1 : 0;
  runs_.push_back(run);
}

uint32_t Segment::NextLive(uint32_t slot) const {
  if (gone_ == nullptr) {
    slot = std::max(slot, gone_below_);
    return slot < count_ ? slot : kSlots;
  }
  while (slot < count_) {
    const uint64_t live = ~(*gone_)[slot / 64] >> (slot % 64);
    if (live != 0) {
      slot += static_cast<uint32_t>(__builtin_ctzll(live));
      return slot < count_ ? slot : kSlots;
    }
    slot = (slot / 64 + 1) * 64;
  }
  return kSlots;
}

size_t Segment::RunOf(uint32_t slot) const {
  // Mostly the run that was asked for last, or the one behind it.
  if (hot_run_ < runs_.size() && runs_[hot_run_].slot <= slot) {
    if (hot_run_ + 1 == runs_.size() || runs_[hot_run_ + 1].slot > slot) return hot_run_;
    if (hot_run_ + 2 == runs_.size() || runs_[hot_run_ + 2].slot > slot) return ++hot_run_;
  }
  const auto behind = std::upper_bound(runs_.begin(), runs_.end(), slot,
                                       [](uint32_t s, const Run& run) { return s < run.slot; });
  hot_run_ = static_cast<uint32_t>(behind - runs_.begin()) - 1;
  return hot_run_;
}

Reference Segment::At(uint32_t slot) const {
  PONTOON_CHECK(loaded_ && slot < count_);
  const Run& run = runs_[RunOf(slot)];
  return RunAt(run, slot - run.slot);
}

void Segment::MakeBits() {
  if (gone_ != nullptr) return;
  gone_ = std::make_unique<Bits>();
  gone_->fill(0);
  for (uint32_t slot = 0; slot < gone_below_; ++slot) Set(gone_.get(), slot);
}

void Segment::Release(const Run& run, uint32_t slot, uint32_t n, Released released) {
  const Reference first = RunAt(run, slot - run.slot);
  MessageTotals gone;
  gone.Add(first, n);
  totals_ -= gone;
  if (run.entry_step() == 0) {
    released(first, n);
    return;
  }
  for (uint32_t i = 0; i < n; ++i) released(RunAt(run, slot - run.slot + i), 1);
}

uint32_t Segment::Remove(uint32_t slot, uint32_t n, Released released) {
  const uint32_t end = std::min(count_, slot + n);
  uint32_t removed = 0;
  while (slot < end) {
    // The next stretch of live slots.
    slot = NextLive(slot);
    if (slot >= end) break;
    uint32_t stretch_end = slot + 1;
    if (gone_ == nullptr) {
      stretch_end = end;
    } else {
      while (stretch_end < end && !Test(*gone_, stretch_end)) ++stretch_end;
    }
    if (gone_ == nullptr && slot != gone_below_) MakeBits();
    if (gone_ == nullptr) {
      gone_below_ = stretch_end;
    } else {
      for (uint32_t i = slot; i < stretch_end; ++i) Set(gone_.get(), i);
    }
    removed += stretch_end - slot;
    if (!loaded_) {
      if (owed_ == nullptr) {
        owed_ = std::make_unique<Bits>();
        owed_->fill(0);
      }
      for (uint32_t i = slot; i < stretch_end; ++i) Set(owed_.get(), i);
      slot = stretch_end;
      continue;
    }
    while (slot < stretch_end) {
      const size_t r = RunOf(slot);
      const uint32_t run_end = r + 1 < runs_.size() ? runs_[r + 1].slot : count_;
      const uint32_t part = std::min(run_end, stretch_end) - slot;
      Release(runs_[r], slot, part, released);
      slot += part;
    }
  }
  live_ -= removed;
  if (loaded_ && removed != 0) Trim();
  return removed;
}

void Segment::Trim() {
  if (live_ == 0) {
    gone_.reset();
    gone_below_ = count_;
    std::vector<Run>().swap(runs_);
    hot_run_ = 0;
    return;
  }
  // Now and then, so that a run is moved a bounded number of times.
  if (full() && runs_.size() > 16 && runs_.size() / 4 > live_) {
    std::vector<Run> kept;
    for (size_t r = 0; r < runs_.size(); ++r) {
      const uint32_t end = r + 1 < runs_.size() ? runs_[r + 1].slot : count_;
      if (NextLive(runs_[r].slot) < end) kept.push_back(runs_[r]);
    }
    runs_ = std::move(kept);
    hot_run_ = 0;
    return;
  }
  const size_t dead = RunOf(NextLive(0));
  if (dead < 16 || dead < runs_.size() / 2) return;
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<ptrdiff_t>(dead));
  hot_run_ = 0;
}

void Segment::Unload() {
  PONTOON_CHECK(loaded_ && page_ != 0 && full());
  loaded_ = false;
  hot_run_ = 0;
  std::vector<Run>().swap(runs_);
}

bool Segment::Load(absl::string_view page, Released released) {
  PONTOON_CHECK(!loaded_);
  Decoder in(page);
  if (in.U8() != kPageVersion || in.Bounded(kSlots) != count_ || !DecodeRuns(&in) || !in.done()) {
    runs_.clear();
    return false;
  }
  loaded_ = true;
  if (owed_ == nullptr) return true;
  const std::unique_ptr<Bits> owed = std::move(owed_);
  for (uint32_t slot = 0; slot < count_; ++slot) {
    if (!Test(*owed, slot)) continue;
    Release(runs_[RunOf(slot)], slot, 1, released);
  }
  return true;
}

bool Segment::VisitLive(absl::string_view page, absl::FunctionRef<bool(uint64_t, uint64_t)> wanted,
                        absl::FunctionRef<void(const Reference&)> each) const {
  if (!loaded_) {
    Segment read(count_);
    Decoder in(page);
    if (in.U8() != kPageVersion || in.Bounded(kSlots) != count_ || !read.DecodeRuns(&in) ||
        !in.done())
      return false;
    read.gone_below_ = gone_below_;
    if (gone_ != nullptr) read.gone_ = std::make_unique<Bits>(*gone_);
    return read.VisitLive(page, wanted, each);
  }
  for (size_t r = 0; r < runs_.size(); ++r) {
    const Run& run = runs_[r];
    const uint32_t end = r + 1 < runs_.size() ? runs_[r + 1].slot : count_;
    if (!wanted(run.entry, run.entry + uint64_t{run.entry_step()} * (end - run.slot - 1))) continue;
    for (uint32_t slot = NextLive(run.slot); slot < end; slot = NextLive(slot + 1))
      each(RunAt(run, slot - run.slot));
  }
  return true;
}

size_t Segment::memory_bytes() const {
  return sizeof(Segment) + 32 + runs_.capacity() * sizeof(Run) +
         (gone_ != nullptr ? sizeof(Bits) : 0) + (owed_ != nullptr ? sizeof(Bits) : 0);
}

}  // namespace pontoon::broker
