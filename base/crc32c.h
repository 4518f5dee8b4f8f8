#ifndef PONTOON_BASE_CRC32C_H_
#define PONTOON_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/slice.h"

namespace pontoon::base {

// CRC-32C (Castagnoli) of `crc`'s bytes followed by `bytes`; 0 is the CRC of nothing. Uses SSE 4.2
// where the processor has it, a table otherwise; the same value either way.
uint32_t Crc32cExtend(uint32_t crc, absl::string_view bytes);
inline uint32_t Crc32c(absl::string_view bytes) { return Crc32cExtend(0, bytes); }
uint32_t Crc32c(const SliceChain& chain);
// The CRC of bytes whose CRC is `first`, followed by `size` bytes whose CRC is `second`; the bytes
// are not looked at.
uint32_t Crc32cCombine(uint32_t first, uint32_t second, uint64_t size);

}  // namespace pontoon::base

#endif  // PONTOON_BASE_CRC32C_H_
