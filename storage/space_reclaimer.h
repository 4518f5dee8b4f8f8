#ifndef PONTOON_STORAGE_SPACE_RECLAIMER_H_
#define PONTOON_STORAGE_SPACE_RECLAIMER_H_

#include <array>
#include <cstdint>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/ids.h"
#include "base/logger.h"
#include "base/mutex.h"
#include "base/time.h"
#include "storage/database.h"
#include "storage/metrics.h"

namespace pontoon::storage {

// Gets back the space of what was deleted, within a minute, where RocksDB by itself would wait for
// more writes: while little is written it flushes the write buffers (the write-ahead log goes with
// them) and compacts a family whose files hold many deletions. Under load RocksDB's own compactions
// do that. Runs on a thread of its own; a store that is not written to is looked at, and otherwise
// left alone.
class SpaceReclaimer {
 public:
  struct Options {
    base::Duration interval;                      // How often it looks.
    uint64_t quiet_bytes_per_second = 256 << 10;  // Less than this written: quiet.
    uint64_t flush_bytes_min =
        4u << 20;  // Written or deleted since the last flush, to be worth one.
    uint64_t garbage_bytes_min = 4u << 20;  // In files, to be worth a compaction.
  };

  // `database`, `counters` and `logger` must outlive it.
  SpaceReclaimer(const Database* database, Options options, StorageCounters* counters,
                 base::Logger* logger);
  ~SpaceReclaimer();

  // Much of the group was removed by deletions of ranges, which RocksDB's counts do not tell. Any
  // thread; does not wait.
  void PostCleared(base::GroupId group);

  // Ends the thread; a compaction under way is broken off.
  void StopBlocking();

 private:
  void ThreadMain();
  void LookBlocking();
  void FlushBlocking();
  void CompactClearedBlocking();
  // What the write buffers hold; at least enough for a flush if a body was deleted in them.
  uint64_t UnflushedBytes() const;
  // Estimated bytes of values in the family's files that deletions in its files have ended.
  uint64_t GarbageBytes(rocksdb::ColumnFamilyHandle* family) const;
  bool Stopping();

  const Database* const database_;
  const Options options_;
  StorageCounters* const counters_;
  base::Logger* const logger_;

  // Of the thread.
  bool first_look_ = true;
  bool warned_ = false;
  uint64_t seen_wal_bytes_ = 0;
  uint64_t flushed_wal_bytes_ =
      0;  // What had been written, and deleted, when the last flush began.
  uint64_t flushed_deletes_ = 0;
  uint64_t looked_at_ = 0;  // What had been flushed and compacted when files were last looked at.
  bool tried_in_vain_ = false;  // A compaction failed, for want of space perhaps: try again.

  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<base::GroupId> cleared_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> cancel_{false};
  std::thread thread_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_SPACE_RECLAIMER_H_
