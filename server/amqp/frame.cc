#include "server/amqp/frame.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"

namespace pontoon::amqp {

std::string FrameText(FrameType type, const base::SliceChain& payload) {
  // Short payloads whole, of longer ones the beginning: enough to see who is speaking.
  constexpr size_t kWholeBytesMax = 16;
  const bool whole = payload.size() <= kWholeBytesMax;
  const base::Slice shown = whole ? payload.Flatten() : payload.Sub(0, kWholeBytesMax).Flatten();
  return absl::StrCat("type ", static_cast<int>(type), ", ", whole ? "all" : "first 16",
                      " octets = ", ErlangBinary(shown.view()));
}

absl::Status UnknownFrameError(const Frame& frame) {
  return FrameError(absl::StrCat(FrameText(frame.type, frame.payload), ": unknown_frame"));
}

absl::Status UnexpectedFrameError(const Frame& frame) {
  return UnexpectedFrame(FrameText(frame.type, frame.payload));
}

}  // namespace pontoon::amqp
