#ifndef PONTOON_STORAGE_METRICS_H_
#define PONTOON_STORAGE_METRICS_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace pontoon::storage {

// What the store has done since it was opened, and how it is doing.
struct StorageMetrics {
  uint64_t batches = 0;  // Write batches.
  uint64_t syncs = 0;    // Of them synced, and syncs on their own.
  // As RocksDB counts them, with all that it adds.
  uint64_t wal_bytes = 0;         // Written to the write-ahead log.
  uint64_t flush_bytes = 0;       // Written to SST files from memory.
  uint64_t compaction_bytes = 0;  // Written to SST files from SST files.
  uint64_t queue_tasks = 0;       // Submitted and not yet taken by the writer.
  uint64_t queue_bytes = 0;
  uint64_t last_batch = 0;     // Number of the newest batch ever, over all starts.
  uint64_t marked_batch = 0;   // That the durable mark vouches for.
  uint64_t body_reads = 0;     // Bodies and pages read.
  uint64_t read_failures = 0;  // Of them damaged or missing.
  uint64_t bodies_cut = 0;
  uint64_t bodies_left_out = 0;  // Of flushes, because they had been settled meanwhile.
  base::Duration sync_p50;       // Of synced writes.
  base::Duration sync_p99;
};

// How long something took, in buckets a quarter of a power of two wide. Any thread.
class LatencyHistogram {
 public:
  void Add(base::Duration took) {
    const uint64_t nanos = took.nanos < 4 ? 4 : static_cast<uint64_t>(took.nanos);
    const unsigned power = static_cast<unsigned>(std::bit_width(nanos)) - 1;
    counts_[power * 4 + ((nanos >> (power - 2)) & 3)].fetch_add(1, std::memory_order_relaxed);
  }
  // The upper end of the bucket that holds the `share`th of all, 0 if there are none.
  base::Duration Quantile(double share) const {
    uint64_t total = 0;
    for (const auto& count : counts_) total += count.load(std::memory_order_relaxed);
    const double wanted = share * static_cast<double>(total);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i].load(std::memory_order_relaxed);
      if (seen > 0 && static_cast<double>(seen) >= wanted) {
        const unsigned power = static_cast<unsigned>(i / 4);
        return {static_cast<int64_t>((uint64_t{1} << power) + ((i % 4 + 1) << (power - 2)))};
      }
    }
    return {};
  }

 private:
  std::array<std::atomic<uint64_t>, 64 * 4> counts_{};
};

// The counters behind StorageMetrics. Any thread.
struct StorageCounters {
  std::atomic<uint64_t> batches{0};
  std::atomic<uint64_t> syncs{0};
  std::atomic<uint64_t> wal_bytes{0};
  std::atomic<uint64_t> flush_bytes{0};
  std::atomic<uint64_t> compaction_bytes{0};
  std::atomic<uint64_t> last_batch{0};
  std::atomic<uint64_t> marked_batch{0};
  std::atomic<uint64_t> body_reads{0};
  std::atomic<uint64_t> read_failures{0};
  std::atomic<uint64_t> bodies_cut{0};
  std::atomic<uint64_t> bodies_left_out{0};
  std::atomic<uint64_t> body_puts{0};  // Bodies written, their bytes, and bodies deleted.
  std::atomic<uint64_t> body_put_bytes{0};
  std::atomic<uint64_t> body_deletes{0};
  LatencyHistogram sync_time;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_METRICS_H_
