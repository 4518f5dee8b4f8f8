#include "server/net/stream_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/net/stream_impl.h"

namespace pontoon::net {
namespace {

// How often a paused connection is asked whether its peer has closed, and for how long the peer's
// unread bytes may still be wanted: a pause by flow control is shorter.
constexpr base::Duration kPauseCheck = base::Seconds(1);
constexpr base::Duration kPausedPeerGrace = base::Seconds(3);

}  // namespace

StreamSocket::Impl::Impl(EventLoop* l, AcceptedSocket socket, StreamHandler* handler,
                         Options options)
    : loop(l),
      peer(socket.peer()),
      local(socket.local()),
      transport(socket.tls() ? socket.tls()->NewTransport(socket.fd())
                             : NewPlainTransport(socket.fd())),
      tls(socket.tls() != nullptr),
      handler_(handler),
      options_(options),
      slot_(socket.TakeSlot()),
      descriptor_(std::make_unique<Descriptor>(l, socket.TakeFd(), this)) {}

void StreamSocket::Impl::Start() {
  loop->AssertHere();
  if (!tls) {
    Open();
    return;
  }
  state_ = State::kHandshake;
  timer_ = loop->RunAfter(options_.tls_handshake_timeout, [self = shared_from_this()] {
    self->timer_ = TimerId();
    self->Finish(absl::DeadlineExceededError("the TLS handshake was not finished in time"));
  });
  Handshake();
}

void StreamSocket::Impl::Handshake() {
  const IoResult result = transport->Handshake();
  switch (result.kind) {
    case IoResult::kBytes:
      loop->CancelTimer(&timer_);
      Open();
      return;
    case IoResult::kWantRead:
      descriptor_->WaitReadable();
      return;
    case IoResult::kWantWrite:
      descriptor_->WaitWritable();
      return;
    case IoResult::kEnd:
      Finish(absl::UnauthenticatedError("TLS handshake failed: the peer closed the connection"));
      return;
    case IoResult::kError:
      Finish(absl::UnauthenticatedError(
          absl::StrCat("TLS handshake failed: ", result.error.message())));
      return;
  }
}

void StreamSocket::Impl::Open() {
  state_ = State::kOpen;
  if (allowance != kUnlimited) WatchPausedPeer();
  if (allowance > 0) {
    descriptor_->WaitReadable();
    // The client's first bytes may have come with the last ones of its handshake.
    if (transport->has_buffered()) descriptor_->PretendReadable();
  }
  if (queued_bytes > 0) ScheduleWrite();
  if (handler_ != nullptr) handler_->OnOpen();
}

void StreamSocket::Impl::Detach() {
  handler_ = nullptr;
  if (state_ != State::kFlushing && state_ != State::kLingering) Finish(absl::OkStatus());
}

void StreamSocket::Impl::Close() {
  if (state_ == State::kHandshake || state_ == State::kIdle) {
    Finish(absl::OkStatus());
  } else if (state_ == State::kOpen) {
    BeginClosing(false);
  }
}

void StreamSocket::Impl::BeginClosing(bool peer_is_done) {
  state_ = State::kFlushing;
  peer_is_done_ = peer_is_done;
  ReleaseBlock();
  loop->CancelTimer(&pause_timer_);
  // Keeps this alive, also when nobody else does.
  timer_ = loop->RunAfter(options_.linger, [self = shared_from_this()] {
    self->timer_ = TimerId();
    self->DropWithReset();
    self->Finish(absl::DeadlineExceededError(
        "the peer did not take the last bytes or did not close in time"));
  });
  ScheduleWrite();
  if (!peer_is_done) descriptor_->WaitReadable();
}

void StreamSocket::Impl::FinishWriting() {
  transport->EndOfWrites();
  if (peer_is_done_) {
    Finish(absl::OkStatus());
    return;
  }
  shutdown(descriptor_->fd(), SHUT_WR);
  state_ = State::kLingering;
  descriptor_->PretendReadable();
}

void StreamSocket::Impl::Finish(const absl::Status& reason) {
  if (state_ == State::kClosed) return;
  const auto self = shared_from_this();
  state_ = State::kClosed;
  loop->CancelTimer(&timer_);
  loop->CancelTimer(&pause_timer_);
  ReleaseBlock();
  queue_ = std::vector<base::Slice>();
  queued_bytes = 0;
  descriptor_.reset();
  slot_ = ConnectionSlot();
  if (StreamHandler* handler = std::exchange(handler_, nullptr)) handler->OnClosed(reason);
}

void StreamSocket::Impl::DropWithReset() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  if (descriptor_ != nullptr)
    setsockopt(descriptor_->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void StreamSocket::Impl::Abort() {
  handler_ = nullptr;
  DropWithReset();
  Finish(absl::OkStatus());
}

void StreamSocket::Impl::PauseReading(uint64_t more_bytes) {
  if (state_ == State::kClosed) return;
  const bool stopped = std::exchange(allowance, more_bytes) == 0;
  if (state_ != State::kOpen) return;
  if (!pause_timer_) WatchPausedPeer();
  if (stopped && more_bytes > 0) descriptor_->PretendReadable();
}

void StreamSocket::Impl::WatchPausedPeer() {
  paused_since_ = loop->now();
  descriptor_->WaitError();
  pause_timer_ =
      loop->RunAfter(kPauseCheck, [self = shared_from_this()] { self->CheckPausedPeer(); });
}

void StreamSocket::Impl::CheckPausedPeer() {
  pause_timer_ = TimerId();
  if (allowance == 0) {
    pollfd ask{.fd = descriptor_->fd(), .events = POLLRDHUP, .revents = 0};
    const bool gone = poll(&ask, 1, 0) == 1 && (ask.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    if (gone && loop->now() - paused_since_ >= kPausedPeerGrace) {
      Finish(absl::CancelledError("the peer closed the connection"));
      return;
    }
  }
  pause_timer_ =
      loop->RunAfter(kPauseCheck, [self = shared_from_this()] { self->CheckPausedPeer(); });
}

void StreamSocket::Impl::ResumeReading() {
  if (state_ == State::kClosed) return;
  loop->CancelTimer(&pause_timer_);
  const bool stopped = std::exchange(allowance, kUnlimited) == 0;
  if (stopped && state_ == State::kOpen) descriptor_->PretendReadable();
}

void StreamSocket::Impl::OnBroken() {
  if (state_ == State::kOpen && allowance == 0) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(descriptor_->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    Finish(error == 0 ? absl::CancelledError("the peer closed the connection")
                      : SocketError(error));
  }
}

StreamSocket::StreamSocket(EventLoop* loop, AcceptedSocket socket, StreamHandler* handler,
                           Options options)
    : impl_(std::make_shared<Impl>(loop, std::move(socket), handler, options)) {}

StreamSocket::~StreamSocket() { impl_->Detach(); }
void StreamSocket::Start() { impl_->Start(); }

void StreamSocket::Write(base::SliceChain bytes) {
  for (const base::Slice& slice : bytes.slices()) impl_->Write(slice);
}

void StreamSocket::Write(base::Slice bytes) { impl_->Write(std::move(bytes)); }
uint64_t StreamSocket::queued_bytes() const { return impl_->queued_bytes; }
uint64_t StreamSocket::write_position() const { return impl_->written + impl_->queued_bytes; }
uint64_t StreamSocket::bytes_written() const { return impl_->written; }
uint64_t StreamSocket::bytes_read() const { return impl_->read; }
void StreamSocket::SetLowWater(uint64_t bytes) { impl_->low_water = bytes; }
void StreamSocket::WantWritten(uint64_t position) { impl_->written_mark = position; }
void StreamSocket::PauseReading(uint64_t more_bytes) { impl_->PauseReading(more_bytes); }
void StreamSocket::ResumeReading() { impl_->ResumeReading(); }
bool StreamSocket::reading_stopped() const { return impl_->allowance == 0; }
void StreamSocket::Close() { impl_->Close(); }
void StreamSocket::Abort() { impl_->Abort(); }
const Endpoint& StreamSocket::peer() const { return impl_->peer; }
const Endpoint& StreamSocket::local() const { return impl_->local; }
bool StreamSocket::is_tls() const { return impl_->tls; }

StreamSocket::TlsInfo StreamSocket::tls_info() const {
  return {impl_->transport->protocol(), impl_->transport->cipher(),
          impl_->transport->peer_subject()};
}

}  // namespace pontoon::net
