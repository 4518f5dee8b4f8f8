#include "server/amqp/protocol_header.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "base/check.h"

namespace pontoon::amqp {
namespace {

bool IsHttpRequest(absl::string_view octets) {
  for (const absl::string_view method : {"GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ",
                                         "PATCH ", "CONNECT ", "TRACE ", "PRI * "}) {
    if (absl::StartsWith(octets, method)) return true;
  }
  return false;
}

}  // namespace

ProtocolHeader ProtocolHeader::Parse(absl::string_view octets) {
  PONTOON_CHECK(octets.size() >= kProtocolHeaderBytes);
  octets = octets.substr(0, kProtocolHeaderBytes);
  ProtocolHeader header;
  std::copy(octets.begin(), octets.end(), header.octets.begin());
  const absl::string_view version = octets.substr(4);
  if (absl::StartsWith(octets, "AMQP")) {
    const bool spoken = version == absl::string_view("\x00\x00\x09\x01", 4) ||
                        version == absl::string_view("\x01\x01\x00\x09", 4);
    header.kind = spoken ? Kind::kAmqp091 : Kind::kOtherAmqp;
  } else if (octets[0] == 0x16 && octets[1] == 0x03) {  // TLS record: handshake, version 3.x.
    header.kind = Kind::kTls;
  } else if (IsHttpRequest(octets)) {
    header.kind = Kind::kHttp;
  }
  return header;
}

}  // namespace pontoon::amqp
