#ifndef PONTOON_BENCH_RAFT_IDLE_H_
#define PONTOON_BENCH_RAFT_IDLE_H_

#include "absl/status/statusor.h"
#include "bench/raft/bench_cluster.h"
#include "bench/raft/measure.h"

namespace pontoon::bench {

// Groups that have nothing to do, for so long: processor time of a node (all threads of the process
// over the nodes in it), and what the process has resident once memory that is free is given back.
absl::StatusOr<Figures> MeasureIdle(const ClusterOptions& cluster, double seconds);

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_IDLE_H_
