#ifndef PONTOON_BENCH_RAFT_LOAD_H_
#define PONTOON_BENCH_RAFT_LOAD_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/raft/bench_cluster.h"
#include "bench/raft/measure.h"

namespace pontoon::bench {

struct LoadOptions {
  uint32_t payload_bytes = 1024;
  int in_flight =
      256;  // Proposals on their way in all groups together, at most (at least one each).
  base::Duration settle_after = base::Millis(500);  // How long a body is live.
  std::optional<size_t> only_group;  // Of the cluster's groups, from 0. Default: all.
};

// Keeps so many proposals under way, each an entry with a body, and settles them when they are
// old. Runs on the loops of the groups' leaders: in each turn, all that one group may propose goes
// into one Propose.
class Load {
 public:
  // `cluster` is borrowed; one load at a time, which must have stopped before it goes.
  Load(BenchCluster* cluster, const LoadOptions& options);

  void Start();
  // Proposes no more, and waits until all is committed and settled; or only committed (then the
  // rest stays live for good). Aborted: a group changed its leader, so the figures mean nothing.
  enum class Settled { kAll, kNoMore };
  absl::Status StopBlocking(Settled settled = Settled::kAll);

  // What was committed, as the leaders saw it applied, since the last time this was asked.
  struct Taken {
    uint64_t proposals = 0;
    uint64_t bytes = 0;   // Headers and bodies as they were proposed.
    Latencies latencies;  // From Propose until the leader had applied it.
  };
  Taken TakeBlocking();

 private:
  struct Batch {
    uint64_t count;
    base::MonotonicTime at;
  };
  struct Applied {
    raft::Index last;
    base::MonotonicTime at;
  };
  struct GroupLoad {
    BenchMachine* machine;
    uint64_t room;  // Proposals that may be under way.
    uint64_t under_way = 0;
    std::deque<Batch> batches;
    std::deque<Applied> unsettled;
  };
  // What one loop proposes.
  struct LoopLoad {
    BenchNode* node;
    std::vector<GroupLoad> groups;
    base::SliceWriter headers{64 * 1024};
    std::vector<raft::Entry> entries;
    uint64_t next_body = 0;
    bool running = false;
    bool settles = true;
    bool lost = false;  // The lead of a group.
    Taken taken;
  };

  void OnTurn(LoopLoad* loop);
  void OnPuts(LoopLoad* loop, GroupLoad* group, raft::Index last, uint64_t puts);
  base::Slice NextBody(LoopLoad* loop);

  BenchCluster* const cluster_;
  const LoadOptions options_;
  base::Slice bytes_;  // Bodies are pieces of it.
  std::vector<std::unique_ptr<LoopLoad>> loops_;
};

struct LoadTimes {
  double warm_up_seconds = 2;
  double seconds = 5;
};
// A cluster with a load on it, from its foundation to its end.
absl::StatusOr<Figures> MeasureLoad(const ClusterOptions& cluster, const LoadOptions& load,
                                    const LoadTimes& times);

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_LOAD_H_
