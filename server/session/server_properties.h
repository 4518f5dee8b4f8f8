#ifndef PONTOON_SERVER_SESSION_SERVER_PROPERTIES_H_
#define PONTOON_SERVER_SESSION_SERVER_PROPERTIES_H_

#include "server/amqp/table.h"
#include "server/session/session_options.h"

namespace pontoon::session {

// The table of connection.start, with the capabilities that are built (all that RabbitMQ 3.10
// lists).
amqp::Table ServerProperties(const SessionOptions& options);

// What a client says of itself in connection.start_ok.
struct ClientCapabilities {
  bool authentication_failure_close = false;
  bool consumer_cancel_notify = false;
  bool connection_blocked = false;
};
ClientCapabilities ReadCapabilities(const amqp::Table& client_properties);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_SERVER_PROPERTIES_H_
