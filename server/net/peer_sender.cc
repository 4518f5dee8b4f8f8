#include "server/net/peer_sender.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pontoon::net {
namespace {

constexpr std::chrono::milliseconds kBackoffMin{100}, kBackoffMax{2000};
// A connection that held for so long was a good one: the next attempt comes at once.
constexpr std::chrono::seconds kGoodFor{1};
// How long it takes at most until a stop is noticed while waiting for the next attempt.
constexpr std::chrono::milliseconds kWaitStep{100};
constexpr size_t kAcceptedBytesMax = 64;

grpc::ChannelArguments ArgumentsFor(PeerLane lane) {
  grpc::ChannelArguments arguments;
  // A connection of its own, which shares neither its window nor its place in the kernel's queue.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kBackoffMin.count());
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kBackoffMax.count());
  // Also how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kBackoffMax.count());
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 500);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Otherwise pings stop after two of them.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, 1 << 20);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetString(GRPC_ARG_OPTIMIZATION_TARGET,
                      lane == PeerLane::kControl ? "latency" : "throughput");
  return arguments;
}

// gRPC tells what happened to a connection only in words. Silence is not told: a peer that does not
// answer may be alive and cut off from us alone.
bool SaysNothingOfThePeer(const std::string& error) {
  const std::string text = absl::AsciiStrToLower(error);
  for (const char* word : {"timeout", "timed out", "deadline", "no route", "unreachable"}) {
    if (absl::StrContains(text, word)) return true;
  }
  return false;
}

}  // namespace

PeerSender::PeerSender(PeerContext* context, grpc::CompletionQueue* queue, base::NodeId peer,
                       PeerLane lane)
    : context_(context),
      queue_(queue),
      peer_(peer),
      lane_(lane),
      called_([this](bool ok) { Handle(ok, &PeerSender::OnCalled); }),
      introduced_([this](bool ok) { Handle(ok, &PeerSender::OnIntroduced); }),
      written_([this](bool ok) { Handle(ok, &PeerSender::OnWritten); }),
      read_([this](bool ok) { Handle(ok, &PeerSender::OnRead); }),
      ended_([this](bool ok) { Handle(ok, &PeerSender::OnEnded); }),
      waited_([this](bool ok) { Handle(ok, &PeerSender::OnWaited); }) {
  context_->census.Born();
}

PeerSender::~PeerSender() { context_->census.Died(); }

void PeerSender::Start(const std::string& host, uint16_t port) {
  base::MutexLock lock(&mutex_);
  const bool bare_ipv6 = absl::StrContains(host, ":") && !absl::StartsWith(host, "[");
  const std::string target =
      absl::StrCat("dns:///", bare_ipv6 ? absl::StrCat("[", host, "]") : host, ":", port);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (context_->options.tls.has_value()) {
    const PeerTransportOptions::Tls& tls = *context_->options.tls;
    credentials = grpc::SslCredentials({tls.authority, tls.key, tls.certificate});
  }
  channel_ = grpc::CreateCustomChannel(target, credentials, ArgumentsFor(lane_));
  stub_ = std::make_unique<grpc::GenericStub>(channel_);
  Begin();
}

void PeerSender::Stop() {
  base::MutexLock lock(&mutex_);
  state_ = State::kStopping;
  waiting_.clear();
  waiting_bytes_ = 0;
  if (call_ != nullptr) call_->context.TryCancel();
}

void PeerSender::Send(base::SliceChain batch) {
  const size_t bytes = batch.size();
  if (bytes == 0) return;
  base::MutexLock lock(&mutex_);
  if (state_ == State::kWaiting || state_ == State::kEnding || state_ == State::kStopping) {
    ++counters().dropped_unconnected;
    return;
  }
  if (bytes > kPeerBatchBytesMax || waiting_bytes_ + bytes > context_->options.queue_bytes_max) {
    ++counters().dropped_full;
    return;
  }
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(batch));
  WriteNext();
}

size_t PeerSender::queued_bytes() const {
  base::MutexLock lock(&mutex_);
  return waiting_bytes_;
}

void PeerSender::Handle(bool ok, void (PeerSender::*handle)(bool)) {
  std::shared_ptr<PeerSender> last;
  Standing tell;
  {
    base::MutexLock lock(&mutex_);
    --under_way_;
    (this->*handle)(ok);
    tell = std::exchange(to_tell_, Standing::kUnknown);
    if (state_ == State::kStopping && under_way_ == 0) {
      call_.reset();
      last = std::move(alive_);
    }
    if (state_ == State::kStopping) tell = Standing::kUnknown;
  }
  if (tell == Standing::kUnknown) return;
  for (PeerWatcher* watcher : context_->watchers) {
    if (tell == Standing::kReachable) {
      watcher->OnPeerReachable(peer_);
    } else {
      watcher->OnPeerUnreachable(peer_);
    }
  }
}

void PeerSender::Begin() {
  alive_ = shared_from_this();
  state_ = State::kCalling;
  call_ = std::make_unique<Call>();
  PeerIntroduction& introduction = call_->introduction;
  introduction.cluster_id = context_->options.cluster_id;
  introduction.from = context_->options.self;
  introduction.to = peer_;
  introduction.boot = context_->options.boot;
  introduction.lane = lane_;
  introduction.caller_nonce = context_->Nonce();
  grpc::ClientContext& context = call_->context;
  context.AddMetadata(kPeerVersionKey, kPeerVersion);
  context.AddMetadata(kPeerClusterKey, absl::StrCat(introduction.cluster_id));
  context.AddMetadata(kPeerFromKey, absl::StrCat(introduction.from.value));
  context.AddMetadata(kPeerToKey, absl::StrCat(introduction.to.value));
  context.AddMetadata(kPeerBootKey, absl::StrCat(introduction.boot.value));
  context.AddMetadata(kPeerNonceKey, introduction.caller_nonce);
  call_->stream = stub_->PrepareCall(&context, PeerMethod(lane_), queue_);
  Began();
  call_->stream->StartCall(&called_);
}

void PeerSender::OnCalled(bool ok) {
  if (!ok || state_ == State::kStopping) return End();
  Began();
  call_->stream->ReadInitialMetadata(&introduced_);
}

void PeerSender::OnIntroduced(bool ok) {
  if (!ok || state_ == State::kStopping) return End();
  std::string proof;
  for (const auto& [key, value] : call_->context.GetServerInitialMetadata()) {
    const std::string text(value.data(), value.size());
    if (key == kPeerNonceKey) call_->introduction.server_nonce = text;
    if (key == kPeerProofKey) proof = text;
  }
  if (proof.empty()) return End();  // It was refused; the status says why.
  const std::string& cookie = context_->options.cookie;
  if (!SamePeerProof(proof, PeerProof(cookie, PeerRole::kServer, call_->introduction))) {
    call_->context.TryCancel();
    ++context_->counters.refused_by_peer;
    own_reason_ = "it does not know the cookie";
    return End();
  }
  state_ = State::kProving;
  writing_ = true;
  Began();
  call_->stream->Write(PackText(PeerProof(cookie, PeerRole::kCaller, call_->introduction)),
                       &written_);
  Read();
}

void PeerSender::Read() {
  Began();
  call_->stream->Read(&call_->message, &read_);
}

void PeerSender::OnRead(bool ok) {
  if (!ok || state_ == State::kStopping) return End();
  if (state_ == State::kProving) {
    if (UnpackText(call_->message, kAcceptedBytesMax) != kPeerAccepted) {
      call_->context.TryCancel();
      return End();
    }
    state_ = State::kReady;
    ready_since_ = Clock::now();
    ++context_->counters.connected;
    logged_trouble_.clear();
    if (lane_ == PeerLane::kControl && told_ != Standing::kReachable) {
      told_ = to_tell_ = Standing::kReachable;
      context_->logger->Log(base::LogLevel::kInfo, 0,
                            absl::StrCat("node ", absl::Hex(peer_.value), " is reachable"));
    }
    WriteNext();
  }
  call_->message.Clear();
  Read();  // The peer has nothing more to say; this ends when the stream does.
}

void PeerSender::WriteNext() {
  if (state_ != State::kReady || writing_ || waiting_.empty()) return;
  std::vector<base::SliceChain> batches;
  size_t bytes = 0;
  while (!waiting_.empty() && (batches.empty() || bytes + waiting_.front().size() <=
                                                      context_->options.message_bytes_wanted)) {
    bytes += waiting_.front().size();
    batches.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  waiting_bytes_ -= bytes;
  counters().sent_batches += batches.size();
  counters().sent_messages += 1;
  counters().sent_bytes += bytes;
  writing_ = true;
  Began();
  call_->stream->Write(PackBatches(batches), &written_);
}

void PeerSender::OnWritten(bool ok) {
  writing_ = false;
  if (!ok || state_ == State::kEnding || state_ == State::kStopping) return End();
  WriteNext();
}

// The stream has ended, or is to: asks for its status once nothing else is under way.
void PeerSender::End() {
  if (state_ == State::kReady) {
    ++context_->counters.lost;
    if (Clock::now() - ready_since_ >= kGoodFor) backoff_ = std::chrono::milliseconds(0);
  }
  if (state_ != State::kStopping) state_ = State::kEnding;
  DropQueue();
  if (writing_) call_->context.TryCancel();
  if (under_way_ > 0) return;
  Began();
  call_->stream->Finish(&call_->status, &ended_);
}

void PeerSender::OnEnded(bool) {
  const grpc::Status status = call_->status;
  call_.reset();
  if (state_ == State::kStopping) return;
  Judge(status);
  Wait();
}

void PeerSender::Judge(const grpc::Status& status) {
  const std::string own_reason = std::exchange(own_reason_, {});
  const std::string reason = own_reason.empty() ? status.error_message() : own_reason;
  bool is_gone = false;
  switch (status.error_code()) {
    case grpc::StatusCode::UNAUTHENTICATED:
      ++context_->counters.refused_by_peer;
      break;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
      break;  // It is there, and does not want us.
    default:
      is_gone = own_reason.empty() && !SaysNothingOfThePeer(reason);
  }
  if (lane_ != PeerLane::kControl) return;
  if (is_gone && told_ != Standing::kUnreachable) told_ = to_tell_ = Standing::kUnreachable;
  if (reason == logged_trouble_) return;
  logged_trouble_ = reason;
  context_->logger->Log(
      base::LogLevel::kWarning, 0,
      absl::StrCat("no connection to node ", absl::Hex(peer_.value), ": ", reason));
}

void PeerSender::DropQueue() {
  counters().dropped_unconnected += waiting_.size();
  waiting_.clear();
  waiting_bytes_ = 0;
}

void PeerSender::Wait() {
  state_ = State::kWaiting;
  DropQueue();
  next_attempt_ = Clock::now() + backoff_;
  const bool at_once = backoff_.count() == 0;
  backoff_ = std::clamp(backoff_ * 2, kBackoffMin, kBackoffMax);
  if (at_once) return Begin();
  waited_on_ = channel_->GetState(false);
  OnWaited(true);
}

void PeerSender::OnWaited(bool) {
  if (state_ == State::kStopping) return;
  const auto now = Clock::now();
  const grpc_connectivity_state channel = channel_->GetState(false);
  const bool is_back = channel == GRPC_CHANNEL_READY && waited_on_ != channel;
  waited_on_ = channel;
  if (now >= next_attempt_ || is_back) {
    // gRPC's own waiting, also for names, would only make ours longer.
    if (channel == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
    }
    return Begin();
  }
  const auto step = std::min<Clock::duration>(next_attempt_ - now, kWaitStep);
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(step);
  Began();
  channel_->NotifyOnStateChange(channel, deadline, queue_, &waited_);
}

}  // namespace pontoon::net
