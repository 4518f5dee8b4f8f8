#ifndef PONTOON_BENCH_RAFT_BARE_COSTS_H_
#define PONTOON_BENCH_RAFT_BARE_COSTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/time.h"
#include "bench/raft/measure.h"

namespace pontoon::bench {

// What the same bytes cost without Raft: batches of so many entries, one after the other, each
// durable before the next.
struct BareOptions {
  uint32_t payload_bytes = 1024;
  int batch = 256;  // Entries of one batch.
  int groups = 1;   // Over which they are spread; only the keys show it.
  int copies = 1;   // So many do it side by side, each with its own file or database and thread.
  base::Duration settle_after = base::Millis(500);  // Then bodies are deleted.
  double warm_up_seconds = 1;
  double seconds = 5;
  std::string folder;
};

// Appended to a file whose blocks are there already (written once before), each batch with one
// write and fdatasync; from the beginning again when it is full.
absl::StatusOr<Figures> MeasureBareFile(const BareOptions& options);

// Written to RocksDB, set up as storage/ does: per entry the header's key and the body's with
// values of the same sizes; keys of what was settled are deleted in later batches, as Raft does.
absl::StatusOr<Figures> MeasureBareRocksDb(const BareOptions& options);

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_BARE_COSTS_H_
