#ifndef PONTOON_SERVER_SESSION_HANDSHAKE_H_
#define PONTOON_SERVER_SESSION_HANDSHAKE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/amqp/methods.h"
#include "server/catalog/catalog.h"
#include "server/session/session_options.h"

// Who may come in and on which terms: the decisions of AMQP 0-9-1 section 2.2.4, as functions of
// what the client said and of the catalog. The Connection asks them in order and speaks on the
// wire.
namespace pontoon::session {

// A refused login: `status` is what the client may be told (ACCESS_REFUSED), `log` what the
// operator is told.
struct LoginVerdict {
  absl::Status status;
  std::string user;
  std::string log;
};

// The user and password of connection.start_ok, by PLAIN (RFC 4616) or AMQPLAIN (a field table's
// contents).
LoginVerdict Authenticate(const catalog::Version& catalog, const SessionOptions& options,
                          absl::string_view mechanism, absl::string_view response);

// "PLAIN AMQPLAIN"
std::string OfferedMechanisms(const SessionOptions& options);

// NOT_ALLOWED (530) where `user` is one of those who may only come from this machine.
absl::Status CheckLoopback(const SessionOptions& options, absl::string_view user, bool loopback);

// What tune_ok settles. NOT_ALLOWED (530) where the client wants more than was offered, or a
// frame_max below 4096.
struct Tuned {
  uint16_t channel_max = 0;
  uint32_t frame_max = 0;  // 0 = none
  uint16_t heartbeat_seconds = 0;
};
absl::StatusOr<Tuned> Tune(const SessionOptions& options, const amqp::ConnectionTuneOk& wanted);

// NOT_ALLOWED (530): no such virtual host, or no permission record of the user in it.
absl::StatusOr<const catalog::VhostRecord*> OpenVhost(const catalog::Version& catalog,
                                                      absl::string_view user,
                                                      absl::string_view vhost);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_HANDSHAKE_H_
