#ifndef PONTOON_SERVER_SESSION_REPLY_EDGE_H_
#define PONTOON_SERVER_SESSION_REPLY_EDGE_H_

#include <string>

#include "absl/status/status.h"
#include "server/amqp/method_id.h"
#include "server/amqp/reply_code.h"

namespace pontoon::session {

// The one place where a refusal becomes a channel.close or connection.close.
struct CloseReply {
  amqp::ReplyCode code = amqp::ReplyCode::kInternalError;
  std::string text;         // On the wire, for example "NOT_FOUND - no queue 'q' in vhost '/'".
  std::string explanation;  // For the log.
  bool channel_only = false;
};

// `error` must not be OK. What carries no reply code becomes 541 without its details, which only
// the log tells (506 where it says that something ran out).
CloseReply ReplyFor(const absl::Status& error);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_REPLY_EDGE_H_
