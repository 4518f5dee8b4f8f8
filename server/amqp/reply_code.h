#ifndef PONTOON_SERVER_AMQP_REPLY_CODE_H_
#define PONTOON_SERVER_AMQP_REPLY_CODE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pontoon::amqp {

// AMQP 0-9-1 section 1.2 (reply codes), with the numbers as they are on the wire.
enum class ReplyCode : uint16_t {
  kReplySuccess = 200,
  kContentTooLarge = 311,
  kNoRoute = 312,
  kNoConsumers = 313,
  kConnectionForced = 320,
  kInvalidPath = 402,
  kAccessRefused = 403,
  kNotFound = 404,
  kResourceLocked = 405,
  kPreconditionFailed = 406,
  kFrameError = 501,
  kSyntaxError = 502,
  kCommandInvalid = 503,
  kChannelError = 504,
  kUnexpectedFrame = 505,
  kResourceError = 506,
  kNotAllowed = 530,
  kNotImplemented = 540,
  kInternalError = 541,
};

// What an error ends: a soft one its channel, a hard one the whole connection.
enum class ReplyScope { kChannel, kConnection };

constexpr uint16_t ReplyNumber(ReplyCode code) { return static_cast<uint16_t>(code); }
// The code with this number; nullopt if AMQP has none.
std::optional<ReplyCode> ReplyCodeFromNumber(uint16_t number);
// As RabbitMQ prints it: "NOT_FOUND". Lives for ever.
absl::string_view ReplyCodeName(ReplyCode code);
ReplyScope ReplyScopeOf(ReplyCode code);

// The reply-text of a close: "NOT_FOUND - no queue 'x' in vhost '/'". At most 255 bytes, since it
// travels as a short string: a longer one is cut to 252 bytes and "..." (as in RabbitMQ). Without
// an explanation the name alone.
std::string ReplyText(ReplyCode code, absl::string_view explanation);

// A refusal in AMQP's words: a Status whose message is the explanation (without the name) and which
// carries `code`.
absl::Status MakeError(ReplyCode code, absl::string_view explanation);
// The code that `status` carries; nullopt for a status that was not made here (an error without an
// AMQP meaning).
std::optional<ReplyCode> ReplyCodeOf(const absl::Status& status);
inline bool HasReplyCode(const absl::Status& status, ReplyCode code) {
  return ReplyCodeOf(status) == code;
}

absl::Status ContentTooLarge(absl::string_view explanation);     // 311
absl::Status NoRoute(absl::string_view explanation);             // 312
absl::Status ConnectionForced(absl::string_view explanation);    // 320
absl::Status InvalidPath(absl::string_view explanation);         // 402
absl::Status AccessRefused(absl::string_view explanation);       // 403
absl::Status NotFound(absl::string_view explanation);            // 404
absl::Status ResourceLocked(absl::string_view explanation);      // 405
absl::Status PreconditionFailed(absl::string_view explanation);  // 406
absl::Status FrameError(absl::string_view explanation);          // 501
absl::Status SyntaxError(absl::string_view explanation);         // 502
absl::Status CommandInvalid(absl::string_view explanation);      // 503
absl::Status ChannelError(absl::string_view explanation);        // 504
absl::Status UnexpectedFrame(absl::string_view explanation);     // 505
absl::Status ResourceError(absl::string_view explanation);       // 506
absl::Status NotAllowed(absl::string_view explanation);          // 530
absl::Status NotImplemented(absl::string_view explanation);      // 540
absl::Status InternalError(absl::string_view explanation);       // 541

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_REPLY_CODE_H_
