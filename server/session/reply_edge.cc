#include "server/session/reply_edge.h"

#include "base/check.h"

namespace pontoon::session {

CloseReply ReplyFor(const absl::Status& error) {
  PONTOON_CHECK(!error.ok());
  CloseReply reply;
  reply.explanation = std::string(error.message());
  absl::string_view told = error.message();
  if (const auto code = amqp::ReplyCodeOf(error)) {
    reply.code = *code;
  } else if (absl::IsResourceExhausted(error)) {
    reply.code = amqp::ReplyCode::kResourceError;
  } else {
    reply.code = amqp::ReplyCode::kInternalError;
    told = "internal error";
  }
  reply.text = amqp::ReplyText(reply.code, told);
  reply.channel_only = amqp::ReplyScopeOf(reply.code) == amqp::ReplyScope::kChannel;
  return reply;
}

}  // namespace pontoon::session
