#include "storage/rocksdb_crc32c.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/crc32c.h"

// All functions of RocksDB's util/crc32c.cc: were one missing, the linker would bring in the
// library's file and find the others twice.
namespace rocksdb::crc32c {

std::string IsFastCrc32Supported();
uint32_t Extend(uint32_t crc, const char* data, size_t size);
uint32_t Crc32cCombine(uint32_t first, uint32_t second, size_t second_size);

std::string IsFastCrc32Supported() { return "Supported by Pontoon"; }

uint32_t Extend(uint32_t crc, const char* data, size_t size) {
  return pontoon::base::Crc32cExtend(crc, absl::string_view(data, size));
}

namespace {

// Product of two polynomials modulo Castagnoli's, bits reflected: the highest bit is x^0.
uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000u; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ 0x82f63b78u : b >> 1;
  }
  return product;
}

}  // namespace

uint32_t Crc32cCombine(uint32_t first, uint32_t second, size_t second_size) {
  uint32_t shift = 0x80000000u;  // x^(8 * second_size), by squaring.
  uint32_t power = 0x00800000u;  // x^8
  for (size_t n = second_size; n != 0; n >>= 1) {
    if ((n & 1) != 0) shift = Multiply(shift, power);
    power = Multiply(power, power);
  }
  return Multiply(shift, first) ^ second;
}

}  // namespace rocksdb::crc32c

namespace pontoon::storage {

void UseOwnCrc32cForRocksDb() {}

}  // namespace pontoon::storage
