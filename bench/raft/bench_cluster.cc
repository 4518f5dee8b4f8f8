#include "bench/raft/bench_cluster.h"

#include <chrono>
#include <thread>
#include <utility>

namespace pontoon::bench {

absl::StatusOr<std::unique_ptr<BenchCluster>> BenchCluster::StartBlocking(
    const ClusterOptions& options) {
  std::unique_ptr<BenchCluster> cluster(new BenchCluster(options));
  if (absl::Status opened = cluster->OpenBlocking(); !opened.ok()) return opened;
  for (auto& node : cluster->nodes_) node->Start();
  if (absl::Status elected = cluster->ElectBlocking(); !elected.ok()) return elected;
  return cluster;
}

BenchCluster::~BenchCluster() {
  // No loop may still send to one that is gone.
  for (auto& wire : wires_) wire->Stop();
  for (auto& node : nodes_) node->Stop();
}

absl::Status BenchCluster::OpenBlocking() {
  raft::Membership founders;
  for (int n = 1; n <= options_.voters; ++n) {
    folders_.push_back(std::make_unique<ScratchFolder>(options_.folder));
    BenchNode::Options node;
    node.number = static_cast<uint64_t>(n);
    node.folder = folders_.back()->path();
    nodes_.push_back(std::make_unique<BenchNode>(node));
    network_.Add(nodes_.back().get());
    founders.voters.push_back(nodes_.back()->replica());
  }
  std::vector<raft::GroupId> groups;
  for (int group = 1; group <= options_.groups; ++group)
    groups.push_back({static_cast<uint32_t>(group)});
  for (auto& node : nodes_) {
    raft::Transport* transport = nullptr;
    if (options_.voters > 1 && options_.wire == Wire::kGrpc) {
      wires_.push_back(std::make_unique<GrpcWire>(node.get()));
      if (absl::Status started = wires_.back()->StartBlocking(); !started.ok()) return started;
      transport = wires_.back()->transport();
    } else if (options_.voters > 1) {
      transports_.push_back(std::make_unique<LocalTransport>(node->replica().node, &network_));
      transport = transports_.back().get();
    }
    if (absl::Status opened = node->OpenBlocking(transport, groups, founders); !opened.ok())
      return opened;
  }
  for (auto& from : wires_) {
    for (auto& to : wires_) from->Connect(*to);
  }
  return absl::OkStatus();
}

absl::Status BenchCluster::ElectBlocking() {
  const base::MonotonicTime end = Now() + base::Seconds(30);
  while (true) {
    bool all = true;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      BenchNode* node = nodes_[i].get();
      node->RunBlocking([&] {
        for (size_t group = i; group < node->machines().size(); group += nodes_.size()) {
          const raft::GroupId id = node->machines()[group]->group();
          if (node->raft()->leads(id)) continue;
          all = false;
          const raft::Role role = node->raft()->core(id).role();
          if (role == raft::Role::kFollower) (void)node->raft()->Campaign(id);
        }
      });
    }
    if (all) return absl::OkStatus();
    if (Now() >= end) return absl::DeadlineExceededError("not every group has a leader");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace pontoon::bench
