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

size_t BytesToWrite(const StorageTask& task) {
  size_t bytes = 64;
  for (const Entry& entry : task.append) bytes += 64 + entry.header.size() + entry.body.size();
  if (task.install != nullptr) {
    bytes +=
        task.install->checkpoint.root.size() + task.install->live_bodies.size() * sizeof(IndexRun);
  }
  return bytes;
}

size_t BytesToWrite(const StateTask& task) {
  size_t bytes = 64 + 16 * (task.drop_bodies.size() + task.drop_pages.size());
  for (const auto& [page, content] : task.put_pages) bytes += 32 + content.size();
  for (const BodyImage& image : task.put_bodies) bytes += 64 + image.bytes.size();
  if (task.checkpoint) bytes += task.checkpoint->root.size();
  return bytes;
}

size_t BytesToWrite(const StoreTask& task) {
  return std::visit([](const auto& one) { return BytesToWrite(one); }, task);
}

bool IsWhole(const BodyImage& body) {
  uint64_t bytes = 0;
  for (const BodyImage::Extent& extent : body.extents) bytes += extent.size;
  return bytes == body.body_bytes;
}

}  // namespace pontoon::raft
