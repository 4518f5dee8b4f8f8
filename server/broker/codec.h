#ifndef PONTOON_SERVER_BROKER_CODEC_H_
#define PONTOON_SERVER_BROKER_CODEC_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "base/ids.h"

// Numbers in log headers, pages and checkpoints: fixed little-endian, or 7 bits a byte (varint),
// low ones first.

namespace pontoon::broker {

// Appends to a string that the caller owns.
class Encoder {
 public:
  explicit Encoder(std::string* out) : out_(out) {}

  void U8(uint8_t v) { out_->push_back(static_cast<char>(v)); }
  void U32(uint32_t v) { Fixed(v); }
  void U64(uint64_t v) { Fixed(v); }
  void Varint(uint64_t v) {
    char bytes[10];
    size_t n = 0;
    while (v >= 0x80) {
      bytes[n++] = static_cast<char>(v | 0x80);
      v >>= 7;
    }
    bytes[n++] = static_cast<char>(v);
    out_->append(bytes, n);
  }
  // Small numbers of either sign in few bytes.
  void Signed(int64_t v) {
    Varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
  }
  void Bytes(absl::string_view bytes) { out_->append(bytes.data(), bytes.size()); }
  void Session(const base::SessionId& session) {
    U64(session.node.value);
    Varint(session.boot.value);
    Varint(session.loop.value);
  }

 private:
  template <typename T>
  void Fixed(T v) {
    char bytes[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<char>(v >> (8 * i));
    out_->append(bytes, sizeof(T));
  }

  std::string* out_;
};

// Reads what an Encoder wrote. Reading behind the end or an over-long number makes `ok()` false for
// good and gives zeros from there on, so that a caller may check once at the end.
class Decoder {
 public:
  explicit Decoder(absl::string_view in) : at_(in.data()), end_(in.data() + in.size()) {}

  bool ok() const { return ok_; }
  bool done() const { return at_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  const char* position() const { return at_; }
  void Fail() {
    ok_ = false;
    at_ = end_;
  }

  uint8_t U8() {
    if (at_ == end_) return Fail(), 0;
    return static_cast<uint8_t>(*at_++);
  }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }
  uint64_t Varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return Fail(), 0;
      const uint8_t byte = static_cast<uint8_t>(*at_++);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    return Fail(), 0;
  }
  int64_t Signed() {
    const uint64_t v = Varint();
    return static_cast<int64_t>((v >> 1) ^ (~(v & 1) + 1));
  }
  // A varint that must be at most `max`.
  uint64_t Bounded(uint64_t max) {
    const uint64_t v = Varint();
    if (v > max) return Fail(), 0;
    return v;
  }
  absl::string_view Bytes(size_t n) {
    if (n > left()) return Fail(), absl::string_view();
    const absl::string_view bytes(at_, n);
    at_ += n;
    return bytes;
  }
  base::SessionId Session() {
    base::SessionId session;
    session.node.value = U64();
    session.boot.value = static_cast<uint32_t>(Bounded(~uint32_t{0}));
    session.loop.value = static_cast<uint16_t>(Bounded(~uint16_t{0}));
    return session;
  }

 private:
  template <typename T>
  T Fixed() {
    if (left() < sizeof(T)) return Fail(), T{0};
    T v = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      v |= static_cast<T>(static_cast<uint8_t>(at_[i])) << (8 * i);
    at_ += sizeof(T);
    return v;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_CODEC_H_
