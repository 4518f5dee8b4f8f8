#ifndef PONTOON_SERVER_SESSION_LOG_LINES_H_
#define PONTOON_SERVER_SESSION_LOG_LINES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "server/amqp/reply_code.h"
#include "server/session/transport.h"

// The texts that operators grep for, as RabbitMQ words them. A connection is "<0.N.0> (name -
// client's name, vhost: 'v', user: 'u')", a channel's close names its connection.
namespace pontoon::session {

// Who speaks in a log line about a connection.
struct ConnectionLabel {
  uint64_t number = 0;
  std::string name;                // "127.0.0.1:43966 -> 127.0.0.1:5672"
  std::string user_provided_name;  // May be empty.
  std::string user;                // Empty until logged in.
  std::string vhost;               // Empty until opened.
};

// "127.0.0.1:43966 -> 127.0.0.1:5672"; IPv6 addresses in brackets.
std::string ConnectionName(const PeerInfo& peer);
// "<rabbit@host.1795158220.1667.0>"
std::string PrintedPid(absl::string_view node, int64_t boot_seconds, uint64_t number);
// What a client may put into the log: control characters are escaped, and it is cut where it is
// long.
std::string Printable(absl::string_view text);

std::string AcceptingLine(const ConnectionLabel& label);
std::string ClientNameLine(const ConnectionLabel& label);
std::string AuthenticatedLine(const ConnectionLabel& label);
// A clean close, "closing AMQP connection <0.N.0> (...)"; with `why` a colon and a second line.
std::string ClosingLine(const ConnectionLabel& label, absl::string_view why);
// "Error on AMQP connection <0.N.0> (..., state: starting):" and the reason below.
std::string ErrorLine(const ConnectionLabel& label, absl::string_view state, uint16_t channel,
                      absl::string_view reason);
// "operation queue.declare caused a channel exception not_found: no queue ..."; `method` may be
// empty.
std::string OperationText(absl::string_view method, bool channel_only, amqp::ReplyCode code,
                          absl::string_view explanation);
std::string ChannelErrorLine(const ConnectionLabel& label, uint16_t channel,
                             absl::string_view operation);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_LOG_LINES_H_
