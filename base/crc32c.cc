#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace pontoon::base {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Reversed Castagnoli.

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? (c >> 1) ^ kPolynomial : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

uint32_t ExtendTable(uint32_t state, const char* p, size_t n) {
  for (; n != 0; --n, ++p) state = kTable[(state ^ static_cast<uint8_t>(*p)) & 0xff] ^ (state >> 8);
  return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ExtendSse(uint32_t state, const char* p, size_t n) {
  uint64_t wide = state;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  state = static_cast<uint32_t>(wide);
  for (; n != 0; --n, ++p) state = _mm_crc32_u8(state, static_cast<uint8_t>(*p));
  return state;
}
#endif

// a * b modulo the polynomial, in the reversed order of bits (x^0 is the highest bit).
constexpr uint32_t MultiplyModulo(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = uint32_t{1} << 31; bit != 0; bit >>= 1) {
    product ^= (a & bit) != 0 ? b : 0;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

// x^(8 * n * 16^k), for n below 16: what appending n * 16^k bytes multiplies a CRC by.
constexpr std::array<std::array<uint32_t, 16>, 16> MakePowers() {
  std::array<std::array<uint32_t, 16>, 16> powers{};
  uint32_t base = uint32_t{1} << 23;  // x^8
  for (auto& row : powers) {
    row[0] = uint32_t{1} << 31;  // x^0
    for (size_t n = 1; n < 16; ++n) row[n] = MultiplyModulo(row[n - 1], base);
    base = MultiplyModulo(row[15], base);
  }
  return powers;
}
constexpr std::array<std::array<uint32_t, 16>, 16> kPowers = MakePowers();

}  // namespace

uint32_t Crc32cCombine(uint32_t first, uint32_t second, uint64_t size) {
  for (size_t k = 0; size != 0 && first != 0; size >>= 4, ++k) {
    if ((size & 15) != 0) first = MultiplyModulo(first, kPowers[k][size & 15]);
  }
  return first ^ second;
}

uint32_t Crc32cExtend(uint32_t crc, absl::string_view bytes) {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2");
  if (has_sse42) return ~ExtendSse(~crc, bytes.data(), bytes.size());
#endif
  return ~ExtendTable(~crc, bytes.data(), bytes.size());
}

uint32_t Crc32c(const SliceChain& chain) {
  uint32_t crc = 0;
  for (const Slice& slice : chain.slices()) crc = Crc32cExtend(crc, slice.view());
  return crc;
}

}  // namespace pontoon::base
