#include "raft/core/entry.h"

#include <utility>

#include "base/crc32c.h"

namespace pontoon::raft {

Entry MakeEntry(base::SliceChain header, base::SliceChain body) {
  const uint32_t body_crc = base::Crc32c(body);
  return MakeEntry(std::move(header), std::move(body), body_crc);
}

Entry MakeEntry(base::SliceChain header, base::SliceChain body, uint32_t body_crc) {
  Entry entry;
  entry.header_crc = base::Crc32c(header);
  entry.body_bytes = static_cast<uint32_t>(body.size());
  entry.body_crc = body_crc;
  entry.header = std::move(header);
  entry.body = std::move(body);
  return entry;
}

}  // namespace pontoon::raft
