#ifndef PONTOON_BENCH_RAFT_SNAPSHOT_H_
#define PONTOON_BENCH_RAFT_SNAPSHOT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "bench/raft/bench_cluster.h"
#include "bench/raft/measure.h"

namespace pontoon::bench {

struct SnapshotOptions {
  uint64_t bytes = 1'000'000'000;   // Of live bodies.
  uint32_t body_bytes = 16 * 1024;  // Of each of them.
  uint32_t payload_bytes = 1024;    // Of the other traffic's.
  int in_flight = 32;               // Of the other traffic.
  double seconds = 5;               // How long the other traffic is measured without a snapshot.
};

// Two groups of three voters, of which the third node is down at first. One group is filled with
// live bodies; then the third node starts with an empty disk and gets them as a snapshot from the
// first, while the other group, led by the second node, goes on committing. Tells how long that
// took and the other group's latency before, meanwhile and afterwards.
absl::StatusOr<Figures> MeasureSnapshot(ClusterOptions cluster, const SnapshotOptions& options);

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_SNAPSHOT_H_
