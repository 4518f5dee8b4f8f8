#ifndef PONTOON_RAFT_CORE_SNAPSHOT_H_
#define PONTOON_RAFT_CORE_SNAPSHOT_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "base/slice.h"
#include "raft/core/log_store.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// How a snapshot travels (design section 4): whoever lacks it pulls it in parts, one request for
// each, so that the sender keeps no state but the checkpoint that it must not let go, the receiver
// sets the pace, and what was received counts whoever sends the rest. A snapshot is the root of a
// checkpoint, the pages that the root names, and of the bodies that live in it those that the
// receiver lacks.

// About so many bytes are asked for, and answered, at once. An answer holds at least one item.
inline constexpr uint64_t kSnapshotPartBytes = 256 * 1024;
// Items of one request at most.
inline constexpr size_t kSnapshotItemsMax = 1024;

struct BodyWanted {
  Index index;
  uint32_t fingerprint = 0;  // Of what the receiver has (FingerprintOf); 0: nothing.
};

struct BodyAnswer {
  enum class Kind : uint8_t {
    kSame = 0,   // The receiver has it already.
    kBytes = 1,  // `image`, whole as the sender has it.
    kEnded = 2,  // Settled since: nothing of it is needed once the receiver has applied `ended`.
  };
  Kind kind = Kind::kSame;
  Index index;
  // What the sender's body lacks was settled by this committed index; zero: it lacks nothing.
  Index ended;
  BodyImage image;
};

// kSnapshotRequest: what is asked. kSnapshotPart: the same fields again but for the lists, and the
// answer.
struct SnapshotPart {
  enum class Kind : uint8_t { kRoot = 0, kPages = 1, kBodies = 2 };
  Kind kind = Kind::kRoot;
  // Drawn by the receiver, never the same twice; the answer repeats it, and says only by it what
  // was asked for.
  uint64_t request = 0;
  // Of which checkpoint. Asking for the beginning of a root: zero, the newest one.
  EntryId checkpoint;

  // kRoot. A request for the next stretch of a root says with `root_bytes` how much it is for.
  uint64_t offset = 0;
  // kPages: ids as the root names them.
  std::vector<PageId> pages;
  // kBodies.
  std::vector<BodyWanted> bodies;

  // The answer.

  // The sender does not hold this checkpoint (any more): begin again with its newest. With a zero
  // `checkpoint`: it has none.
  bool gone = false;
  // kRoot.
  uint64_t root_bytes = 0;  // In all.
  uint32_t root_crc = 0;    // CRC-32C of all.
  Membership membership;
  uint16_t page_generation = 0;
  base::SliceChain root;  // From `offset` on.
  // kPages: the first few of `pages`, at least one. A page that cannot be read: `gone`.
  std::vector<base::SliceChain> page_bytes;
  // kBodies: the first few of `bodies`, at least one.
  std::vector<BodyAnswer> body_answers;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_SNAPSHOT_H_
