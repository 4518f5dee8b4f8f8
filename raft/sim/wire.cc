#include "raft/sim/wire.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "raft/node/wire.h"

namespace pontoon::raft::sim {
namespace {

constexpr uint64_t kClusterId = 0x51a7;

bool IsDamaged(const Entry& entry) {
  const uint32_t crc = entry.remains == nullptr ? entry.body_crc : entry.remains->crc;
  return base::Crc32c(entry.header) != entry.header_crc || base::Crc32c(entry.body) != crc;
}

}  // namespace

base::Slice EncodePacket(const Packet& packet) {
  BatchWriter writer({.cluster_id = kClusterId,
                      .sender = {NodeId{packet.from}, 1},
                      .boot = {static_cast<uint32_t>(packet.boot)},
                      .receiver = {packet.to},
                      .traffic = packet.traffic});
  for (const Message& message : packet.messages) {
    const absl::Status added = writer.Add(message);
    PONTOON_CHECK_MSG(added.ok(), "a turn's messages do not fit into a batch");
  }
  return writer.Take().Flatten();
}

absl::Status DecodePacket(Packet* packet) {
  absl::StatusOr<Batch> batch = DecodeBatch(packet->bytes, kClusterId, NodeId{packet->to});
  if (!batch.ok()) return batch.status();
  // The transport knows which peer, process and lane it hears.
  if (batch->header.sender.node != NodeId{packet->from} ||
      batch->header.boot.value != packet->boot || batch->header.traffic != packet->traffic)
    return absl::PermissionDeniedError("a batch of another sender");
  packet->messages = std::move(batch->messages);
  return absl::OkStatus();
}

base::Slice DamageBytes(const base::Slice& bytes, Chance* chance) {
  std::string damaged(bytes.view().data(), bytes.size());
  const size_t at = chance->Below(damaged.size());
  switch (chance->Below(8)) {
    case 0:
      damaged.resize(at);
      break;
    case 1: {
      // As where a page of memory or a buffer was not filled.
      const size_t size = std::min<size_t>(damaged.size() - at, chance->Between(1, 4096));
      damaged.replace(at, size, size, '\0');
      break;
    }
    case 2:
      for (size_t i = at; i < std::min(damaged.size(), at + 8); ++i)
        damaged[i] = static_cast<char>(chance->Next() >> 56);
      break;
    default:
      for (uint64_t flips = chance->Between(1, 3); flips > 0; --flips) {
        char& hit = damaged[flips == 1 ? at : chance->Below(damaged.size())];
        hit = static_cast<char>(hit ^ 1 << chance->Below(8));
      }
      break;
  }
  if (absl::string_view(damaged) == bytes.view()) damaged[at] = static_cast<char>(damaged[at] ^ 1);
  return base::Slice::Copy(damaged);
}

bool DamageParts(Packet* packet, Chance* chance) {
  const auto flip = [chance](base::SliceChain* bytes) {
    const base::Slice whole = bytes->Flatten();
    std::string damaged(whole.view().data(), whole.size());
    char& hit = damaged[chance->Below(damaged.size())];
    hit = static_cast<char>(hit ^ 1 << chance->Below(8));
    *bytes = base::SliceChain(base::Slice::Copy(damaged));
  };
  bool hit = false;
  for (Message& message : packet->messages) {
    if (message.kind != MessageKind::kSnapshotPart) continue;
    auto part = std::make_shared<SnapshotPart>(*message.snapshot);
    if (!part->root.empty()) {
      flip(&part->root);
      hit = true;
    }
    for (BodyAnswer& answer : part->body_answers) {
      if (answer.image.bytes.empty() || !chance->Permille(500)) continue;
      flip(&answer.image.bytes);
      hit = true;
    }
    message.snapshot = std::move(part);
  }
  return hit;
}

std::vector<std::pair<GroupId, Term>> DamagedAppends(const Packet& packet) {
  std::vector<std::pair<GroupId, Term>> damaged;
  for (const Message& message : packet.messages) {
    if (std::any_of(message.entries.begin(), message.entries.end(), IsDamaged))
      damaged.emplace_back(message.group, message.term);
  }
  return damaged;
}

}  // namespace pontoon::raft::sim
