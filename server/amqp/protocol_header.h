#ifndef PONTOON_SERVER_AMQP_PROTOCOL_HEADER_H_
#define PONTOON_SERVER_AMQP_PROTOCOL_HEADER_H_

#include <array>

#include "absl/strings/string_view.h"

namespace pontoon::amqp {

inline constexpr size_t kProtocolHeaderBytes = 8;
// What a client sends first, and what a server answers (before closing) to anything that it does
// not speak.
inline constexpr absl::string_view kProtocolHeader{"AMQP\x00\x00\x09\x01", kProtocolHeaderBytes};

// What somebody said first.
struct ProtocolHeader {
  enum class Kind {
    kAmqp091,    // AMQP 0 0 9 1; also 1 1 0 9 (0-9), which RabbitMQ takes for it.
    kOtherAmqp,  // "AMQP" and other numbers (1.0, 0-8, SASL of 1.0 ...).
    kTls,        // A TLS ClientHello on the plain port.
    kHttp,       // A request line: GET, POST, HEAD ...
    kGarbage,
  };
  Kind kind = Kind::kGarbage;
  std::array<char, kProtocolHeaderBytes> octets{};

  // `octets` must be at least kProtocolHeaderBytes long.
  static ProtocolHeader Parse(absl::string_view octets);
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_PROTOCOL_HEADER_H_
