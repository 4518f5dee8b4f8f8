#ifndef PONTOON_SERVER_AMQP_WIRE_H_
#define PONTOON_SERVER_AMQP_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

// Numbers in network order and strings with a length in front: what every AMQP layout is made of
// (section 4.2).
namespace pontoon::amqp {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "network order is reached by swapping");

inline uint16_t LoadShort(const char* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap16(value);
}
inline uint32_t LoadLong(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap32(value);
}
inline uint64_t LoadLongLong(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap64(value);
}

inline char* StoreOctet(char* out, uint8_t value) {
  *out = static_cast<char>(value);
  return out + 1;
}
inline char* StoreShort(char* out, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(out, &value, sizeof(value));
  return out + 2;
}
inline char* StoreLong(char* out, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(out, &value, sizeof(value));
  return out + 4;
}
inline char* StoreLongLong(char* out, uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(out, &value, sizeof(value));
  return out + 8;
}
inline char* StoreBytes(char* out, absl::string_view bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

// Reads off the front of bytes from a peer. A read past the end changes nothing, returns false, and
// so does every later one: a caller may check once at the end.
class WireReader {
 public:
  explicit WireReader(absl::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool failed() const { return failed_; }
  const char* position() const { return at_; }

  bool Octet(uint8_t* value) {
    if (!Has(1)) return false;
    *value = static_cast<uint8_t>(*at_);
    at_ += 1;
    return true;
  }
  bool Short(uint16_t* value) {
    if (!Has(2)) return false;
    *value = LoadShort(at_);
    at_ += 2;
    return true;
  }
  bool Long(uint32_t* value) {
    if (!Has(4)) return false;
    *value = LoadLong(at_);
    at_ += 4;
    return true;
  }
  bool LongLong(uint64_t* value) {
    if (!Has(8)) return false;
    *value = LoadLongLong(at_);
    at_ += 8;
    return true;
  }
  // `size` octets as they are.
  bool Bytes(size_t size, absl::string_view* value) {
    if (!Has(size)) return false;
    *value = absl::string_view(at_, size);
    at_ += size;
    return true;
  }
  bool ShortString(absl::string_view* value) {
    uint8_t size;
    return Octet(&size) && Bytes(size, value);
  }
  bool LongString(absl::string_view* value) {
    uint32_t size;
    return Long(&size) && Bytes(size, value);
  }

 private:
  bool Has(size_t size) {
    if (failed_ || remaining() < size) {
      failed_ = true;
      return false;
    }
    return true;
  }

  const char* at_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_WIRE_H_
