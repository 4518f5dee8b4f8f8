#include "client/amqp/connection.h"

#include <utility>

#include "client/amqp/connection_core.h"

namespace pontoon::client {

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(ConnectionOptions options) {
  const Deadline deadline = DeadlineIn(options.connect_timeout);
  absl::StatusOr<std::unique_ptr<Transport>> transport = Transport::Connect(options, deadline);
  if (!transport.ok()) return transport.status();
  amqp::FrameReader reader(0);
  absl::StatusOr<Negotiated> negotiated = ShakeHands(options, transport->get(), &reader, deadline);
  if (!negotiated.ok()) return negotiated.status();
  auto core = std::make_shared<ConnectionCore>(std::move(options), *std::move(transport),
                                               std::move(reader), *std::move(negotiated));
  core->Start();
  return std::unique_ptr<Connection>(new Connection(std::move(core)));
}

Connection::~Connection() { core_->Stop(); }

absl::StatusOr<std::unique_ptr<Channel>> Connection::OpenChannel(uint16_t number) {
  absl::StatusOr<std::shared_ptr<ChannelState>> state = core_->AddChannel(number);
  if (!state.ok()) return state.status();
  const absl::StatusOr<amqp::Method> reply = core_->CallBlocking(*state, amqp::ChannelOpen{});
  if (!reply.ok()) return reply.status();
  return std::unique_ptr<Channel>(new Channel(core_, *std::move(state)));
}

absl::Status Connection::Close() { return core_->Close(); }
void Connection::Abort() { core_->Cut(/*at_once=*/true); }
void Connection::PauseReading(bool paused) { core_->PauseReading(paused); }
void Connection::Flush() {
  base::MutexLock lock(&core_->mutex());
  core_->Wake();
}

absl::Status Connection::UpdateSecret(const std::string& secret, const std::string& reason) {
  return core_
      ->CallBlocking(core_->control(),
                     amqp::ConnectionUpdateSecret{.new_secret = secret, .reason = reason})
      .status();
}

absl::Status Connection::status() const {
  base::MutexLock lock(&core_->mutex());
  return core_->closed();
}
absl::Status Connection::WaitUntilClosed(base::Duration timeout) {
  return core_->WaitUntilClosed(timeout);
}
bool Connection::blocked() const { return core_->blocked(nullptr); }
std::string Connection::blocked_reason() const {
  std::string reason;
  core_->blocked(&reason);
  return reason;
}
uint16_t Connection::channel_max() const { return core_->negotiated().channel_max; }
uint32_t Connection::frame_max() const { return core_->negotiated().frame_max; }
uint16_t Connection::heartbeat_seconds() const { return core_->negotiated().heartbeat_seconds; }
const amqp::Table& Connection::server_properties() const {
  return core_->negotiated().server_properties;
}
uint16_t Connection::local_port() const { return core_->local_port(); }

}  // namespace pontoon::client
