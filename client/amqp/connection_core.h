#ifndef PONTOON_CLIENT_AMQP_CONNECTION_CORE_H_
#define PONTOON_CLIENT_AMQP_CONNECTION_CORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "client/amqp/channel_state.h"
#include "client/amqp/handshake.h"
#include "client/amqp/options.h"
#include "client/amqp/transport.h"
#include "server/amqp/frame_writer.h"

namespace pontoon::client {

// What a connection, its channels and its I/O thread share. Callers encode frames under the lock;
// the I/O thread takes whatever has come together and writes it, reads, and calls handlers without
// the lock. Lock: mutex(). Members without a remark are guarded by it; `io_` ones belong to the I/O
// thread.
class ConnectionCore : public std::enable_shared_from_this<ConnectionCore> {
 public:
  ConnectionCore(ConnectionOptions options, std::unique_ptr<Transport> transport,
                 amqp::FrameReader reader, Negotiated negotiated);
  ~ConnectionCore();

  void Start();
  // Cuts the socket and waits for the I/O thread.
  void Stop();
  // Ends the I/O thread; `at_once`: without writing what is waiting.
  void Cut(bool at_once);

  base::Mutex& mutex() ABSL_LOCK_RETURNED(mutex_) { return mutex_; }
  bool OnIoThread() const { return std::this_thread::get_id() == io_thread_id_; }

  // A method of channel `state` and what becomes of its answer; the handler runs with an error if
  // the channel ends first. Fails at once (and does not keep the handler) if it has ended already.
  absl::Status SendCall(ChannelState* state, const amqp::Method& method, ReplyHandler handler);
  // The same, and waits. FailedPrecondition on the I/O thread; DeadlineExceeded after call_timeout.
  absl::StatusOr<amqp::Method> CallBlocking(const std::shared_ptr<ChannelState>& state,
                                            const amqp::Method& method,
                                            ReplyHandler first = nullptr);
  // A method without an answer.
  absl::Status SendOnly(ChannelState* state, const amqp::Method& method);

  // With the lock held.
  amqp::FrameWriter& writer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return writer_; }
  absl::Status StatusOf(const ChannelState& state) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sees to it that the I/O thread writes what is in writer().
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const absl::Status& closed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_; }

  absl::StatusOr<std::shared_ptr<ChannelState>> AddChannel(uint16_t number);
  absl::Status Close();
  absl::Status WaitUntilClosed(base::Duration timeout);
  void PauseReading(bool paused);
  bool blocked(std::string* reason);

  const ConnectionOptions& options() const { return options_; }
  const Negotiated& negotiated() const { return negotiated_; }
  uint16_t local_port() const { return transport_->local_port(); }

  // Of channel 0: connection.update_secret.
  const std::shared_ptr<ChannelState>& control() const { return control_; }

 private:
  class HandlerScope;

  // connection_io.cc: the I/O thread's turn.
  void Run();
  absl::Status Turn();
  absl::Status WriteSome();
  absl::Status ReadSome();
  absl::Status KeepAlive();
  int PollTimeoutMillis(bool more_output) const;
  void Finish(const absl::Status& why);

  // frame_dispatch.cc: what comes in. An error ends the connection.
  absl::Status OnFrame(const amqp::Frame& frame);
  absl::Status OnConnectionMethod(const amqp::Method& method);
  absl::Status OnChannelMethod(const std::shared_ptr<ChannelState>& state,
                               const amqp::Frame& frame);
  void OnConfirm(ChannelState* state, uint64_t tag, bool multiple, bool acknowledged);
  void OnContent(const std::shared_ptr<ChannelState>& state, const amqp::Content& content);
  void OnDelivery(const std::shared_ptr<ChannelState>& state, const amqp::BasicDeliver& deliver,
                  const amqp::Content& content);
  void OnCancel(const std::shared_ptr<ChannelState>& state, const amqp::BasicCancel& cancel);
  void OnReply(ChannelState* state, const amqp::Method& method, const amqp::Content* content);
  void EndChannel(const std::shared_ptr<ChannelState>& state, const absl::Status& why);

  const ConnectionOptions options_;
  const std::unique_ptr<Transport> transport_;
  const Negotiated negotiated_;
  const std::shared_ptr<ChannelState> control_;
  int wake_fd_ = -1;
  std::thread io_thread_;
  std::thread::id io_thread_id_;

  base::Mutex mutex_;
  base::CondVar room_;  // writer_ was emptied.
  amqp::FrameWriter writer_;
  bool asleep_ = false;  // The I/O thread waits without knowing of output.
  bool cut_ = false;
  bool paused_ = false;
  bool close_sent_ = false;
  absl::Status closed_;    // OK while open.
  bool finished_ = false;  // The I/O thread has told everybody.
  bool blocked_ = false;
  std::string blocked_reason_;
  std::vector<std::shared_ptr<ChannelState>> channels_;  // By number; null where free.

  amqp::FrameReader io_reader_;
  base::Block* io_block_ = nullptr;  // Read into, from io_used_ on.
  size_t io_used_ = 0;
  base::SliceChain io_out_;  // Being written: from octet io_out_offset_ of slice io_out_slice_ on.
  size_t io_out_slice_ = 0;
  size_t io_out_offset_ = 0;
  absl::Status io_write_error_;
  absl::Status io_close_;  // What the broker's connection.close said.
  Deadline io_last_read_;
  Deadline io_last_write_;
  std::vector<uint64_t> io_settled_;

  friend class Channel;
  friend class Connection;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_CONNECTION_CORE_H_
