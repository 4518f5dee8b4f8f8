#ifndef PONTOON_RAFT_CORE_TYPES_H_
#define PONTOON_RAFT_CORE_TYPES_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/slice.h"

namespace pontoon::raft {

using base::GroupId;
using base::NodeId;

// [format] Raft's words, as in the paper; both count from 1, 0 is "none".
using Term = base::StrongId<struct TermTag, uint64_t>;
using Index = base::StrongId<struct IndexTag, uint64_t>;
constexpr Index operator+(Index i, uint64_t n) { return {i.value + n}; }
constexpr Index operator-(Index i, uint64_t n) { return {i.value - n}; }
// Of a term or index that a peer names: what no history reaches, and counting on from which would
// begin again at zero.
inline constexpr uint64_t kHighestNumber = uint64_t{1} << 62;

// [format] Which entry: where it stands and which leader made it.
struct EntryId {
  Term term;
  Index index;
  friend constexpr auto operator<=>(const EntryId&, const EntryId&) = default;
};

// [format] A replica of a group: a node, and the how-manieth life of that node's disk (a wiped or
// replaced disk is a new incarnation, which never votes in the name of the old one).
struct ReplicaId {
  NodeId node;
  uint32_t incarnation = 0;
  friend constexpr auto operator<=>(const ReplicaId&, const ReplicaId&) = default;
};

// [format] kNormal is for the state machine; kNoop opens a leader's term (Raft thesis §6.4);
// kConfig carries a membership (thesis §4.3).
enum class EntryKind : uint8_t { kNormal = 0, kNoop = 1, kConfig = 2 };

// Bytes of the body of one entry at most. Larger messages travel ahead in pieces (design section
// 4), so that no message holds up the writer, a heartbeat or another queue.
inline constexpr uint32_t kEntryBodyBytesMax = 256 * 1024;
// Bytes of the header of one entry at most.
inline constexpr uint32_t kEntryHeaderBytesMax = 1024 * 1024;

// A part of a body, in the body as it was proposed.
struct BodyExtent {
  uint32_t offset;
  uint32_t size;
  friend bool operator==(const BodyExtent&, const BodyExtent&) = default;
};

// What is carried of a body of which some was left out, because what it held has been settled
// (design section 4).
struct BodyRemains {
  // A committed index: all that was left out had been settled by it. Zero only between
  // LogStore::ReadEntries and the one who fills it in.
  Index ended;
  // Ascending, not touching: Entry::body holds their bytes, one behind the other. Empty: nothing.
  std::vector<BodyExtent> kept;
  uint32_t crc = 0;  // CRC-32C of the bytes in Entry::body.
};

// One entry of a group's log. The header is what the state machine applies, and stays in the log,
// contiguous, until a checkpoint covers it; the body is kept under a key of its own and goes when
// what it holds has been settled (design section 4: holes belong in bodies, never in the log). The
// checksums are made once, where the bytes enter.
struct Entry {
  EntryId id;
  EntryKind kind = EntryKind::kNormal;
  base::SliceChain header;
  // At most kEntryBodyBytesMax; empty for most kinds, and where it was left out.
  base::SliceChain body;
  uint32_t header_crc = 0;  // CRC-32C of the header's bytes.
  uint32_t body_bytes = 0;  // Of the body as it was proposed.
  uint32_t body_crc = 0;    // CRC-32C of the body's bytes; 0 if body_bytes is 0.
  // Set on an entry that was read from a store or came from a peer without its whole body. Null:
  // the body is whole, or this is a header alone (after a recovery).
  std::shared_ptr<const BodyRemains> remains;
};

// [format] What a replica must know again after a restart (Raft thesis §3.8), per group.
struct HardState {
  Term term;
  std::optional<ReplicaId> vote;
  friend bool operator==(const HardState&, const HardState&) = default;
};

// [format] A set of voters, and while a change runs the outgoing one (joint consensus, thesis
// §4.3). A pure function of the log: the last kConfig entry, or the checkpoint's.
struct Membership {
  std::vector<ReplicaId> voters = {};           // Sorted.
  std::vector<ReplicaId> outgoing_voters = {};  // Sorted; empty unless joint.
  std::vector<ReplicaId> learners = {};         // Sorted.
  friend bool operator==(const Membership&, const Membership&) = default;
};

// A storage task's own number within its replica: strictly increasing, never reused, so that a late
// completion can never be taken for one of entries that replaced others (raft-notes: credited by
// sequence, never by index).
using IoSeq = base::StrongId<struct IoSeqTag, uint64_t>;

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_TYPES_H_
