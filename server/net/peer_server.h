#ifndef PONTOON_SERVER_NET_PEER_SERVER_H_
#define PONTOON_SERVER_NET_PEER_SERVER_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/async_stream.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "server/net/peer_inside.h"

namespace pontoon::net {

// The service that peers send to: one method of raw bytes for each lane, so that each lane's
// streams can have a completion queue of their own.
class PeerService final : public grpc::Service {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  PeerService();
  void Request(PeerLane lane, grpc::ServerContext* context, Stream* stream,
               grpc::ServerCompletionQueue* queue, PeerEvent* event);
};

class PeerStream;

// The receiving ends of all streams.
class PeerStreams {
 public:
  // All are borrowed.
  PeerStreams(PeerContext* context, PeerService* service) : context_(context), service_(service) {}

  // Awaits the next stream of this lane.
  void Await(PeerLane lane, grpc::ServerCompletionQueue* queue);
  void Resume(base::NodeId from, PeerLane lane);
  // No stream pauses any more, nor tells receivers anything.
  void Stop();

  // For the streams.

  bool stopping() const { return stopping_; }

  PeerContext* context() const { return context_; }
  PeerService* service() const { return service_; }
  // A stream is to prove itself; false if too many are about to.
  bool Enter();
  void Leave();
  // It is the peer's stream in this lane from now on; an older one ends.
  void Proved(base::NodeId from, PeerLane lane, PeerStream* stream);
  void Gone(base::NodeId from, PeerLane lane, PeerStream* stream);
  void LogRefusal(const std::string& text);

 private:
  PeerContext* const context_;
  PeerService* const service_;
  std::atomic<bool> stopping_{false};
  base::Mutex mutex_;
  std::map<std::pair<base::NodeId, PeerLane>, PeerStream*> proved_ ABSL_GUARDED_BY(mutex_);
  size_t unproved_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t refusals_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One stream, from being awaited to its end; owns itself. Events of gRPC come one after the other,
// all from the thread of its queue.
class PeerStream {
 public:
  PeerStream(PeerStreams* streams, PeerLane lane, grpc::ServerCompletionQueue* queue);
  ~PeerStream();
  PeerStream(const PeerStream&) = delete;
  PeerStream& operator=(const PeerStream&) = delete;

  // Any thread, while it is known to PeerStreams.
  void Resume();
  // On its queue's thread: a newer stream takes its place.
  void Supersede();

 private:
  using Handler = void (PeerStream::*)(bool);
  void Handle(bool ok, Handler handler);
  void Begin(PeerEvent* event);  // Counts an operation; returns the event for it.
  void OnArrived(bool ok);
  void OnIntroduced(bool ok);
  void OnAccepted(bool ok);
  void OnRead(bool ok);
  void OnTooLate(bool ok);
  void OnFinished(bool) {}
  std::string Introduce();  // What is wrong with the call, if anything.
  void Refuse(const std::string& why);
  void Finish(const grpc::Status& status);
  void Read();
  bool Take();
  std::string Metadata(const char* key) const;
  uint64_t NumberIn(const char* key) const;  // 0 if it is none.

  PeerStreams* const streams_;
  PeerContext* const context_;
  const PeerLane lane_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext call_;
  PeerService::Stream stream_;
  PeerEvent arrived_, introduced_, accepted_, read_, too_late_, finished_;
  grpc::Alarm alarm_;
  PeerIntroduction introduction_;
  grpc::ByteBuffer message_;
  std::vector<base::Slice> batches_;  // Kept for its memory.
  int under_way_ = 0;                 // Operations that have not come back; a pause counts as one.
  bool entered_ = false, proved_ = false, superseded_ = false;
  bool writing_ = false, finishing_ = false;
  grpc::Status final_;

  base::Mutex mutex_;
  enum class Reading { kOn, kPaused, kResumed } reading_ ABSL_GUARDED_BY(mutex_) = Reading::kOn;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_PEER_SERVER_H_
