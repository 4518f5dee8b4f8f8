#ifndef PONTOON_STORAGE_WAL_SCAN_H_
#define PONTOON_STORAGE_WAL_SCAN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace pontoon::storage {

// What the write-ahead log of a store holds, read without RocksDB and without changing anything.
struct WalContents {
  // Batches from first to last are there without a gap, each with its checksum; 0 if there are
  // none.
  uint64_t first_batch = 0;
  uint64_t last_batch = 0;
  // Where reading ended before the end of a file, and why; empty if all of it could be read. A last
  // record that is cut short by the end of its file is no trouble if the next file goes on behind
  // it: that is what a crash leaves.
  std::string trouble;
  // Behind the trouble, or behind what looks cut short, there are batches that say that all up to
  // this one had been synced when they were written; 0 if there is none. A torn tail has none.
  uint64_t proved_synced = 0;
};

// Reads all write-ahead log files in a store's folder (RocksDB's log format: blocks of 32 KiB,
// records in fragments with a masked CRC-32C each). Verifying checksums is several times faster
// than replaying, so that a start need not replay twice. Blocking. Errors only if a file cannot be
// read.
absl::StatusOr<WalContents> ScanWalBlocking(const std::string& store_path);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_WAL_SCAN_H_
