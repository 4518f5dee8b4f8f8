// Any bytes as a batch, with the checksum that they should have: refused, or messages that are the
// same when they are sent on.
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/crc32c.h"
#include "raft/node/wire.h"
#include "raft/node/wire_layout.h"
#include "raft/node/wire_samples.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pontoon;        // NOLINT: libFuzzer's entry cannot stand in a namespace.
  using namespace pontoon::raft;  // NOLINT: the same.
  std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto as_it_is =
      DecodeBatch(base::Slice::Copy(bytes), kSampleHeader.cluster_id, kSampleHeader.receiver);
  // Nobody finds these by chance: what is looked for is behind them.
  if (size >= wire::kHeaderBytes) {
    const auto put = [&](size_t at, auto value) {
      std::memcpy(bytes.data() + at, &value, sizeof(value));
    };
    put(wire::kMarkAt, wire::kMark);
    put(wire::kVersionAt, wire::kVersion);
    put(wire::kZeroAt, uint8_t{0});
    put(wire::kClusterAt, kSampleHeader.cluster_id);
    put(wire::kReceiverAt, kSampleHeader.receiver.value);
    uint32_t meta_bytes;
    std::memcpy(&meta_bytes, bytes.data() + wire::kMetaBytesAt, sizeof(meta_bytes));
    meta_bytes = std::min<uint32_t>(meta_bytes, static_cast<uint32_t>(size - wire::kHeaderBytes));
    put(wire::kMetaBytesAt, meta_bytes);
    put(wire::kBodyBytesAt, static_cast<uint32_t>(size - wire::kHeaderBytes - meta_bytes));
    uint32_t crc = base::Crc32c({bytes.data(), wire::kChecksumAt});
    crc = base::Crc32cExtend(crc, {bytes.data() + wire::kHeaderBytes, meta_bytes});
    put(wire::kChecksumAt, crc);
  }
  const auto batch =
      DecodeBatch(base::Slice::Copy(bytes), kSampleHeader.cluster_id, kSampleHeader.receiver);
  if (!batch.ok()) return 0;
  BatchWriter writer(batch->header);
  for (const Message& message : batch->messages) {
    if (!writer.Add(message).ok()) return 0;  // Shorter than the shortest form of it.
  }
  const auto again =
      DecodeBatch(writer.Take().Flatten(), kSampleHeader.cluster_id, kSampleHeader.receiver);
  if (batch->messages.empty()) return 0;
  PONTOON_CHECK(again.ok());
  PONTOON_CHECK(again->header == batch->header);
  PONTOON_CHECK(again->messages.size() == batch->messages.size());
  for (size_t i = 0; i < again->messages.size(); ++i) {
    PONTOON_CHECK(Describe(again->messages[i]) == Describe(batch->messages[i]));
  }
  return 0;
}
