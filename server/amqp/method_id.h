#ifndef PONTOON_SERVER_AMQP_METHOD_ID_H_
#define PONTOON_SERVER_AMQP_METHOD_ID_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace pontoon::amqp {

// Class and method number, AMQP 0-9-1 section 1.3 and RabbitMQ's extensions.
struct MethodId {
  uint16_t class_id = 0;
  uint16_t method_id = 0;
  friend constexpr auto operator<=>(MethodId, MethodId) = default;
  // Both in one number, for a switch: class * 65536 + method.
  constexpr uint32_t packed() const { return uint32_t{class_id} << 16 | method_id; }
};

inline constexpr uint16_t kConnectionClass = 10;
inline constexpr uint16_t kChannelClass = 20;
inline constexpr uint16_t kAccessClass = 30;
inline constexpr uint16_t kExchangeClass = 40;
inline constexpr uint16_t kQueueClass = 50;
inline constexpr uint16_t kBasicClass = 60;
inline constexpr uint16_t kConfirmClass = 85;
inline constexpr uint16_t kTxClass = 90;

// "basic.publish", as RabbitMQ prints it in logs and texts ("queue.declare_ok": with underscores);
// empty if there is no such method. Lives for ever.
absl::string_view MethodName(MethodId id);

// The wire types that C++'s own do not tell: fields of std::string are short strings, bool a bit,
// uint8_t to uint64_t octet, short, long and longlong, Table a table, and this a long string.
struct LongString : std::string {
  using std::string::string;
  LongString() = default;
  LongString(std::string text) : std::string(std::move(text)) {}  // NOLINT: meant to convert.
  LongString(absl::string_view text)
      : std::string(text.data(), text.size()) {}  // NOLINT: meant to convert.
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHOD_ID_H_
