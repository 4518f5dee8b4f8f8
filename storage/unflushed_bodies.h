#ifndef PONTOON_STORAGE_UNFLUSHED_BODIES_H_
#define PONTOON_STORAGE_UNFLUSHED_BODIES_H_

#include <rocksdb/compaction_filter.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/time.h"
#include "storage/metrics.h"

namespace pontoon::storage {

// What one write batch does to a stretch of a group's bodies, [from, to].
struct BodyNote {
  enum class Kind { kPut, kDropped };
  base::GroupId group;
  uint64_t from;
  uint64_t to;
  Kind kind;
};

// Most bodies are settled within a second, before the write buffer that holds them is flushed. Then
// they need not reach an SST file at all: this knows which bodies in the buffers of the family
// "body" were deleted by a later batch, and has their flushes begin late (decision 0020).
//
// 1. A body is left out of a flush only if a later batch deleted it that the durable mark covers:
//    where that batch is lost nevertheless, this is damage, and told as such.
//    [UnflushedBodiesTest, FlushTest]
// 2. A body under an index that was deleted before is never taken for the deleted one.
//    [UnflushedBodiesTest]
// 3. Whatever was forgotten for want of room (stretches_max) is written as if it were alive.
//    [UnflushedBodiesTest]
//
// Any thread.
class UnflushedBodies {
 public:
  struct Options {
    // A flush begins so long after the newest of its buffers was full, ...
    base::Duration settle_wait;
    // ... or when so many are full, which leaves the others to what comes in meanwhile.
    size_t full_buffers_max = 1;
    size_t stretches_max = size_t{1} << 16;  // Of deleted bodies, each 32 to 64 bytes of memory.
  };
  // `counters` says which batches the durable mark covers; null: none. Must outlive this.
  UnflushedBodies(Options options, StorageCounters* counters);

  // Before batch `number` is written: what it does, in this order. Numbers rise.
  void OnBatch(uint64_t number, absl::Span<const BodyNote> notes);

  // A write buffer is full; those that are neither written nor given up are now so many.
  void OnFull();
  void OnFlushed(uint64_t full_buffers_left);

  // Until what the full buffers hold has had its time to be settled.
  void AwaitSettlingBlocking();
  // While somebody waits for a flush none of them waits for bodies. Hurry and Unhurry come in
  // pairs.
  void Hurry();
  void Unhurry();

  // Whether the newest of the group's bodies under `index` that is in a full buffer was deleted
  // since. If so, [from, to] is a stretch around `index` of which the same holds.
  bool IsDropped(base::GroupId group, uint64_t index, uint64_t* from, uint64_t* to);

  // For the column family's options: applies to flushes only. Keeps using this.
  std::shared_ptr<rocksdb::CompactionFilterFactory> MakeFilterFactory();

 private:
  struct Drop {
    uint64_t batch;
    base::GroupId group;
    uint64_t from;
    uint64_t to;
  };
  struct Group {
    std::map<uint64_t, uint64_t> dropped;  // First -> last of a stretch; they do not touch.
    uint64_t highest_dropped = 0;          // Also of those that are waiting.
    uint64_t flushed_through = 0;          // No buffer holds one of these, as far as it matters.
    uint64_t last_put = 0;                 // Of the buffer that is being filled; 0: none.
  };
  struct FullBuffer {
    base::MonotonicTime since;
    std::vector<std::pair<base::GroupId, uint64_t>> last_puts;
  };

  void NotePut(Group* group, const BodyNote& note) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteDropped(uint64_t batch, Group* group, const BodyNote& note)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that the durable mark covers by now count.
  void TakeMarked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddStretch(Group* group, uint64_t from, uint64_t to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveStretch(Group* group, uint64_t from, uint64_t to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  StorageCounters* const counters_;
  base::Mutex mutex_;
  base::CondVar changed_;
  int hurries_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::btree_map<base::GroupId, Group> groups_ ABSL_GUARDED_BY(mutex_);
  size_t stretches_ ABSL_GUARDED_BY(mutex_) = 0;      // In all groups.
  std::deque<Drop> waiting_ ABSL_GUARDED_BY(mutex_);  // For the durable mark; by batch.
  std::deque<FullBuffer> full_ ABSL_GUARDED_BY(mutex_);
  // Of the newest batch: a buffer that becomes full while it is written does not hold it.
  std::vector<std::pair<base::GroupId, uint64_t>> newest_puts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_UNFLUSHED_BODIES_H_
