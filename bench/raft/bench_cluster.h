#ifndef PONTOON_BENCH_RAFT_BENCH_CLUSTER_H_
#define PONTOON_BENCH_RAFT_BENCH_CLUSTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/raft/bench_node.h"
#include "bench/raft/grpc_wire.h"
#include "bench/raft/measure.h"

namespace pontoon::bench {

// How the nodes of the benchmark talk.
enum class Wire { kInProcess, kGrpc };

struct ClusterOptions {
  int voters = 3;
  int groups = 1;
  Wire wire = Wire::kInProcess;
  int late = 0;        // So many of the nodes, the last ones, start with StartLateBlocking.
  std::string folder;  // Scratch folders are made in it.
};

// One node per voter, all in this process, each with every group. Groups are led by the nodes that
// are not late, in turn (a single group by the first).
class BenchCluster {
 public:
  // Opens and starts it and waits until every group is led by the node that should.
  // DeadlineExceeded: that took more than 30 s.
  static absl::StatusOr<std::unique_ptr<BenchCluster>> StartBlocking(const ClusterOptions& options);
  ~BenchCluster();

  // The nodes that were late.
  absl::Status StartLateBlocking();

  size_t size() const { return nodes_.size(); }
  BenchNode* node(size_t i) { return nodes_[i].get(); }
  // The node that should lead the i-th group.
  BenchNode* leader_of(size_t group) { return nodes_[group % early()].get(); }

 private:
  explicit BenchCluster(ClusterOptions options) : options_(std::move(options)) {}
  size_t early() const { return static_cast<size_t>(options_.voters - options_.late); }
  absl::Status StartNodeBlocking(size_t i);
  absl::Status ElectBlocking();

  const ClusterOptions options_;
  std::vector<std::unique_ptr<ScratchFolder>> folders_;
  raft::Membership founders_;
  std::vector<raft::GroupId> groups_;
  LocalNetwork network_;
  std::vector<std::unique_ptr<raft::Transport>> transports_;
  std::vector<std::unique_ptr<GrpcWire>> wires_;
  std::vector<std::unique_ptr<BenchNode>> nodes_;
};

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_BENCH_CLUSTER_H_
