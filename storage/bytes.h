#ifndef PONTOON_STORAGE_BYTES_H_
#define PONTOON_STORAGE_BYTES_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

// Fixed-width integers in stored bytes: little-endian in values, big-endian in keys.

namespace pontoon::storage {

static_assert(std::endian::native == std::endian::little, "stored layouts are read in place");

template <typename T>
void PutLittle(char* out, T value) {
  std::memcpy(out, &value, sizeof(value));
}
template <typename T>
void AppendLittle(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
template <typename T>
T GetLittle(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

// Takes values off the front of stored bytes; once they do not suffice, ok() is false and all
// further are 0.
class LittleReader {
 public:
  explicit LittleReader(absl::string_view bytes) : rest_(bytes) {}
  template <typename T>
  T Take() {
    if (rest_.size() < sizeof(T)) {
      ok_ = false;
      rest_ = {};
      return 0;
    }
    const T value = GetLittle<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  bool ok() const { return ok_; }
  absl::string_view rest() const { return rest_; }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_BYTES_H_
