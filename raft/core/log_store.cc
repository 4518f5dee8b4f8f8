#include "raft/core/log_store.h"

#include <string>

#include "base/crc32c.h"

namespace pontoon::raft {

uint32_t FingerprintOf(const BodyImage& body) {
  std::string table;
  const auto put = [&table](uint32_t value) {
    for (int i = 0; i < 4; ++i) table.push_back(static_cast<char>(value >> (8 * i)));
  };
  put(body.body_bytes);
  for (const BodyImage::Extent& extent : body.extents) {
    put(extent.offset);
    put(extent.size);
    put(extent.crc);
  }
  const uint32_t crc = base::Crc32c(table);
  return crc == 0 ? 1 : crc;
}

bool IsWhole(const BodyImage& body) {
  uint64_t bytes = 0;
  for (const BodyImage::Extent& extent : body.extents) bytes += extent.size;
  return bytes == body.body_bytes;
}

}  // namespace pontoon::raft
