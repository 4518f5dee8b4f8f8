#ifndef PONTOON_BENCH_RAFT_GRPC_WIRE_H_
#define PONTOON_BENCH_RAFT_GRPC_WIRE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "base/logger.h"
#include "base/random.h"
#include "bench/raft/bench_node.h"
#include "server/cluster/raft_transport.h"
#include "server/net/peer_transport.h"

namespace pontoon::bench {

// What one node says and hears as in the server: over gRPC on loopback.
class GrpcWire {
 public:
  // `node` is borrowed, and gets what arrives. `port` 0: any free one.
  explicit GrpcWire(BenchNode* node, uint64_t boot = 1, uint16_t port = 0);
  ~GrpcWire();
  GrpcWire(const GrpcWire&) = delete;
  GrpcWire& operator=(const GrpcWire&) = delete;

  absl::Status StartBlocking();
  // Of itself: nothing.
  void Connect(const GrpcWire& other);
  // Nothing arrives any more; what is sent is lost. To its peers it is as if the process had died.
  void Stop();

  raft::Transport* transport() { return raft_.loop(0); }
  uint16_t port() const { return peers_.port(); }
  net::PeerMetrics peer_metrics() const { return peers_.metrics(); }
  cluster::RaftTransport::Metrics raft_metrics() const { return raft_.metrics(); }

 private:
  class NoLogger final : public base::Logger {
   public:
    void Log(base::LogLevel, uint64_t, absl::string_view) override {}
  };

  BenchNode* const node_;
  base::SystemRandom random_;
  NoLogger logger_;
  net::PeerTransport peers_;
  cluster::RaftTransport raft_;
};

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_GRPC_WIRE_H_
