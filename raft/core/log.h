#ifndef PONTOON_RAFT_CORE_LOG_H_
#define PONTOON_RAFT_CORE_LOG_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// A group's log as the core sees it: contiguous from the entry after `base` to `last`. Terms are in
// memory for all of it; the entries themselves only from `held_from` on (the rest is on the disk
// and not needed any more). Does no I/O.
class Log {
 public:
  Log() = default;

  // An empty log that follows `base` (the checkpoint's entry; zero for a new group).
  void Reset(EntryId base);

  EntryId base() const { return base_; }
  EntryId last() const { return last_; }
  Index held_from() const { return last_.index - (entries_.size() - head_) + 1; }

  // The term of the entry at `index`, from base to last. Never a made-up one (etcd raft pull 31):
  // OutOfRange: it was compacted. NotFound: the log does not reach so far.
  absl::StatusOr<Term> TermAt(Index index) const;
  bool Contains(EntryId id) const;
  // The highest index from base to `index` whose term is at most `term`; base if there is none.
  EntryId LastAtMost(Index index, Term term) const;

  // `entry.id` must be the next index, in the last term or a later one. Checked.
  void Append(Entry entry);
  // Drops everything at and above `index`, which must be above base.
  void TruncateFrom(Index index);
  // The entry at `index`, which must lie in [held_from, last].
  Entry& At(Index index);
  const Entry& At(Index index) const { return const_cast<Log*>(this)->At(index); }
  // Frees the memory of the entries up to `index`.
  void ReleaseThrough(Index index);
  // The headers up to `id`, an entry of this log, are gone: it is the new base.
  void CompactTo(EntryId id);

  // What CompactTo(last) would give back: header bytes (with kEntryOverheadBytes each) above base,
  // to within kMarkBytes.
  uint64_t header_bytes() const { return header_bytes_total_ - header_bytes_base_; }
  // What the entries in memory cost.
  uint64_t held_bytes() const { return held_bytes_; }
  // Entries above base, on disk or in memory.
  uint64_t size() const { return last_.index.value - base_.index.value; }

 private:
  static constexpr uint64_t kMarkBytes = 64 * 1024;

  struct Held {
    Entry entry;
    uint64_t cost;  // As it was appended (what was handed out may have been moved from).
  };
  struct TermRun {
    Index first;
    Term term;
  };
  // header_bytes_total_ as it was when `through` was the last index.
  struct Mark {
    Index through;
    uint64_t bytes;
  };

  EntryId base_;
  EntryId last_;
  std::deque<TermRun> runs_;   // Of (base, last], ascending.
  std::vector<Held> entries_;  // [head_..] are the entries [held_from, last].
  size_t head_ = 0;
  std::deque<Mark> marks_;
  uint64_t held_bytes_ = 0;
  uint64_t header_bytes_total_ = 0;
  uint64_t header_bytes_base_ = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_LOG_H_
