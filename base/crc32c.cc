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

}  // namespace

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
