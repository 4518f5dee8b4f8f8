#ifndef PONTOON_CLIENT_AMQP_CONNECTION_H_
#define PONTOON_CLIENT_AMQP_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/time.h"
#include "client/amqp/channel.h"
#include "client/amqp/options.h"
#include "server/amqp/table.h"

namespace pontoon::client {

class ConnectionCore;

// One connection to a broker, with a thread of its own for its socket and handlers. Calls may be
// made from any thread and block the caller at most; from a handler only those that say so. Errors
// that came from the broker carry their reply code (amqp::ReplyCodeOf) and its exact text as their
// message; a lost connection is Unavailable.
class Connection {
 public:
  // Connects and goes through the whole handshake. Refusals by the broker (403, 530 ...) carry
  // their code and text; Unavailable: not reachable, or the broker closed without a word;
  // DeadlineExceeded: connect_timeout.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(ConnectionOptions options);
  // If it was not closed: sends what the socket takes at once and goes without a word. Not from a
  // handler.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // A new channel with the lowest free number (or `number`, if not 0). A channel may outlive its
  // connection: its calls then fail.
  absl::StatusOr<std::unique_ptr<Channel>> OpenChannel(uint16_t number = 0);

  // Closes in order (connection.close, close_ok). OK also if it is closed already.
  absl::Status Close();
  // Cuts the socket, as a crash would.
  void Abort();
  // Stops reading from the socket, or goes on: the client that never reads. From handlers too.
  void PauseReading(bool paused);
  // Sends what Channel::PublishLater has left behind. From handlers too.
  void Flush();

  // RabbitMQ: extension. New credentials for a running connection.
  absl::Status UpdateSecret(const std::string& secret, const std::string& reason);

  // OK while open; then why it ended. From handlers too.
  absl::Status status() const;
  // Waits until it has ended and gives status(); DeadlineExceeded if it has not.
  absl::Status WaitUntilClosed(base::Duration timeout);

  // Whether the broker has blocked publishers (connection.blocked), and its reason.
  bool blocked() const;
  std::string blocked_reason() const;

  // As negotiated (0: no limit) and as the broker introduced itself.
  uint16_t channel_max() const;
  uint32_t frame_max() const;
  uint16_t heartbeat_seconds() const;
  const amqp::Table& server_properties() const;
  // Local port of the socket: how the broker's tools name the connection.
  uint16_t local_port() const;

 private:
  explicit Connection(std::shared_ptr<ConnectionCore> core) : core_(std::move(core)) {}
  const std::shared_ptr<ConnectionCore> core_;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_CONNECTION_H_
