#ifndef PONTOON_RAFT_NODE_WIRE_LAYOUT_H_
#define PONTOON_RAFT_NODE_WIRE_LAYOUT_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "raft/core/message.h"

// [format] What the writer and the reader of batches agree on; FORMAT.md says it in words.

namespace pontoon::raft::wire {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

inline constexpr uint32_t kMark = 0x74665250;  // "PRft"
inline constexpr uint16_t kVersion = 1;

// Offsets in the batch's header.
inline constexpr size_t kMarkAt = 0, kVersionAt = 4, kClassAt = 6, kZeroAt = 7, kClusterAt = 8,
                        kSenderAt = 16, kIncarnationAt = 24, kBootAt = 28, kReceiverAt = 32,
                        kStampAt = 40, kMessagesAt = 48, kMetaBytesAt = 52, kBodyBytesAt = 56,
                        kChecksumAt = 60, kHeaderBytes = 64;

// Which fields of a message are there; the others are zero.
enum MessageFlag : uint16_t {
  kRefused = 1 << 0,
  kTransfer = 1 << 1,
  kQuarantined = 1 << 2,
  kNoRoom = 1 << 3,
  kHasEpoch = 1 << 4,
  kHasIncarnation = 1 << 5,  // Of the sender's replica, where it is not the batch's.
  kHasLog = 1 << 6,
  kHasProbe = 1 << 7,
  kHasCommit = 1 << 8,
  kHasStamp = 1 << 9,
  kHasRound = 1 << 10,
  kHasDigest = 1 << 11,
  kHasEntries = 1 << 12,
  kHasSnapshot = 1 << 13,
  kMustTake = 1 << 14,
  kAllMessageFlags = (1 << 15) - 1,
};
inline constexpr size_t kMessageBytesMin = 6;

enum EntryFlag : uint8_t {
  kEntryKindBits = 3,
  kEntryHasBody = 1 << 2,  // It was proposed with one.
  kEntryHasRemains = 1 << 3,
  kEntryBodyIsLeftOut = 1 << 4,  // Without a word about why.
  kAllEntryFlags = (1 << 5) - 1,
};
inline constexpr size_t kEntryBytesMin = 8;
inline constexpr size_t kReplicaBytesMin = 9;
inline constexpr size_t kExtentBytesMin = 2;
inline constexpr size_t kImageExtentBytesMin = 6;
inline constexpr size_t kWantedBytesMin = 5;
inline constexpr size_t kPageBytesMin = 5;
inline constexpr size_t kAnswerBytesMin = 3;

enum SnapshotFlag : uint8_t { kGone = 1 << 0, kHasRootAnswer = 1 << 1, kAllSnapshotFlags = 3 };

// Small differences of either sign become small numbers.
constexpr uint64_t ZigZag(uint64_t value, uint64_t from) {
  const uint64_t difference = value - from;
  return (difference << 1) ^ (0 - (difference >> 63));
}
constexpr uint64_t UnZigZag(uint64_t coded, uint64_t from) {
  return from + ((coded >> 1) ^ (0 - (coded & 1)));
}
static_assert(UnZigZag(ZigZag(3, 5), 5) == 3 && ZigZag(3, 5) == 3 && ZigZag(6, 5) == 2);

}  // namespace pontoon::raft::wire

#endif  // PONTOON_RAFT_NODE_WIRE_LAYOUT_H_
