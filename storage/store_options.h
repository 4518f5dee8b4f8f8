#ifndef PONTOON_STORAGE_STORE_OPTIONS_H_
#define PONTOON_STORAGE_STORE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/time.h"
#include "storage/records.h"

namespace rocksdb {
class Env;
}

namespace pontoon::storage {

// How much memory and disk the store may use for what is under way. What is settled when its write
// buffers are flushed never reaches an SST file, so flushes of bodies begin late: there should be
// buffers for what comes in until then, and during a flush, or writers wait. All of it counts as
// resident memory.
struct StoreSizes {
  size_t body_write_buffer_bytes = size_t{24} << 20;
  int body_write_buffers = 10;
  int body_buffers_to_merge = 3;
  // A flush begins so long after its newest buffer was full; earlier where buffers run short.
  base::Duration body_settle_wait = base::Millis(1200);
  // A few checkpoints of the busiest groups: headers that one covers are not written either.
  size_t log_write_buffer_bytes = size_t{8} << 20;
  int log_write_buffers = 6;
  int log_buffers_to_merge = 4;
  size_t page_write_buffer_bytes = size_t{16} << 20;
  int page_write_buffers = 3;
  size_t block_cache_bytes = size_t{64} << 20;
  // What a restart replays at most; older buffers are flushed when the write-ahead log grows
  // beyond.
  uint64_t wal_bytes_max = uint64_t{256} << 20;

  // Scaled down so that buffers, write-ahead log and compactions stay a small part of a disk of
  // `disk_bytes`.
  static StoreSizes ForDisk(uint64_t disk_bytes);
};

// Ends the process, because a write or a sync failed and nobody can know what is on the disk.
// Called once, on any thread of the store, after the line was logged; if it returns (tests only),
// the store writes and reports no more.
using FatalHandler = std::function<void(const absl::Status&)>;

struct RocksLogStoreOptions {
  std::string
      data_dir;  // The node's data directory; the store uses "store" and "durable.mark" in it.
  StoreIdentity identity;  // Of the node directory; must match what the store was made for.
  // True while the node directory has no record that the store was ever made. False: a store that
  // is not there is lost.
  bool may_create = true;
  std::optional<StoreSizes> sizes;  // Default: StoreSizes::ForDisk of the directory's disk.
  int reader_threads = 2;
  // State tasks wait this long for a batch to ride in before they are written for themselves.
  base::Duration state_task_wait = base::Millis(20);
  // A checkpoint that no sync followed gets one after this time, so that it can be relied on.
  base::Duration checkpoint_sync_after = base::Seconds(1);
  // How often the durable mark follows the last synced batch, at most.
  base::Duration mark_interval = base::Millis(100);
  // How often it is looked whether space of what was deleted should be got back.
  base::Duration reclaim_interval = base::Seconds(10);
  // Told before each write how many bytes are free on the disk, on the thread that writes: it must
  // not block.
  std::function<void(uint64_t)> on_free_disk;
  FatalHandler on_fatal;        // Default: ends the process at once with exit status 1.
  rocksdb::Env* env = nullptr;  // Default: the machine's. Tests put faults under it.
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_STORE_OPTIONS_H_
