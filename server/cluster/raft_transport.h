#ifndef PONTOON_SERVER_CLUSTER_RAFT_TRANSPORT_H_
#define PONTOON_SERVER_CLUSTER_RAFT_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "base/counter.h"
#include "base/ids.h"
#include "raft/core/message.h"
#include "raft/node/transport.h"
#include "server/net/peer_transport.h"

namespace pontoon::cluster {

// Raft's messages between nodes: what each loop's groups say becomes batches of bytes (raft/node's
// wire.h) in the lanes of PeerTransport, and what arrives goes to the loops that own the groups.
class RaftTransport final : public net::PeerReceiver, public net::PeerWatcher {
 public:
  // What one batch held for one loop: for MultiRaft::Deliver.
  struct Arrived {
    base::NodeId from;
    uint64_t boot = 0;
    std::vector<raft::Message> messages;
    // To be let go once they were delivered: while too much waits, the lane is read no further.
    std::shared_ptr<const void> unread;
  };
  // Both are called on threads of the transport, and pass it on to the loop.
  struct Loop {
    std::function<void(Arrived)> deliver;
    std::function<void(base::NodeId)> on_unreachable;  // May be null.
  };
  struct Options {
    uint64_t cluster_id = 0;
    raft::ReplicaId self = {};  // With the incarnation that most of its replicas have.
    base::BootId boot = {};
    std::vector<Loop> loops;
    // Which loop owns a group; beyond the last: none does. Any thread.
    std::function<size_t(base::GroupId)> loop_of;
    // Of one peer's batches in one lane that loops have not yet taken. Beyond, the lane pauses;
    // control messages, which must never wait, are dropped and counted.
    size_t unread_bytes_max = size_t{16} << 20;
  };
  // Since the start: what arrived and was dropped, by reason, in batches but for no_loop.
  struct Metrics {
    // What DecodeBatch refused (raft/node/wire.h).
    base::Counter wrong_version, truncated, oversized, damaged, other_cluster, other_node,
        malformed;
    base::Counter wrong_sender;  // Not from whom the connection is, or in another lane.
    base::Counter unread;        // Control batches that found too many others waiting.
    base::Counter no_loop;       // Messages for a group that no loop owns.
    base::Counter unsendable;    // Own messages that are larger than a batch may be.
  };

  // `peers` is borrowed, not yet started, and must have stopped before this goes.
  RaftTransport(Options options, net::PeerTransport* peers);
  ~RaftTransport() override;
  RaftTransport(const RaftTransport&) = delete;
  RaftTransport& operator=(const RaftTransport&) = delete;

  // For that loop's MultiRaft; used on its thread only.
  raft::Transport* loop(size_t number);
  Metrics metrics() const { return counters_; }

  Next OnPeerBatch(base::NodeId from, base::BootId boot, net::PeerLane lane,
                   base::Slice batch) override;
  void OnPeerUnreachable(base::NodeId peer) override;
  void OnPeerReachable(base::NodeId) override {}

 private:
  class LoopEnd;
  class Unread;
  void CountRefused(const absl::Status& why);

  const Options options_;
  net::PeerTransport* const peers_;
  Metrics counters_;
  const std::shared_ptr<Unread> unread_;
  std::vector<std::unique_ptr<LoopEnd>> loops_;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_RAFT_TRANSPORT_H_
