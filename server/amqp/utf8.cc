#include "server/amqp/utf8.h"

#include <cstdint>
#include <cstring>

namespace pontoon::amqp {

bool IsValidUtf8(absl::string_view bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  const uint8_t* const end = at + bytes.size();
  while (at < end) {
    // Names are nearly always ASCII: eight octets at a time.
    while (end - at >= 8) {
      uint64_t eight;
      std::memcpy(&eight, at, sizeof(eight));
      if ((eight & 0x8080808080808080u) != 0) break;
      at += 8;
    }
    if (at == end) break;
    const uint8_t lead = *at++;
    if (lead < 0x80) continue;
    // The first continuation octet has a narrower range after some leads; that shuts out overlong
    // forms, surrogates and what lies above U+10FFFF (Unicode, table 3-7).
    int more;
    uint8_t low = 0x80, high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (end - at < more) return false;
    if (*at < low || *at > high) return false;
    ++at;
    while (--more > 0) {
      if (*at < 0x80 || *at > 0xbf) return false;
      ++at;
    }
  }
  return true;
}

}  // namespace pontoon::amqp
