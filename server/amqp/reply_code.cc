#include "server/amqp/reply_code.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace pontoon::amqp {
namespace {

// Names the payload of a Status that holds the reply code as two octets in network order.
constexpr absl::string_view kPayloadUrl = "pontoon/amqp.reply_code";
constexpr size_t kReplyTextBytesMax = 255;  // A short string on the wire.

// The nearest general meaning, for code that looks at statuses without knowing AMQP.
absl::StatusCode GeneralCode(ReplyCode code) {
  switch (code) {
    case ReplyCode::kReplySuccess:
      return absl::StatusCode::kUnknown;
    case ReplyCode::kContentTooLarge:
    case ReplyCode::kResourceError:
      return absl::StatusCode::kResourceExhausted;
    case ReplyCode::kNoRoute:
    case ReplyCode::kNoConsumers:
    case ReplyCode::kInvalidPath:
    case ReplyCode::kNotFound:
      return absl::StatusCode::kNotFound;
    case ReplyCode::kConnectionForced:
      return absl::StatusCode::kUnavailable;
    case ReplyCode::kAccessRefused:
    case ReplyCode::kNotAllowed:
      return absl::StatusCode::kPermissionDenied;
    case ReplyCode::kResourceLocked:
    case ReplyCode::kPreconditionFailed:
    case ReplyCode::kChannelError:
      return absl::StatusCode::kFailedPrecondition;
    case ReplyCode::kFrameError:
    case ReplyCode::kSyntaxError:
    case ReplyCode::kCommandInvalid:
    case ReplyCode::kUnexpectedFrame:
      return absl::StatusCode::kInvalidArgument;
    case ReplyCode::kNotImplemented:
      return absl::StatusCode::kUnimplemented;
    case ReplyCode::kInternalError:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kUnknown;
}

}  // namespace

std::optional<ReplyCode> ReplyCodeFromNumber(uint16_t number) {
  const auto code = static_cast<ReplyCode>(number);
  if (ReplyCodeName(code).empty()) return std::nullopt;
  return code;
}

absl::string_view ReplyCodeName(ReplyCode code) {
  switch (code) {
    case ReplyCode::kReplySuccess:
      return "REPLY_SUCCESS";
    case ReplyCode::kContentTooLarge:
      return "CONTENT_TOO_LARGE";
    case ReplyCode::kNoRoute:
      return "NO_ROUTE";
    case ReplyCode::kNoConsumers:
      return "NO_CONSUMERS";
    case ReplyCode::kConnectionForced:
      return "CONNECTION_FORCED";
    case ReplyCode::kInvalidPath:
      return "INVALID_PATH";
    case ReplyCode::kAccessRefused:
      return "ACCESS_REFUSED";
    case ReplyCode::kNotFound:
      return "NOT_FOUND";
    case ReplyCode::kResourceLocked:
      return "RESOURCE_LOCKED";
    case ReplyCode::kPreconditionFailed:
      return "PRECONDITION_FAILED";
    case ReplyCode::kFrameError:
      return "FRAME_ERROR";
    case ReplyCode::kSyntaxError:
      return "SYNTAX_ERROR";
    case ReplyCode::kCommandInvalid:
      return "COMMAND_INVALID";
    case ReplyCode::kChannelError:
      return "CHANNEL_ERROR";
    case ReplyCode::kUnexpectedFrame:
      return "UNEXPECTED_FRAME";
    case ReplyCode::kResourceError:
      return "RESOURCE_ERROR";
    case ReplyCode::kNotAllowed:
      return "NOT_ALLOWED";
    case ReplyCode::kNotImplemented:
      return "NOT_IMPLEMENTED";
    case ReplyCode::kInternalError:
      return "INTERNAL_ERROR";
  }
  return "";
}

ReplyScope ReplyScopeOf(ReplyCode code) {
  switch (code) {
    case ReplyCode::kContentTooLarge:
    case ReplyCode::kNoRoute:
    case ReplyCode::kNoConsumers:
    case ReplyCode::kAccessRefused:
    case ReplyCode::kNotFound:
    case ReplyCode::kResourceLocked:
    case ReplyCode::kPreconditionFailed:
      return ReplyScope::kChannel;
    default:
      return ReplyScope::kConnection;
  }
}

std::string ReplyText(ReplyCode code, absl::string_view explanation) {
  std::string text(ReplyCodeName(code));
  if (!explanation.empty()) absl::StrAppend(&text, " - ", explanation);
  if (text.size() > kReplyTextBytesMax) {
    text.resize(kReplyTextBytesMax - 3);
    text += "...";
  }
  return text;
}

absl::Status MakeError(ReplyCode code, absl::string_view explanation) {
  absl::Status status(GeneralCode(code), explanation);
  const uint16_t number = ReplyNumber(code);
  const char octets[2] = {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  status.SetPayload(kPayloadUrl, absl::Cord(absl::string_view(octets, 2)));
  return status;
}

std::optional<ReplyCode> ReplyCodeOf(const absl::Status& status) {
  if (status.ok()) return std::nullopt;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value() || payload->size() != 2) return std::nullopt;
  const std::string octets(*payload);
  return ReplyCodeFromNumber(static_cast<uint16_t>(static_cast<uint8_t>(octets[0]) << 8 |
                                                   static_cast<uint8_t>(octets[1])));
}

absl::Status ContentTooLarge(absl::string_view why) {
  return MakeError(ReplyCode::kContentTooLarge, why);
}
absl::Status NoRoute(absl::string_view why) { return MakeError(ReplyCode::kNoRoute, why); }
absl::Status ConnectionForced(absl::string_view why) {
  return MakeError(ReplyCode::kConnectionForced, why);
}
absl::Status InvalidPath(absl::string_view why) { return MakeError(ReplyCode::kInvalidPath, why); }
absl::Status AccessRefused(absl::string_view why) {
  return MakeError(ReplyCode::kAccessRefused, why);
}
absl::Status NotFound(absl::string_view why) { return MakeError(ReplyCode::kNotFound, why); }
absl::Status ResourceLocked(absl::string_view why) {
  return MakeError(ReplyCode::kResourceLocked, why);
}
absl::Status PreconditionFailed(absl::string_view why) {
  return MakeError(ReplyCode::kPreconditionFailed, why);
}
absl::Status FrameError(absl::string_view why) { return MakeError(ReplyCode::kFrameError, why); }
absl::Status SyntaxError(absl::string_view why) { return MakeError(ReplyCode::kSyntaxError, why); }
absl::Status CommandInvalid(absl::string_view why) {
  return MakeError(ReplyCode::kCommandInvalid, why);
}
absl::Status ChannelError(absl::string_view why) {
  return MakeError(ReplyCode::kChannelError, why);
}
absl::Status UnexpectedFrame(absl::string_view why) {
  return MakeError(ReplyCode::kUnexpectedFrame, why);
}
absl::Status ResourceError(absl::string_view why) {
  return MakeError(ReplyCode::kResourceError, why);
}
absl::Status NotAllowed(absl::string_view why) { return MakeError(ReplyCode::kNotAllowed, why); }
absl::Status NotImplemented(absl::string_view why) {
  return MakeError(ReplyCode::kNotImplemented, why);
}
absl::Status InternalError(absl::string_view why) {
  return MakeError(ReplyCode::kInternalError, why);
}

}  // namespace pontoon::amqp
