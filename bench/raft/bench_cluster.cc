#include "bench/raft/bench_cluster.h"

#include <chrono>
#include <thread>
#include <utility>

namespace pontoon::bench {

absl::StatusOr<std::unique_ptr<BenchCluster>> BenchCluster::StartBlocking(
    const ClusterOptions& options) {
  std::unique_ptr<BenchCluster> cluster(new BenchCluster(options));
  for (int n = 1; n <= options.voters; ++n) {
    cluster->folders_.push_back(std::make_unique<ScratchFolder>(options.folder));
    BenchNode::Options node;
    node.number = static_cast<uint64_t>(n);
    node.folder = cluster->folders_.back()->path();
    cluster->nodes_.push_back(std::make_unique<BenchNode>(node));
    cluster->founders_.voters.push_back(cluster->nodes_.back()->replica());
  }
  for (int group = 1; group <= options.groups; ++group)
    cluster->groups_.push_back({static_cast<uint32_t>(group)});
  for (size_t i = 0; i < cluster->early(); ++i) {
    if (absl::Status started = cluster->StartNodeBlocking(i); !started.ok()) return started;
  }
  if (absl::Status elected = cluster->ElectBlocking(); !elected.ok()) return elected;
  return cluster;
}

absl::Status BenchCluster::StartLateBlocking() {
  for (size_t i = early(); i < size(); ++i) {
    if (absl::Status started = StartNodeBlocking(i); !started.ok()) return started;
  }
  return absl::OkStatus();
}

BenchCluster::~BenchCluster() {
  // No loop may still send to one that is gone.
  for (auto& wire : wires_) wire->Stop();
  for (auto& node : nodes_) node->Stop();
}

absl::Status BenchCluster::StartNodeBlocking(size_t i) {
  BenchNode* const node = nodes_[i].get();
  raft::Transport* transport = nullptr;
  if (options_.voters > 1 && options_.wire == Wire::kGrpc) {
    wires_.push_back(std::make_unique<GrpcWire>(node));
    if (absl::Status started = wires_.back()->StartBlocking(); !started.ok()) return started;
    transport = wires_.back()->transport();
    for (auto& other : wires_) {
      other->Connect(*wires_.back());
      wires_.back()->Connect(*other);
    }
  } else if (options_.voters > 1) {
    network_.Add(node);
    transports_.push_back(std::make_unique<LocalTransport>(node->replica().node, &network_));
    transport = transports_.back().get();
  }
  if (absl::Status opened = node->OpenBlocking(transport, groups_, founders_); !opened.ok())
    return opened;
  node->Start();
  return absl::OkStatus();
}

absl::Status BenchCluster::ElectBlocking() {
  const base::MonotonicTime end = Now() + base::Seconds(30);
  while (true) {
    bool all = true;
    for (size_t i = 0; i < early(); ++i) {
      BenchNode* const node = nodes_[i].get();
      node->RunBlocking([&] {
        raft::MultiRaft* const raft = node->raft();
        for (size_t g = 0; g < groups_.size(); ++g) {
          BenchNode* const wanted = leader_of(g);
          const bool leads = raft->leads(groups_[g]);
          if (wanted != node) {
            // Elected before it was asked to be: it hands over.
            if (leads) (void)raft->TransferTo(groups_[g], wanted->replica());
            continue;
          }
          all = all && leads;
          if (!raft->leader(groups_[g]).has_value()) (void)raft->Campaign(groups_[g]);
        }
      });
    }
    if (all) return absl::OkStatus();
    if (Now() >= end) return absl::DeadlineExceededError("not every group has a leader");
    // Elections belong to no measurement; each loop is asked anew.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace pontoon::bench
