#ifndef PONTOON_CLIENT_AMQP_OPTIONS_H_
#define PONTOON_CLIENT_AMQP_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/time.h"
#include "server/amqp/table.h"

namespace pontoon::client {

// TLS 1.2 or later. Files are PEM.
struct TlsOptions {
  std::string ca_file;           // Who may vouch for the server; empty: the server is not verified.
  std::string certificate_file;  // Ours, with its chain; empty: none.
  std::string key_file;
  std::string server_name;  // Checked against the certificate and sent as SNI; empty: the host.
};

// How to reach a broker and what to agree upon. All handlers run on the connection's I/O thread:
// they must not block, and only calls that say so may be made from them.
struct ConnectionOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 5672;
  std::optional<TlsOptions> tls;
  std::string user = "guest";
  std::string password = "guest";
  std::string mechanism = "PLAIN";  // Or AMQPLAIN, EXTERNAL.
  std::string vhost = "/";

  // What to ask for in connection.tune_ok; unset: what the server proposes. Octets, seconds (0: no
  // heartbeats).
  std::optional<uint16_t> channel_max;
  std::optional<uint32_t> frame_max;
  std::optional<uint16_t> heartbeat_seconds;

  std::string connection_name;    // Shown by the broker's tools.
  amqp::Table client_properties;  // Added to product, version, capabilities ...; replaces those of
                                  // the same name.
  bool send_capabilities = true;  // false: speak as clients of 2009 did.
  bool send_heartbeats = true;    // false (tests): fall silent instead.

  base::Duration connect_timeout = base::Seconds(10);  // For connecting and the handshake together.
  base::Duration call_timeout =
      base::Seconds(60);  // For the answer to a method; then DeadlineExceeded.

  std::function<void(const std::string& reason)> on_blocked;
  std::function<void()> on_unblocked;
  // Once, with what Connection::status() says from then on.
  std::function<void(const absl::Status& why)> on_closed;

  // amqp://user:password@host:port/vhost (amqps: TLS without verification), percent-encoded; what
  // is missing keeps its default, and so does the virtual host without a last slash.
  // InvalidArgument otherwise.
  static absl::StatusOr<ConnectionOptions> FromUri(absl::string_view uri);
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_OPTIONS_H_
