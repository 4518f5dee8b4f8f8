#include "server/net/peer_transport.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/net/peer_inside.h"
#include "server/net/peer_sender.h"
#include "server/net/peer_server.h"

namespace pontoon::net {
namespace {

// Larger than a batch, so that one that is too large is recognised and counted as such.
constexpr int kMessageBytesMax = 2 * kPeerBatchBytesMax;

constexpr size_t kControlQueue = 0, kBulkQueue = 1, kQueues = 2;

constexpr size_t QueueOf(PeerLane lane) {
  return lane == PeerLane::kControl ? kControlQueue : kBulkQueue;
}

}  // namespace

class PeerTransport::Impl {
 public:
  Impl(PeerTransportOptions options, base::Random* random, base::Logger* logger)
      : streams_(&context_, &service_) {
    context_.options = std::move(options);
    context_.random = random;
    context_.logger = logger;
  }

  PeerContext& context() { return context_; }
  const PeerContext& context() const { return context_; }
  PeerStreams& streams() { return streams_; }
  uint16_t port() const { return static_cast<uint16_t>(port_); }

  absl::Status StartBlocking();
  void StopBlocking();
  void SetPeer(base::NodeId peer, const std::string& host, uint16_t port);
  void RemovePeer(base::NodeId peer);
  std::shared_ptr<PeerSender> Find(base::NodeId peer, PeerLane lane) const;

 private:
  struct Peer {
    std::string host;
    uint16_t port = 0;
    std::array<std::shared_ptr<PeerSender>, kPeerLanes> senders;
  };

  PeerContext context_;
  PeerService service_;
  PeerStreams streams_;
  std::array<std::unique_ptr<grpc::ServerCompletionQueue>, kQueues> queues_;
  std::array<std::thread, kQueues> threads_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;

  mutable base::Mutex mutex_;
  std::map<base::NodeId, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status PeerTransport::Impl::StartBlocking() {
  const PeerTransportOptions& options = context_.options;
  PONTOON_CHECK(server_ == nullptr && options.self.value != 0);
  // gRPC writes to standard error on its own, in a form that is not the log's.
  gpr_set_log_function([](gpr_log_func_args*) {});
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  // Two servers on one port would each get half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // What a bulk stream may have on its way; the peers of a cluster are near.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(kPeerLanes));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (options.tls.has_value()) {
    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = options.tls->authority;
    tls.pem_key_cert_pairs.push_back({options.tls->key, options.tls->certificate});
    credentials = grpc::SslServerCredentials(tls);
  }
  const bool bare_ipv6 = absl::StrContains(options.host, ":") && options.host[0] != '[';
  const std::string host = bare_ipv6 ? absl::StrCat("[", options.host, "]") : options.host;
  builder.AddListeningPort(absl::StrCat(host, ":", options.port), credentials, &port_);
  builder.RegisterService(&service_);
  for (auto& queue : queues_) queue = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    if (server_ != nullptr) server_->Shutdown();
    server_.reset();
    for (auto& queue : queues_) {
      queue->Shutdown();
      void* event;
      bool ok;
      while (queue->Next(&event, &ok)) continue;
      queue.reset();
    }
    return absl::AlreadyExistsError(
        absl::StrCat("the cluster port ", options.port, " on ", options.host,
                     " cannot be listened on; it is probably in use by another node"));
  }
  for (size_t lane = 0; lane < kPeerLanes; ++lane) {
    const auto which = static_cast<PeerLane>(lane);
    streams_.Await(which, queues_[QueueOf(which)].get());
  }
  for (size_t i = 0; i < kQueues; ++i) {
    threads_[i] = std::thread([queue = queues_[i].get()] {
      void* event;
      bool ok;
      while (queue->Next(&event, &ok)) static_cast<PeerEvent*>(event)->Done(ok);
    });
  }
  return absl::OkStatus();
}

void PeerTransport::Impl::StopBlocking() {
  std::map<base::NodeId, Peer> peers;
  {
    base::MutexLock lock(&mutex_);
    if (std::exchange(stopped_, true) || server_ == nullptr) return;
    peers.swap(peers_);
  }
  for (auto& [id, peer] : peers) {
    for (auto& sender : peer.senders) sender->Stop();
  }
  peers.clear();
  streams_.Stop();
  server_->Shutdown(std::chrono::system_clock::now());
  context_.census.AwaitNoneBlocking();
  for (auto& queue : queues_) queue->Shutdown();
  for (std::thread& thread : threads_) thread.join();
}

void PeerTransport::Impl::SetPeer(base::NodeId id, const std::string& host, uint16_t port) {
  std::array<std::shared_ptr<PeerSender>, kPeerLanes> old;
  {
    base::MutexLock lock(&mutex_);
    if (stopped_ || id == context_.options.self) return;
    Peer& peer = peers_[id];
    if (peer.host == host && peer.port == port) return;
    old.swap(peer.senders);
    peer.host = host;
    peer.port = port;
    for (size_t i = 0; i < kPeerLanes; ++i) {
      const auto lane = static_cast<PeerLane>(i);
      grpc::CompletionQueue* const queue = queues_[QueueOf(lane)].get();
      peer.senders[i] = std::make_shared<PeerSender>(&context_, queue, id, lane);
      peer.senders[i]->Start(host, port);
    }
  }
  for (auto& sender : old) {
    if (sender != nullptr) sender->Stop();
  }
}

void PeerTransport::Impl::RemovePeer(base::NodeId id) {
  Peer gone;
  {
    base::MutexLock lock(&mutex_);
    const auto peer = peers_.find(id);
    if (peer == peers_.end()) return;
    gone = std::move(peer->second);
    peers_.erase(peer);
  }
  for (auto& sender : gone.senders) sender->Stop();
}

std::shared_ptr<PeerSender> PeerTransport::Impl::Find(base::NodeId id, PeerLane lane) const {
  base::MutexLock lock(&mutex_);
  const auto peer = peers_.find(id);
  return peer == peers_.end() ? nullptr : peer->second.senders[static_cast<size_t>(lane)];
}

PeerTransport::PeerTransport(PeerTransportOptions options, base::Random* random,
                             base::Logger* logger)
    : impl_(std::make_unique<Impl>(std::move(options), random, logger)) {}

PeerTransport::~PeerTransport() { StopBlocking(); }

void PeerTransport::SetReceiver(PeerLane lane, PeerReceiver* receiver) {
  impl_->context().receivers[static_cast<size_t>(lane)] = receiver;
}

void PeerTransport::AddWatcher(PeerWatcher* watcher) {
  impl_->context().watchers.push_back(watcher);
}

absl::Status PeerTransport::StartBlocking() { return impl_->StartBlocking(); }
void PeerTransport::StopBlocking() { impl_->StopBlocking(); }
uint16_t PeerTransport::port() const { return impl_->port(); }

void PeerTransport::SetPeer(base::NodeId peer, const std::string& host, uint16_t port) {
  impl_->SetPeer(peer, host, port);
}

void PeerTransport::RemovePeer(base::NodeId peer) { impl_->RemovePeer(peer); }

void PeerTransport::Send(base::NodeId peer, PeerLane lane, base::SliceChain batch) {
  if (const auto sender = impl_->Find(peer, lane)) {
    sender->Send(std::move(batch));
  } else {
    ++impl_->context().counters.lanes[static_cast<size_t>(lane)].dropped_unconnected;
  }
}

void PeerTransport::Resume(base::NodeId from, PeerLane lane) {
  impl_->streams().Resume(from, lane);
}

size_t PeerTransport::queued_bytes(base::NodeId peer, PeerLane lane) const {
  const auto sender = impl_->Find(peer, lane);
  return sender == nullptr ? 0 : sender->queued_bytes();
}

PeerMetrics PeerTransport::metrics() const { return impl_->context().counters; }

}  // namespace pontoon::net
