#ifndef PONTOON_SERVER_AMQP_UTF8_H_
#define PONTOON_SERVER_AMQP_UTF8_H_

#include "absl/strings/string_view.h"

namespace pontoon::amqp {

// AMQP 0-9-1 section 4.2.5.3: a short string is at most 255 octets of UTF-8 (names, routing keys,
// consumer tags).
inline constexpr size_t kShortStringBytesMax = 255;
inline bool FitsShortString(absl::string_view text) { return text.size() <= kShortStringBytesMax; }

// True if `bytes` are well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
// Zero octets are fine.
bool IsValidUtf8(absl::string_view bytes);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_UTF8_H_
