#include "server/net/peer_server.h"

#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pontoon::net {
namespace {

// Who has not proved himself by then is sent away.
constexpr std::chrono::seconds kProofTime{10};
// Streams that have not proved themselves yet, at most.
constexpr size_t kUnprovedMax = 64;
constexpr size_t kNonceBytesMax = 64, kProofBytes = 64;

}  // namespace

PeerService::PeerService() {
  for (size_t lane = 0; lane < kPeerLanes; ++lane) {
    AddMethod(new grpc::internal::RpcServiceMethod(PeerMethod(static_cast<PeerLane>(lane)),
                                                   grpc::internal::RpcMethod::BIDI_STREAMING,
                                                   nullptr));
    MarkMethodAsync(static_cast<int>(lane));
  }
}

void PeerService::Request(PeerLane lane, grpc::ServerContext* context, Stream* stream,
                          grpc::ServerCompletionQueue* queue, PeerEvent* event) {
  RequestAsyncBidiStreaming(static_cast<int>(lane), context, stream, queue, queue, event);
}

void PeerStreams::Await(PeerLane lane, grpc::ServerCompletionQueue* queue) {
  new PeerStream(this, lane, queue);  // Owns itself.
}

void PeerStreams::Resume(base::NodeId from, PeerLane lane) {
  base::MutexLock lock(&mutex_);
  const auto stream = proved_.find({from, lane});
  if (stream != proved_.end()) stream->second->Resume();
}

void PeerStreams::Stop() {
  stopping_ = true;
  base::MutexLock lock(&mutex_);
  for (const auto& [key, stream] : proved_) stream->Resume();
}

bool PeerStreams::Enter() {
  base::MutexLock lock(&mutex_);
  if (unproved_ >= kUnprovedMax) return false;
  ++unproved_;
  return true;
}

void PeerStreams::Leave() {
  base::MutexLock lock(&mutex_);
  --unproved_;
}

void PeerStreams::Proved(base::NodeId from, PeerLane lane, PeerStream* stream) {
  base::MutexLock lock(&mutex_);
  PeerStream*& known = proved_[{from, lane}];
  if (known != nullptr) known->Supersede();
  known = stream;
}

void PeerStreams::Gone(base::NodeId from, PeerLane lane, PeerStream* stream) {
  base::MutexLock lock(&mutex_);
  const auto known = proved_.find({from, lane});
  if (known != proved_.end() && known->second == stream) proved_.erase(known);
}

void PeerStreams::LogRefusal(const std::string& text) {
  ++context_->counters.refused_streams;
  uint64_t refusals;
  {
    base::MutexLock lock(&mutex_);
    refusals = ++refusals_;
  }
  // Who knocks all day does not fill the log.
  if ((refusals & (refusals - 1)) != 0) return;
  context_->logger->Log(
      base::LogLevel::kWarning, 0,
      absl::StrCat("refused a node's connection (", refusals, " so far): ", text));
}

PeerStream::PeerStream(PeerStreams* streams, PeerLane lane, grpc::ServerCompletionQueue* queue)
    : streams_(streams),
      context_(streams->context()),
      lane_(lane),
      queue_(queue),
      stream_(&call_),
      arrived_([this](bool ok) { Handle(ok, &PeerStream::OnArrived); }),
      introduced_([this](bool ok) { Handle(ok, &PeerStream::OnIntroduced); }),
      accepted_([this](bool ok) { Handle(ok, &PeerStream::OnAccepted); }),
      read_([this](bool ok) { Handle(ok, &PeerStream::OnRead); }),
      too_late_([this](bool ok) { Handle(ok, &PeerStream::OnTooLate); }),
      finished_([this](bool ok) { Handle(ok, &PeerStream::OnFinished); }) {
  context_->census.Born();
  ++under_way_;
  streams_->service()->Request(lane_, &call_, &stream_, queue_, &arrived_);
}

PeerStream::~PeerStream() {
  if (proved_) streams_->Gone(introduction_.from, lane_, this);
  if (entered_) streams_->Leave();
  context_->census.Died();
}

void PeerStream::Handle(bool ok, Handler handler) {
  --under_way_;
  (this->*handler)(ok);
  if (under_way_ == 0) delete this;
}

std::string PeerStream::Metadata(const char* key) const {
  const auto found = call_.client_metadata().find(key);
  if (found == call_.client_metadata().end()) return "";
  return std::string(found->second.data(), found->second.size());
}

uint64_t PeerStream::NumberIn(const char* key) const {
  uint64_t number;
  return absl::SimpleAtoi(Metadata(key), &number) ? number : 0;
}

void PeerStream::OnArrived(bool ok) {
  if (!ok) return;  // The server has stopped.
  streams_->Await(lane_, queue_);
  entered_ = streams_->Enter();
  if (!entered_) {
    return Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many new streams"));
  }
  if (const std::string wrong = Introduce(); !wrong.empty()) return Refuse(wrong);
  ++under_way_;
  alarm_.Set(queue_, std::chrono::system_clock::now() + kProofTime, &too_late_);
  call_.AddInitialMetadata(kPeerNonceKey, introduction_.server_nonce);
  call_.AddInitialMetadata(kPeerProofKey,
                           PeerProof(context_->options.cookie, PeerRole::kServer, introduction_));
  ++under_way_;
  stream_.SendInitialMetadata(&introduced_);
}

std::string PeerStream::Introduce() {
  const PeerTransportOptions& own = context_->options;
  if (Metadata(kPeerVersionKey) != kPeerVersion) return "it speaks another version";
  introduction_.cluster_id = NumberIn(kPeerClusterKey);
  introduction_.from.value = NumberIn(kPeerFromKey);
  introduction_.to.value = NumberIn(kPeerToKey);
  introduction_.boot.value = static_cast<uint32_t>(NumberIn(kPeerBootKey));
  introduction_.lane = lane_;
  introduction_.caller_nonce = Metadata(kPeerNonceKey);
  introduction_.server_nonce = context_->Nonce();
  if (introduction_.cluster_id != own.cluster_id) return "it belongs to another cluster";
  if (introduction_.to != own.self) return "it looks for another node at this address";
  if (introduction_.from.value == 0 || introduction_.from == own.self) return "it has no name";
  if (introduction_.caller_nonce.empty() || introduction_.caller_nonce.size() > kNonceBytesMax) {
    return "its nonce is none";
  }
  return "";
}

void PeerStream::Refuse(const std::string& why) {
  streams_->LogRefusal(absl::StrCat(call_.peer(), ": ", why));
  Finish(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, why));
}

void PeerStream::Finish(const grpc::Status& status) {
  if (finishing_) return;
  finishing_ = true;
  final_ = status;
  alarm_.Cancel();
  if (writing_) return;
  ++under_way_;
  stream_.Finish(final_, &finished_);
}

void PeerStream::OnIntroduced(bool ok) {
  if (!ok) return Finish(grpc::Status::CANCELLED);
  Read();
}

void PeerStream::OnTooLate(bool ok) {
  if (!ok || proved_ || finishing_) return;
  streams_->LogRefusal(absl::StrCat(call_.peer(), ": it has not proved itself in time"));
  call_.TryCancel();  // Whatever is under way fails.
}

void PeerStream::Read() {
  ++under_way_;
  stream_.Read(&message_, &read_);
}

void PeerStream::OnRead(bool ok) {
  if (finishing_) return;
  if (!ok) return Finish(grpc::Status::CANCELLED);
  if (!proved_) {
    const std::string proof = UnpackText(message_, kProofBytes);
    message_.Clear();
    if (!SamePeerProof(proof,
                       PeerProof(context_->options.cookie, PeerRole::kCaller, introduction_))) {
      return Refuse("it does not know the cookie");
    }
    proved_ = true;
    alarm_.Cancel();
    streams_->Leave();
    entered_ = false;
    streams_->Proved(introduction_.from, lane_, this);
    writing_ = true;
    ++under_way_;
    stream_.Write(PackText(kPeerAccepted), &accepted_);
    return Read();
  }
  const bool go_on = Take();
  if (finishing_) return;
  {
    base::MutexLock lock(&mutex_);
    if (!go_on && reading_ == Reading::kOn && !streams_->stopping()) {
      reading_ = Reading::kPaused;
      ++under_way_;  // So that it lives until it reads on.
      return;
    }
    reading_ = Reading::kOn;
  }
  Read();
}

void PeerStream::OnAccepted(bool) {
  writing_ = false;
  if (!finishing_) return;
  ++under_way_;
  stream_.Finish(final_, &finished_);
}

// False: read no further for now.
bool PeerStream::Take() {
  PeerMetrics::Lane& counters = context_->counters.lanes[static_cast<size_t>(lane_)];
  PeerReceiver* const receiver = context_->receivers[static_cast<size_t>(lane_)];
  const size_t bytes = message_.Length();
  batches_.clear();
  bool senseless = !UnpackBatches(message_, &batches_);
  message_.Clear();
  for (const base::Slice& batch : batches_) senseless |= batch.size() > kPeerBatchBytesMax;
  if (senseless) {
    batches_.clear();
    ++context_->counters.garbled_streams;
    Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a message that is no batch"));
    return false;
  }
  counters.received_bytes += bytes;
  ++counters.received_messages;
  bool go_on = true;
  for (base::Slice& batch : batches_) {
    if (superseded_ || streams_->stopping()) break;
    ++counters.received_batches;
    if (receiver == nullptr) continue;
    go_on &= receiver->OnPeerBatch(introduction_.from, introduction_.boot, lane_,
                                   std::move(batch)) == PeerReceiver::Next::kReadOn;
  }
  batches_.clear();
  return go_on;
}

void PeerStream::Resume() {
  base::MutexLock lock(&mutex_);
  if (reading_ == Reading::kPaused) {
    reading_ = Reading::kOn;
    stream_.Read(&message_, &read_);  // The pause was counted as under way.
  } else {
    reading_ = Reading::kResumed;
  }
}

void PeerStream::Supersede() {
  superseded_ = true;
  call_.TryCancel();
  Resume();
}

}  // namespace pontoon::net
