#ifndef PONTOON_SERVER_SESSION_CONNECTION_H_
#define PONTOON_SERVER_SESSION_CONNECTION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/slice.h"
#include "base/time.h"
#include "server/amqp/frame.h"
#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/methods.h"
#include "server/catalog/catalog.h"
#include "server/session/handshake.h"
#include "server/session/listing.h"
#include "server/session/log_lines.h"
#include "server/session/loop_context.h"
#include "server/session/server_properties.h"
#include "server/session/transport.h"

namespace pontoon::session {

class Channel;

// One AMQP connection (AMQP 0-9-1 section 2.2.4): from the protocol header to the last close_ok.
// Made by Registry::Accept, which also says how long it lives. All on the loop's thread.
class Connection {
 public:
  Connection(LoopContext* loop, std::unique_ptr<Transport> transport, PeerInfo peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- for whoever drives the socket

  // Octets in order as they were read. Handles a bounded part of them now and the rest in later
  // turns (then Registry::OnTurnEnd returns true); reading is paused meanwhile, so what is kept is
  // bounded too. After the socket was told to close they are ignored.
  void OnBytes(base::Slice bytes);
  // Transport::bytes_written() grew.
  void OnSocketWritten();
  // The socket is gone, by whomever; exactly once, and nothing may be called afterwards. OK: closed
  // in order or by the peer.
  void OnSocketClosed(const absl::Status& status);
  // How many octets the frame that is being read still lacks (0: unknown): a large body is best
  // read into a block of its own.
  size_t missing_bytes() const { return reader_.missing_bytes(); }

  uint64_t number() const { return label_.number; }

  // ---- for the registry

  // 320 "CONNECTION_FORCED - <reason>", or a closed socket where the client is not yet that far.
  void CloseForced(absl::string_view reason);
  void Abort();
  void OnTick(base::MonotonicTime now);
  void OnAlarmsChanged();
  // The next turn: goes on with what is left of the input.
  void ContinueInput();
  // Writes all frames of this turn.
  void Flush();
  bool gone() const { return gone_; }
  const std::string& user() const { return label_.user; }
  const std::string& vhost_name() const { return label_.vhost; }
  base::VhostId vhost() const { return vhost_; }
  const std::string& name() const { return label_.name; }
  std::string pid() const;
  ConnectionInfo Describe() const;
  void DescribeChannels(std::vector<ChannelInfo>* channels) const;
  size_t channel_count() const { return channels_.size(); }

  // ---- for its channels

  // Of each publish on its way, beside its bytes: so that empty ones are bounded too.
  static constexpr uint64_t kPublishOverheadBytes = 128;

  LoopContext& loop() { return *loop_; }
  const SessionOptions& options() const { return *loop_->options; }
  const catalog::Version& catalog() const { return *loop_->front_end->catalog(); }
  catalog::Rights& rights() { return *rights_; }
  amqp::FrameWriter& writer() { return writer_; }
  const ConnectionLabel& label() const { return label_; }
  const catalog::ConnectionId& id() const { return id_; }
  const ClientCapabilities& capabilities() const { return capabilities_; }
  // Calls Channel::Flush at the end of the turn.
  void MarkDirty(Channel* channel);
  // A channel was refused something that ends the connection.
  void FailFromChannel(uint16_t channel, amqp::MethodId method, const absl::Status& error);
  // Its close handshake is over; the object goes at the end of the turn.
  void ReleaseChannel(Channel* channel);
  // Publishes that were sent on or are done, in octets with kPublishOverheadBytes for each.
  void OnPublishing(uint64_t bytes) {
    publishing_bytes_ += bytes;
    if (publishing_bytes_ > options().publish_budget_bytes) UpdateFlow();
  }
  void OnPublished(uint64_t bytes) {
    publishing_bytes_ -= bytes;
    if (flow_) UpdateFlow();
  }
  // A publish was read while there may be an alarm: from now on this connection counts as a
  // publisher.
  void OnPublishSeen();
  // Frames that wait in a channel, in octets.
  void OnPending(int64_t bytes);
  // Where in the stream to the socket the frames written so far end.
  uint64_t write_position() const { return transport_->bytes_queued() + writer_.pending_bytes(); }

  // Something is due once everything up to `end` was taken by the socket: no-ack deliveries are
  // settled, a consumer gets its bytes back.
  struct WriteMark {
    uint64_t end = 0;
    uint16_t channel = 0;
    uint64_t channel_serial = 0;
    broker::ConsumerKey consumer;
    uint64_t bytes = 0;         // Of messages.
    uint64_t stream_bytes = 0;  // With all frames around them.
    std::vector<cluster::OutgoingSettle> settles;
  };
  void AddWriteMark(WriteMark mark) {
    delivery_bytes_ += mark.stream_bytes;
    marks_.push_back(std::move(mark));
  }

 private:
  enum class Stage : uint8_t {
    kHeader,
    kStarting,  // connection.start is out.
    kTuning,
    kOpening,
    kRunning,
    kDraining,  // The client said connection.close; what it sent before is being finished.
    kClosing,   // We said connection.close and wait for close_ok.
    kRefused,   // Waits before its socket closes, to slow down guessing.
    kClosed,    // The socket closes.
  };
  absl::string_view StageName() const;

  // connection.cc: input
  void ProcessInput();
  bool MayProcess() const;
  void OnHeader(const amqp::ProtocolHeader& header);
  void OnFrame(amqp::Frame&& frame);
  void OnFrameZero(const amqp::Frame& frame);
  void OnChannelFrame(amqp::Frame&& frame);
  void OnRunningMethod(const amqp::Frame& frame, amqp::MethodId id);
  Channel* FindChannel(uint16_t number);

  // connection_handshake.cc
  void OnHandshakeMethod(const amqp::Frame& frame, amqp::MethodId id);
  void OnStartOk(amqp::ConnectionStartOk start_ok);
  void OnTuneOk(const amqp::ConnectionTuneOk& tune_ok);
  void OnOpen(const amqp::ConnectionOpen& open);
  // A broken handshake: one log line, then silence and a closed socket.
  void RefuseSilently(absl::string_view log);

  // connection_close.cc
  void FailConnection(uint16_t channel, amqp::MethodId method, const absl::Status& error);
  void SendClose(const absl::Status& error, amqp::MethodId method);
  void OnClientClose();
  void FinishDraining();
  void CloseSocket();
  void DropChannels();
  void DropExclusiveQueues();
  void FinishMarks(uint64_t written);

  // connection_flow.cc
  void UpdateFlow();
  void UpdateReading();

  void MarkSelfDirty();
  void Log(base::LogLevel level, absl::string_view text);

  LoopContext* const loop_;
  const std::unique_ptr<Transport> transport_;
  const PeerInfo peer_;
  ConnectionLabel label_;
  catalog::ConnectionId id_;
  const base::MonotonicTime accepted_at_;
  const int64_t connected_at_millis_;

  Stage stage_ = Stage::kHeader;
  // Exclusive queues on their way out; shared so that their ends find out whether the connection
  // still is.
  std::shared_ptr<uint32_t> exclusive_queues_left_ = std::make_shared<uint32_t>(0);
  bool gone_ = false;         // OnSocketClosed came.
  bool socket_told_ = false;  // To close, or it is gone; nothing more is written.
  bool aborted_ = false;
  bool input_broken_ = false;           // Where the next frame begins is not known any more.
  base::MonotonicTime stage_deadline_;  // Of kClosing and kRefused.
  amqp::FrameReader reader_;
  amqp::FrameWriter writer_;
  bool any_bytes_ = false;

  ClientCapabilities capabilities_;
  amqp::Table client_properties_;
  std::string auth_mechanism_;
  Tuned tuned_;
  base::VhostId vhost_;
  std::unique_ptr<catalog::Rights> rights_;

  absl::btree_map<uint16_t, std::unique_ptr<Channel>> channels_;
  uint16_t last_channel_number_ = 0;  // The channel of the last frame, found without a look-up.
  Channel* last_channel_ = nullptr;
  std::vector<Channel*> dirty_channels_;
  std::vector<std::unique_ptr<Channel>>
      released_;  // Die at the end of the turn, out of their own calls.
  uint64_t next_channel_serial_ = 1;

  std::deque<WriteMark> marks_;  // Ascending by end.
  uint64_t delivery_bytes_ = 0;  // Of their stream.

  // Flow.
  uint64_t publishing_bytes_ = 0;
  int64_t pending_bytes_ = 0;
  bool flow_ = false;          // Too much is on its way.
  bool unsent_ = false;        // The client does not read.
  bool publisher_ = false;     // Has published; an alarm concerns it.
  bool blocked_ = false;       // By an alarm.
  bool told_blocked_ = false;  // connection.blocked is out.
  bool reading_paused_ = false;

  // Budget of the turn.
  uint64_t turn_ = 0;
  uint64_t turn_bytes_ = 0;
  uint32_t turn_frames_ = 0;
  bool unfinished_ = false;
  bool dirty_ = false;

  // Heartbeats.
  base::MonotonicTime last_received_;
  base::MonotonicTime last_sent_;
  uint64_t bytes_sent_seen_ = 0;

  uint64_t received_bytes_ = 0, received_count_ = 0, sent_count_ = 0;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_CONNECTION_H_
