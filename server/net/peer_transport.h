#ifndef PONTOON_SERVER_NET_PEER_TRANSPORT_H_
#define PONTOON_SERVER_NET_PEER_TRANSPORT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/counter.h"
#include "base/ids.h"
#include "base/logger.h"
#include "base/random.h"
#include "base/slice.h"

namespace pontoon::net {

// What must not wait for what between two nodes: each lane has a connection of its own in each
// direction, so that a snapshot of any size never delays a heartbeat.
enum class PeerLane : uint8_t { kControl = 0, kAppend = 1, kSnapshot = 2, kFrontEnd = 3 };
inline constexpr size_t kPeerLanes = 4;

// Bytes of one batch at most; what is larger is not sent.
inline constexpr size_t kPeerBatchBytesMax = size_t{16} << 20;

// Whoever takes what arrives in a lane.
class PeerReceiver {
 public:
  virtual ~PeerReceiver() = default;
  enum class Next { kReadOn, kPause };
  // On a thread of the transport, which serves the other peers' lanes as well: hand it on and
  // return. Batches of one peer and lane come in order, one at a time, `from` having proved that it
  // knows the cookie. The bytes are what the peer sent, unchecked. kPause: nothing more is read
  // from this peer in this lane until PeerTransport::Resume.
  virtual Next OnPeerBatch(base::NodeId from, base::BootId boot, PeerLane lane,
                           base::Slice batch) = 0;
};

// Told, on a thread of the transport, how it stands with the control lane to a peer.
class PeerWatcher {
 public:
  virtual ~PeerWatcher() = default;
  // It was refused or reset, or the peer's name cannot be resolved: its process is most likely not
  // there. Never for silence alone. Once until it is reachable again.
  virtual void OnPeerUnreachable(base::NodeId peer) = 0;
  virtual void OnPeerReachable(base::NodeId peer) = 0;
};

struct PeerTransportOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one.
  uint64_t cluster_id = 0;
  base::NodeId self = {};
  base::BootId boot = {};
  std::string cookie;  // The same on all nodes; never sent.

  // Of what waits for one peer in one lane; beyond, it is dropped.
  size_t queue_bytes_max = size_t{32} << 20;
  // What waits when a write is done becomes the next message, up to about so many bytes.
  size_t message_bytes_wanted = size_t{512} << 10;

  // Both ends show a certificate that this authority has signed. Contents of PEM files.
  struct Tls {
    std::string authority, certificate, key;
  };
  std::optional<Tls> tls = std::nullopt;
};

// Since the start.
struct PeerMetrics {
  struct Lane {
    base::Counter sent_batches, sent_messages, sent_bytes;
    base::Counter received_batches, received_messages, received_bytes;
    base::Counter dropped_full;         // Batches that found the queue full, or were too large.
    base::Counter dropped_unconnected;  // Batches towards a peer that is not there.
  };
  std::array<Lane, kPeerLanes> lanes;
  base::Counter connected;        // Lanes to peers that became ready.
  base::Counter lost;             // Lanes to peers that had been ready and ended.
  base::Counter refused_streams;  // From peers of another cluster, or that do not know the cookie.
  base::Counter refused_by_peer;  // What we were answered in that case.
  base::Counter garbled_streams;  // Ended for an oversized or senseless message.
};

// Moves opaque batches of bytes between the nodes of a cluster, and knows nothing of what they mean
// (gRPC below; streams between nodes, each lane of each direction a connection of its own). A batch
// arrives once or not at all, and in order with the others of its peer and lane while a connection
// lasts. Peers prove to each other that they know the cookie, without showing it.
class PeerTransport {
 public:
  PeerTransport(PeerTransportOptions options, base::Random* random, base::Logger* logger);
  // Stops. Receivers and watchers are called no more once it returns.
  ~PeerTransport();
  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  // Before StartBlocking; borrowed. Lanes without a receiver lose what arrives.
  void SetReceiver(PeerLane lane, PeerReceiver* receiver);
  void AddWatcher(PeerWatcher* watcher);

  // Listens. AlreadyExists: the port is in use; the message names it.
  absl::Status StartBlocking();
  // Ends all connections and threads; StartBlocking cannot follow. Once more does nothing.
  void StopBlocking();
  uint16_t port() const;

  // Any thread, once it has started. Connects to a peer, or anew if its address has changed.
  void SetPeer(base::NodeId peer, const std::string& host, uint16_t port);
  void RemovePeer(base::NodeId peer);

  // Any thread; never blocks. Towards an unknown peer: lost.
  void Send(base::NodeId peer, PeerLane lane, base::SliceChain batch);
  // Any thread: reads on after kPause. Does nothing if it was not paused, but where the receiver is
  // just about to return kPause: then it does not.
  void Resume(base::NodeId from, PeerLane lane);

  PeerMetrics metrics() const;
  // Bytes that wait for this peer in this lane.
  size_t queued_bytes(base::NodeId peer, PeerLane lane) const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_PEER_TRANSPORT_H_
