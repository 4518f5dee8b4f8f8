// The I/O thread of a connection: write what has come together, wait, read, keep alive.
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "client/amqp/connection_core.h"

namespace pontoon::client {
namespace {

constexpr size_t kReadBlockBytes = 65536;
// Less room than this at the end of a block is not worth a read.
constexpr size_t kReadRoomMin = 8192;
// Reads in one turn, so that a flood of deliveries does not hold up what is to be written.
constexpr int kReadsPerTurnMax = 8;

}  // namespace

void ConnectionCore::Run() {
  {
    base::MutexLock lock(&mutex_);  // Start has set our id.
    io_last_read_ = io_last_write_ = std::chrono::steady_clock::now();
  }
  absl::Status status;
  // Frames may have come together with open_ok.
  amqp::Frame frame;
  while (status.ok() && io_reader_.Next(&frame) == amqp::FrameReader::Result::kFrame)
    status = OnFrame(frame);
  while (status.ok()) status = Turn();
  // The answer to the broker's close, or our last words: as far as the socket takes them.
  {
    base::MutexLock lock(&mutex_);
    io_out_.Append(writer_.Take());
  }
  WriteSome().IgnoreError();
  transport_->Cut();
  Finish(io_close_.ok() ? status : io_close_);
}

absl::Status ConnectionCore::Turn() {
  bool paused;
  {
    base::MutexLock lock(&mutex_);
    if (cut_) return absl::CancelledError("the connection was cut by this client");
    paused = paused_;
    if (io_out_.empty()) {
      io_out_ = writer_.Take();
      if (!io_out_.empty()) room_.NotifyAll();
    }
  }
  if (absl::Status status = WriteSome(); !status.ok()) return status;
  if (absl::Status status = KeepAlive(); !status.ok()) return status;

  bool more_output;
  {
    base::MutexLock lock(&mutex_);
    more_output = io_out_.empty() && writer_.pending_bytes() > 0;
    asleep_ = !more_output;
  }
  const bool read_now = !paused && transport_->HasBufferedInput();
  pollfd wait[2] = {{transport_->fd(), 0, 0}, {wake_fd_, POLLIN, 0}};
  if (!paused) wait[0].events |= POLLIN;
  if (!io_out_.empty()) wait[0].events |= POLLOUT;
  if (wait[0].events == 0) wait[0].fd = -1;  // Else a peer that hangs up would wake us for ever.
  poll(wait, 2, read_now ? 0 : PollTimeoutMillis(more_output));
  {
    base::MutexLock lock(&mutex_);
    asleep_ = false;
  }
  if ((wait[1].revents & POLLIN) != 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = read(wake_fd_, &count, sizeof(count));
  }
  if (read_now || (!paused && (wait[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0))
    return ReadSome();
  return absl::OkStatus();
}

absl::Status ConnectionCore::WriteSome() {
  while (!io_out_.empty()) {
    if (!io_write_error_.ok()) {
      io_out_.Clear();  // The broker may have said why before it closed: read on.
      return absl::OkStatus();
    }
    const absl::StatusOr<size_t> written =
        transport_->Write(io_out_, io_out_slice_, io_out_offset_);
    if (!written.ok()) {
      io_write_error_ = written.status();
      continue;
    }
    if (*written == 0) return absl::OkStatus();
    io_last_write_ = std::chrono::steady_clock::now();
    size_t left = *written;
    while (left > 0) {
      const size_t here = io_out_.slices()[io_out_slice_].size() - io_out_offset_;
      if (left < here) {
        io_out_offset_ += left;
        break;
      }
      left -= here;
      ++io_out_slice_;
      io_out_offset_ = 0;
    }
    if (io_out_slice_ == io_out_.slices().size()) {
      io_out_.Clear();
      io_out_slice_ = io_out_offset_ = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status ConnectionCore::ReadSome() {
  amqp::Frame frame;
  for (int i = 0; i < kReadsPerTurnMax; ++i) {
    if (io_block_ != nullptr && io_block_->unique()) io_used_ = 0;  // Nobody kept anything.
    if (io_block_ == nullptr || io_block_->capacity() - io_used_ < kReadRoomMin) {
      if (io_block_ != nullptr) io_block_->Unref();
      io_block_ = base::Block::New(std::max(kReadBlockBytes, io_reader_.missing_bytes()));
      io_used_ = 0;
    }
    char* const start = io_block_->data() + io_used_;
    const absl::StatusOr<size_t> n = transport_->Read(start, io_block_->capacity() - io_used_);
    if (!n.ok()) return io_write_error_.ok() ? n.status() : io_write_error_;
    if (*n == 0) return absl::OkStatus();
    io_last_read_ = std::chrono::steady_clock::now();
    io_used_ += *n;
    io_block_->Ref();
    io_reader_.Feed(base::Slice(io_block_, start, *n));
    while (true) {
      const amqp::FrameReader::Result result = io_reader_.Next(&frame);
      if (result == amqp::FrameReader::Result::kError) return io_reader_.error();
      if (result == amqp::FrameReader::Result::kIncomplete) break;
      if (absl::Status status = OnFrame(frame); !status.ok()) return status;
    }
    frame = amqp::Frame();  // Lets go of the block.
  }
  return absl::OkStatus();
}

absl::Status ConnectionCore::KeepAlive() {
  if (negotiated_.heartbeat_seconds == 0) return absl::OkStatus();
  const auto interval = std::chrono::seconds(negotiated_.heartbeat_seconds);
  const auto now = std::chrono::steady_clock::now();
  base::MutexLock lock(&mutex_);
  if (paused_) io_last_read_ = now;
  if (now - io_last_read_ > 2 * interval) {
    return absl::UnavailableError("no heartbeat from the broker for two intervals");
  }
  if (options_.send_heartbeats && now - io_last_write_ >= interval / 2 && io_out_.empty()) {
    io_last_write_ = now;
    writer_.AddHeartbeat();
  }
  return absl::OkStatus();
}

int ConnectionCore::PollTimeoutMillis(bool more_output) const {
  if (more_output) return 0;
  if (negotiated_.heartbeat_seconds == 0) return -1;
  return std::max(10, negotiated_.heartbeat_seconds * 1000 / 4);
}

void ConnectionCore::Finish(const absl::Status& why) {
  std::vector<std::shared_ptr<ChannelState>> channels;
  {
    base::MutexLock lock(&mutex_);
    closed_ = why;
    channels = channels_;
    room_.NotifyAll();
  }
  for (const auto& state : channels) {
    if (state != nullptr) EndChannel(state, why);
  }
  if (options_.on_closed != nullptr) options_.on_closed(why);
  base::MutexLock lock(&mutex_);
  finished_ = true;
  control_->changed.NotifyAll();
}

}  // namespace pontoon::client
