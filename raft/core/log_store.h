#ifndef PONTOON_RAFT_CORE_LOG_STORE_H_
#define PONTOON_RAFT_CORE_LOG_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/slice.h"
#include "raft/core/types.h"

// The disk as Raft and the state machines need it. storage/ implements it over RocksDB, raft/sim
// and the tests in memory with a crash model. Nothing here reports a failed write: a store whose
// write or sync fails ends the process (design section 4), since nobody could know what is on the
// disk afterwards.

namespace pontoon::raft {

// What one group's core wants written. All or nothing, in the order of submission within the group.
struct StorageTask {
  GroupId group;
  IoSeq seq;
  std::optional<HardState> hard_state;
  // Delete headers and bodies at and above this index, before `append`.
  std::optional<Index> truncate_from;
  std::vector<Entry> append;  // Contiguous.
  // A durable checkpoint covers headers up to and including this one: delete them.
  std::optional<Index> compact_to;
  bool must_sync = true;  // Report done only once it is synced. False: may ride with a later sync.
};

// [format] A page: an immutable blob of a group's state machine outside its checkpoint's root (the
// middle of a deep queue, a chunk of the body ledger). Numbered by the state machine of that
// replica, never reused.
using PageId = base::StrongId<struct PageIdTag, uint64_t>;

// The state machine's image after it applied `applied`: the root, which names the pages that belong
// to it. Kept as the group's newest checkpoint; replaces the one before.
struct Checkpoint {
  EntryId applied;
  Membership membership;
  std::string root;
};

// What is left of a body that is mostly settled: these parts of the body as it was proposed,
// ascending, not touching.
struct BodyExtent {
  uint32_t offset;
  uint32_t size;
};
struct BodyCut {
  Index index;
  std::vector<BodyExtent> keep;
};

// What one group's state machine wants written. Never needs a sync of its own: it rides in the next
// batch, in order with the group's StorageTasks (a checkpoint is therefore never ahead of the log,
// nor of the pages it names).
struct StateTask {
  GroupId group;
  std::vector<std::pair<PageId, base::SliceChain>> put_pages;
  std::vector<PageId> drop_pages;
  std::vector<Index> drop_bodies;
  std::vector<BodyCut> cut_bodies;  // Done off the writer's thread: read, cut down, written again.
  std::optional<Checkpoint> checkpoint;  // Reported through OnCheckpointDurable.
};

// Called on the store's own thread; implementations post to the loop that owns the group.
class StorageEvents {
 public:
  virtual ~StorageEvents() = default;
  // All of the group's StorageTasks up to and including `seq` are as durable as they asked to be.
  virtual void OnStorageDone(GroupId group, IoSeq seq) = 0;
  virtual void OnCheckpointDurable(GroupId group, EntryId applied) = 0;
};

// A part of an entry's body that somebody wants to read.
struct BodyRead {
  Index index;
  uint32_t offset;  // In the body as it was proposed.
  uint32_t size;
};

// What a group finds after a start.
struct RecoveredGroup {
  HardState hard_state;
  std::optional<Checkpoint> checkpoint;
  std::vector<Entry> entries;  // Headers after the checkpoint, contiguous; bodies stay on disk.
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  // Any thread; never blocks on the disk. Done in order within a group, in batches over all groups.
  virtual void Submit(StorageTask task) = 0;
  virtual void Submit(StateTask task) = 0;

  // Reads parts of bodies that the store has written, off the loops; `done` runs on a thread of the
  // store with one slice per read, in their order, each verified against the store's checksums
  // (DataLoss otherwise; NotFound for one that was dropped). Any thread.
  virtual void ReadBodies(GroupId group, std::vector<BodyRead> reads,
                          std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) = 0;
  // The same for a page.
  virtual void ReadPage(GroupId group, PageId page,
                        std::function<void(absl::StatusOr<base::Slice>)> done) = 0;

  // Before the group runs, blocking: all that is durable of it. DataLoss names what is damaged or
  // missing.
  virtual absl::StatusOr<RecoveredGroup> RecoverBlocking(GroupId group) = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_LOG_STORE_H_
