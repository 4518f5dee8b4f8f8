#ifndef PONTOON_SERVER_NET_PEER_SENDER_H_
#define PONTOON_SERVER_NET_PEER_SENDER_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "server/net/peer_inside.h"

namespace pontoon::net {

// One lane towards one peer: a connection, a stream on it, and the queue of what is to be sent. It
// keeps trying for as long as it is not stopped. What is sent while there is no connection, nor one
// being made for the first time, is lost: whoever needs it will say it again.
//
// Events of gRPC come one after the other, all from the thread of `queue`; Send from any.
class PeerSender : public std::enable_shared_from_this<PeerSender> {
 public:
  // All are borrowed.
  PeerSender(PeerContext* context, grpc::CompletionQueue* queue, base::NodeId peer, PeerLane lane);
  ~PeerSender();
  PeerSender(const PeerSender&) = delete;
  PeerSender& operator=(const PeerSender&) = delete;

  void Start(const std::string& host, uint16_t port);
  // Ends the stream; nothing is sent and nobody told afterwards. It may go once all that was begun
  // has come back (PeerCensus).
  void Stop();
  void Send(base::SliceChain batch);
  size_t queued_bytes() const;

 private:
  enum class State {
    kWaiting,   // Until the next attempt.
    kCalling,   // The stream is being opened.
    kProving,   // Each side proves that it knows the cookie.
    kReady,     // What is queued is sent.
    kEnding,    // The stream has ended; its status is asked for.
    kStopping,  // For good.
  };
  using Clock = std::chrono::steady_clock;

  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
    PeerIntroduction introduction;
    grpc::ByteBuffer message;
    grpc::Status status;
  };

  void Began() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { ++under_way_; }
  // Runs `handle` for an operation that has come back.
  void Handle(bool ok, void (PeerSender::*handle)(bool)) ABSL_LOCKS_EXCLUDED(mutex_);

  void Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnCalled(bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnIntroduced(bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnWritten(bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnRead(bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnEnded(bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnWaited(bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wait() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Judge(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PeerMetrics::Lane& counters() { return context_->counters.lanes[static_cast<size_t>(lane_)]; }

  PeerContext* const context_;
  grpc::CompletionQueue* const queue_;
  const base::NodeId peer_;
  const PeerLane lane_;
  PeerEvent called_, introduced_, written_, read_, ended_, waited_;

  mutable base::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kWaiting;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::GenericStub> stub_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);
  std::deque<base::SliceChain> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Operations that were begun and have not come back; while there are any, it lives.
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<PeerSender> alive_ ABSL_GUARDED_BY(mutex_);
  std::chrono::milliseconds backoff_ ABSL_GUARDED_BY(mutex_){0};
  Clock::time_point next_attempt_ ABSL_GUARDED_BY(mutex_);
  grpc_connectivity_state waited_on_ ABSL_GUARDED_BY(mutex_) = GRPC_CHANNEL_IDLE;
  Clock::time_point ready_since_ ABSL_GUARDED_BY(mutex_);
  // What the watchers were last told, and what they are to be told once the lock is given up.
  enum class Standing { kUnknown, kReachable, kUnreachable };
  Standing told_ ABSL_GUARDED_BY(mutex_) = Standing::kUnknown;
  Standing to_tell_ ABSL_GUARDED_BY(mutex_) = Standing::kUnknown;
  std::string own_reason_ ABSL_GUARDED_BY(mutex_);      // Why we have ended the stream ourselves.
  std::string logged_trouble_ ABSL_GUARDED_BY(mutex_);  // Said once in the log.
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_PEER_SENDER_H_
