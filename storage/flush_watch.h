#ifndef PONTOON_STORAGE_FLUSH_WATCH_H_
#define PONTOON_STORAGE_FLUSH_WATCH_H_

#include <rocksdb/db.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "base/mutex.h"
#include "base/time.h"

namespace pontoon::storage {

// Flushes what is in the write buffers now, and waits for it. RocksDB's own waiting flush (7.8.3)
// can wait for ever: a flush that began by itself a moment before, and is syncing the write-ahead
// log, takes the request for its own without taking the buffers along. Here the request is made
// again. [FlushWatchTest]
//
// Any thread.
class FlushWatch {
 public:
  // `ask_again_after`: a request that led to nothing in this time is made again.
  explicit FlushWatch(base::Duration ask_again_after) : ask_again_after_(ask_again_after) {}

  // From the database's listener, for each of its families.
  void OnFull(const std::string& family);
  void OnFlushed();

  // Until all that was written to these families before lies in SST files.
  rocksdb::Status FlushBlocking(rocksdb::DB* db,
                                const std::vector<rocksdb::ColumnFamilyHandle*>& families);

 private:
  uint64_t Flushes();
  // Buffers of the family that have been full so far.
  uint64_t Full(rocksdb::ColumnFamilyHandle* family);
  bool IsFlushed(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, uint64_t through);

  const base::Duration ask_again_after_;
  base::Mutex mutex_;
  base::CondVar changed_;
  absl::btree_map<std::string, uint64_t> full_ ABSL_GUARDED_BY(mutex_);
  uint64_t flushes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_FLUSH_WATCH_H_
