#ifndef PONTOON_SERVER_NET_PEER_INSIDE_H_
#define PONTOON_SERVER_NET_PEER_INSIDE_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/mutex.h"
#include "server/net/peer_transport.h"

// What the two ends of PeerTransport share. Only for this room's peer_*.cc.

namespace pontoon::net {

// An operation of gRPC that was begun comes back through its completion queue as one of these.
class PeerEvent {
 public:
  explicit PeerEvent(std::function<void(bool)> on_done) : on_done_(std::move(on_done)) {}
  PeerEvent(const PeerEvent&) = delete;
  PeerEvent& operator=(const PeerEvent&) = delete;
  void Done(bool ok) { on_done_(ok); }

 private:
  const std::function<void(bool)> on_done_;
};

// How many ends of streams there still are, to be awaited before the completion queues end.
class PeerCensus {
 public:
  void Born() {
    base::MutexLock lock(&mutex_);
    ++living_;
  }
  void Died() {
    base::MutexLock lock(&mutex_);
    if (--living_ == 0) none_.NotifyAll();
  }
  void AwaitNoneBlocking() {
    base::MutexLock lock(&mutex_);
    while (living_ != 0) none_.Wait(&mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar none_;
  size_t living_ ABSL_GUARDED_BY(mutex_) = 0;
};

// What all streams of a node share.
struct PeerContext {
  PeerTransportOptions options;
  base::Logger* logger;
  PeerMetrics counters;
  PeerCensus census;
  std::array<PeerReceiver*, kPeerLanes> receivers{};
  std::vector<PeerWatcher*> watchers;

  // Any thread. 32 hexadecimal digits that nobody can guess.
  std::string Nonce();

  base::Mutex random_mutex;
  base::Random* random ABSL_PT_GUARDED_BY(random_mutex);
};

// The path of a lane's method, and what it is called in log lines.
const char* PeerMethod(PeerLane lane);
const char* PeerLaneName(PeerLane lane);

// [format] Before anything else is said, both ends of a stream prove that they know the cookie: the
// caller names itself and sends a nonce in the call's metadata, the server answers with a nonce and
// its proof, the caller's first message is its own, the server's first message accepts it. A proof
// is the HMAC-SHA256, in hexadecimal, of all of these under the cookie, so it is good for one
// stream.
inline constexpr char kPeerVersion[] = "1";
inline constexpr char kPeerVersionKey[] = "pontoon-version", kPeerClusterKey[] = "pontoon-cluster",
                      kPeerFromKey[] = "pontoon-from", kPeerToKey[] = "pontoon-to",
                      kPeerBootKey[] = "pontoon-boot", kPeerNonceKey[] = "pontoon-nonce",
                      kPeerProofKey[] = "pontoon-proof";
inline constexpr char kPeerAccepted[] = "accepted";
struct PeerIntroduction {
  uint64_t cluster_id = 0;
  base::NodeId from, to;
  base::BootId boot;
  PeerLane lane = PeerLane::kControl;
  std::string caller_nonce, server_nonce;
};
enum class PeerRole { kCaller, kServer };
std::string PeerProof(const std::string& cookie, PeerRole by, const PeerIntroduction& about);
// In constant time.
bool SamePeerProof(const std::string& a, const std::string& b);

// [format] A message of a stream is one or more batches, each with its length (u32, little-endian)
// before it.
grpc::ByteBuffer PackBatches(absl::Span<const base::SliceChain> batches);
// Copies the message once into a block that all batches share. False: it is not made of batches.
bool UnpackBatches(const grpc::ByteBuffer& message, std::vector<base::Slice>* batches);
// Short messages of the introduction.
grpc::ByteBuffer PackText(const std::string& text);
std::string UnpackText(const grpc::ByteBuffer& message, size_t bytes_max);

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_PEER_INSIDE_H_
