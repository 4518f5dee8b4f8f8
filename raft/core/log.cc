#include "raft/core/log.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {

void Log::Reset(EntryId base) {
  *this = Log();
  base_ = last_ = base;
}

absl::StatusOr<Term> Log::TermAt(Index index) const {
  if (index < base_.index) {
    return absl::OutOfRangeError(absl::StrCat(
        "entry ", index.value, " was compacted, the log begins after ", base_.index.value));
  }
  if (index > last_.index) {
    return absl::NotFoundError(
        absl::StrCat("entry ", index.value, " is past the last, ", last_.index.value));
  }
  if (index == base_.index) return base_.term;
  if (index == last_.index) return last_.term;
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](Index i, const TermRun& run) { return i < run.first; });
  return std::prev(after)->term;
}

bool Log::Contains(EntryId id) const {
  if (MutantIs(Mutant::kTermOfCompactedIsZero))
    return TermAt(id.index).value_or(Term{0}) == id.term;
  if (id.index == last_.index) return id.term == last_.term;
  const absl::StatusOr<Term> term = TermAt(id.index);
  return term.ok() && *term == id.term;
}

EntryId Log::LastAtMost(Index index, Term term) const {
  if (index <= base_.index) return base_;
  index = std::min(index, last_.index);
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first > index) continue;
    if (run->term <= term) return {run->term, index};
    index = run->first - 1;
  }
  return base_;
}

void Log::Append(Entry entry) {
  PONTOON_CHECK(entry.id.index == last_.index + 1);
  PONTOON_CHECK(entry.id.term >= last_.term && entry.id.term > Term{0});
  if (runs_.empty() || runs_.back().term != entry.id.term)
    runs_.push_back({entry.id.index, entry.id.term});
  last_ = entry.id;
  header_bytes_total_ += HeaderCost(entry);
  if (header_bytes_total_ - (marks_.empty() ? header_bytes_base_ : marks_.back().bytes) >=
      kMarkBytes) {
    marks_.push_back({last_.index, header_bytes_total_});
  }
  const uint64_t cost = EntryCost(entry);
  held_bytes_ += cost;
  entries_.push_back({std::move(entry), cost});
}

void Log::TruncateFrom(Index index) {
  PONTOON_CHECK(index > base_.index && index >= held_from());
  while (last_.index >= index) {
    header_bytes_total_ -= HeaderCost(entries_.back().entry);
    held_bytes_ -= entries_.back().cost;
    entries_.pop_back();
    last_.index = last_.index - 1;
  }
  while (!runs_.empty() && runs_.back().first > last_.index) runs_.pop_back();
  while (!marks_.empty() && marks_.back().through > last_.index) marks_.pop_back();
  last_.term = runs_.empty() ? base_.term : runs_.back().term;
}

Entry& Log::At(Index index) {
  PONTOON_CHECK(index >= held_from() && index <= last_.index);
  return entries_[head_ + (index.value - held_from().value)].entry;
}

void Log::ReleaseThrough(Index index) {
  if (index < held_from()) return;
  const size_t count = std::min(index, last_.index).value - held_from().value + 1;
  for (size_t i = head_; i < head_ + count; ++i) {
    held_bytes_ -= entries_[i].cost;
    entries_[i] = Held();
  }
  head_ += count;
  // Moved to the front only once half of the array is free: each entry is moved at most once on
  // average.
  if (head_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(head_));
  head_ = 0;
  constexpr size_t kKeptCapacity =
      1024;  // A recovered or stalled log was long once; an idle one costs little.
  if (entries_.empty() && entries_.capacity() > kKeptCapacity) std::vector<Held>().swap(entries_);
}

void Log::CompactTo(EntryId id) {
  PONTOON_CHECK(Contains(id));
  ReleaseThrough(id.index);
  while (runs_.size() > 1 && runs_[1].first <= id.index + 1) runs_.pop_front();
  if (!runs_.empty()) {
    if (id.index == last_.index) {
      runs_.clear();
    } else {
      runs_.front().first = std::max(runs_.front().first, id.index + 1);
    }
  }
  base_ = id;
  while (!marks_.empty() && marks_.front().through <= id.index) {
    header_bytes_base_ = marks_.front().bytes;
    marks_.pop_front();
  }
  if (base_.index == last_.index) {
    header_bytes_base_ = header_bytes_total_;
    marks_.clear();
  }
}

}  // namespace pontoon::raft
