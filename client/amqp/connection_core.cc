#include "client/amqp/connection_core.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace pontoon::client {

ConnectionCore::ConnectionCore(ConnectionOptions options, std::unique_ptr<Transport> transport,
                               amqp::FrameReader reader, Negotiated negotiated)
    : options_(std::move(options)),
      transport_(std::move(transport)),
      negotiated_(std::move(negotiated)),
      control_(std::make_shared<ChannelState>(0)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      writer_(negotiated_.frame_max, 65536),
      io_reader_(std::move(reader)) {
  PONTOON_CHECK(wake_fd_ >= 0);
  channels_.push_back(control_);
}

ConnectionCore::~ConnectionCore() {
  close(wake_fd_);
  if (io_block_ != nullptr) io_block_->Unref();
}

void ConnectionCore::Start() {
  // The thread waits for the lock, so it never sees its own id unset.
  base::MutexLock lock(&mutex_);
  io_thread_ = std::thread([this] { Run(); });
  io_thread_id_ = io_thread_.get_id();
}

void ConnectionCore::Cut(bool at_once) {
  base::MutexLock lock(&mutex_);
  cut_ = true;
  if (at_once) transport_->Cut();
  asleep_ = true;  // Also where it does not sleep for lack of output: it must look at cut_.
  Wake();
}

void ConnectionCore::Stop() {
  PONTOON_CHECK_MSG(!OnIoThread(), "a connection must not be destroyed by its own handler");
  Cut(/*at_once=*/false);
  if (io_thread_.joinable()) io_thread_.join();
}

void ConnectionCore::Wake() {
  if (!asleep_) return;
  asleep_ = false;
  const uint64_t one = 1;
  // Can fail only where the counter is full, and then the thread is woken already.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

absl::Status ConnectionCore::StatusOf(const ChannelState& state) const {
  if (!closed_.ok()) return closed_;
  if (!state.closed.ok()) return state.closed;
  if (state.closing) return absl::CancelledError("the channel is closed");
  return absl::OkStatus();
}

absl::Status ConnectionCore::SendCall(ChannelState* state, const amqp::Method& method,
                                      ReplyHandler handler) {
  base::MutexLock lock(&mutex_);
  if (absl::Status status = StatusOf(*state); !status.ok()) return status;
  state->waiting.push_back(std::move(handler));
  if (amqp::IdOf(method) == amqp::ChannelClose::kId) state->closing = true;
  std::visit([&](const auto& m) { writer_.AddMethod(state->number, m); }, method);
  Wake();
  return absl::OkStatus();
}

absl::Status ConnectionCore::SendOnly(ChannelState* state, const amqp::Method& method) {
  base::MutexLock lock(&mutex_);
  if (absl::Status status = StatusOf(*state); !status.ok()) return status;
  std::visit([&](const auto& m) { writer_.AddMethod(state->number, m); }, method);
  Wake();
  return absl::OkStatus();
}

absl::StatusOr<amqp::Method> ConnectionCore::CallBlocking(
    const std::shared_ptr<ChannelState>& state, const amqp::Method& method, ReplyHandler first) {
  if (OnIoThread()) return absl::FailedPreconditionError("a handler must not wait for an answer");
  // Outlives a caller that gave up waiting.
  struct Answer {
    bool done = false;
    absl::StatusOr<amqp::Method> reply = absl::UnknownError("");
  };
  const auto answer = std::make_shared<Answer>();
  const absl::Status sent =
      SendCall(state.get(), method,
               [this, state, answer, first = std::move(first)](absl::StatusOr<amqp::Method> reply,
                                                               const amqp::Content* content) {
                 if (first != nullptr) first(reply, content);
                 base::MutexLock lock(&mutex_);
                 answer->reply = std::move(reply);
                 answer->done = true;
                 state->changed.NotifyAll();
               });
  if (!sent.ok()) return sent;
  const Deadline deadline = DeadlineIn(options_.call_timeout);
  base::MutexLock lock(&mutex_);
  while (!answer->done) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) {
      return absl::DeadlineExceededError(absl::StrCat("no answer to ", amqp::NameOf(method)));
    }
    state->changed.WaitFor(&mutex_, left);
  }
  return std::move(answer->reply);
}

absl::StatusOr<std::shared_ptr<ChannelState>> ConnectionCore::AddChannel(uint16_t number) {
  base::MutexLock lock(&mutex_);
  if (!closed_.ok()) return closed_;
  size_t free = number;
  if (number == 0) {
    free = 1;
    while (free < channels_.size() && channels_[free] != nullptr) ++free;
  }
  // A number that the caller names may also lie beyond what was negotiated: the broker is to refuse
  // it.
  const size_t limit =
      number != 0 || negotiated_.channel_max == 0 ? 65535 : negotiated_.channel_max;
  if (free > limit) return absl::ResourceExhaustedError("all channels of the connection are open");
  if (free >= channels_.size()) channels_.resize(free + 1);
  if (channels_[free] != nullptr) return absl::AlreadyExistsError("the channel is open");
  channels_[free] = std::make_shared<ChannelState>(static_cast<uint16_t>(free));
  return channels_[free];
}

absl::Status ConnectionCore::Close() {
  {
    base::MutexLock lock(&mutex_);
    if (!closed_.ok()) return absl::OkStatus();
    if (OnIoThread()) return absl::FailedPreconditionError("a handler must not wait for an answer");
    if (!close_sent_) {
      close_sent_ = true;
      amqp::ConnectionClose close;
      close.reply_code = 200;
      close.reply_text = "Goodbye";
      writer_.AddMethod(0, close);
      Wake();
    }
  }
  const absl::Status status = WaitUntilClosed(options_.call_timeout);
  return absl::IsCancelled(status) ? absl::OkStatus() : status;
}

absl::Status ConnectionCore::WaitUntilClosed(base::Duration timeout) {
  const Deadline deadline = DeadlineIn(timeout);
  base::MutexLock lock(&mutex_);
  while (!finished_) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return absl::DeadlineExceededError("the connection is still open");
    control_->changed.WaitFor(&mutex_, left);
  }
  return closed_;
}

void ConnectionCore::PauseReading(bool paused) {
  base::MutexLock lock(&mutex_);
  paused_ = paused;
  asleep_ = true;  // It must look at paused_.
  Wake();
}

bool ConnectionCore::blocked(std::string* reason) {
  base::MutexLock lock(&mutex_);
  if (reason != nullptr) *reason = blocked_reason_;
  return blocked_;
}

}  // namespace pontoon::client
