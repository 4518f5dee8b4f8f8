#include "bench/raft/grpc_wire.h"

#include <absl/synchronization/mutex.h>

#include <utility>

namespace pontoon::bench {
namespace {

constexpr uint64_t kClusterId = 1;

net::PeerTransportOptions PeerOptions(BenchNode* node, uint64_t boot, uint16_t port) {
  // Debian's gRPC takes locks in an order that its own checker finds wrong.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return {.port = port,
          .cluster_id = kClusterId,
          .self = node->replica().node,
          .boot = {static_cast<uint32_t>(boot)},
          .cookie = "BENCHMARK"};
}

cluster::RaftTransport::Options RaftOptions(BenchNode* node, uint64_t boot) {
  return {.cluster_id = kClusterId,
          .self = node->replica(),
          .boot = {static_cast<uint32_t>(boot)},
          .loops = {{.deliver =
                         [node](cluster::RaftTransport::Arrived arrived) {
                           node->PostMessages(arrived.from, arrived.boot,
                                              std::move(arrived.messages),
                                              std::move(arrived.unread));
                         },
                     .on_unreachable =
                         [node](base::NodeId peer) {
                           node->Post([node, peer] { node->raft()->OnPeerUnreachable(peer); });
                         }}},
          .loop_of = [](base::GroupId) { return size_t{0}; }};
}

}  // namespace

GrpcWire::GrpcWire(BenchNode* node, uint64_t boot, uint16_t port)
    : node_(node),
      peers_(PeerOptions(node, boot, port), &random_, &logger_),
      raft_(RaftOptions(node, boot), &peers_) {}

GrpcWire::~GrpcWire() { Stop(); }

absl::Status GrpcWire::StartBlocking() { return peers_.StartBlocking(); }

void GrpcWire::Connect(const GrpcWire& other) {
  peers_.SetPeer(other.node_->replica().node, "127.0.0.1", other.port());
}

void GrpcWire::Stop() { peers_.StopBlocking(); }

}  // namespace pontoon::bench
