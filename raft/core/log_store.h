#ifndef PONTOON_RAFT_CORE_LOG_STORE_H_
#define PONTOON_RAFT_CORE_LOG_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/slice.h"
#include "raft/core/types.h"

// The disk as Raft and the state machines need it. storage/ implements it over RocksDB, raft/sim
// and the tests in memory with a crash model. Nothing here reports a failed write: a store whose
// write or sync fails ends the process (design section 4), since nobody could know what is on the
// disk afterwards.

namespace pontoon::raft {

struct Install;

// What one group's core wants written. All or nothing, in the order of submission within the group,
// and its parts in the order in which they stand here.
struct StorageTask {
  GroupId group;
  IoSeq seq;
  std::optional<HardState> hard_state;
  // The group was reopened (which ends a quarantine), or this replica was given up: both for good.
  std::optional<base::RecoveryEpoch> epoch;
  bool quarantine = false;
  // Some appended bodies lack what was settled by this committed index. Kept as the highest ever
  // given (also by Installs and StateTasks): what the log holds up to it is committed. A task with
  // an epoch replaces it.
  Index ended_through;
  std::shared_ptr<const Install> install;
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
  // Of the ids under which the store has the root's pages: StoredPage(page_generation, id).
  uint16_t page_generation = 0;
};

// The pages of one replica's state machine have ids of their own, so those of a snapshot that comes
// from another lie under another generation: the id that the store sees holds both.
inline constexpr uint64_t kPageIdMax = (uint64_t{1} << 48) - 1;
constexpr PageId StoredPage(uint16_t generation, PageId id) {
  return {uint64_t{generation} << 48 | id.value};
}

// A stretch of indexes. In a list they are ascending, and do not touch.
struct IndexRun {
  Index first;
  uint64_t count;
  friend bool operator==(const IndexRun&, const IndexRun&) = default;
};

// A body as a store has it: what is left of it, with a checksum for each part.
struct BodyImage {
  struct Extent {
    uint32_t offset;  // In the body as it was proposed.
    uint32_t size;
    uint32_t crc;  // CRC-32C of its bytes.
    friend bool operator==(const Extent&, const Extent&) = default;
  };
  Index index;
  uint32_t body_bytes = 0;  // As it was proposed.
  std::vector<Extent> extents;
  base::SliceChain bytes;  // Of the extents, one behind the other. May be left out when read.
};

// A snapshot from another replica takes the place of what this one had: the whole log goes, and all
// bodies behind the checkpoint. Its pages (under checkpoint.page_generation) and bodies were
// written before, in StateTasks.
struct Install {
  Checkpoint checkpoint;
  // The newest term of those who sent its parts: what `ended_through` names was committed by then.
  Term term;
  // Of the bodies up to the checkpoint these stay.
  std::vector<IndexRun> live_bodies;
  uint16_t old_page_generation = 0;  // All pages of this generation go.
  // Some of those bodies, or parts of them, were left out: they had been settled by this committed
  // index. Counts as a task's ended_through does, which does not repeat it.
  Index ended_through;
  // Bodies of which this replica has more than the sender: what the sender had cut off is settled
  // once the snapshot is in, and not before. They take the places of its own.
  std::vector<BodyImage> cut_bodies;
};

// The same for two bodies only if they are the same, to within a CRC-32C: size and extents.
// Never 0.
uint32_t FingerprintOf(const BodyImage& body);
// Nothing was cut off.
bool IsWhole(const BodyImage& body);

// Whose pages lie in the generation that is being received: they stay good for any later checkpoint
// of the same replica and generation.
struct Staging {
  ReplicaId sender;
  uint16_t sender_generation = 0;
  uint16_t generation = 0;  // Where they are kept here.
  friend bool operator==(const Staging&, const Staging&) = default;
};

// What is left of a body that is mostly settled: these parts of it, ascending, not touching.
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
  // The index that was applied when bodies were dropped or cut; see StorageTask::ended_through.
  Index ended_through;

  // A snapshot on its way in. `drop_generation` first, then the rest.
  std::optional<uint16_t> drop_generation;  // All pages of it.
  std::optional<Staging> staging;
  std::vector<BodyImage> put_bodies;
  // Reported through OnStateWritten, if not 0.
  uint64_t ticket = 0;
};

// Either of them; see LogStore::SubmitAll.
using StoreTask = std::variant<StorageTask, StateTask>;

// About what a task takes in memory, and in the batch that it becomes.
size_t BytesToWrite(const StorageTask& task);
size_t BytesToWrite(const StateTask& task);
size_t BytesToWrite(const StoreTask& task);

// Called on the store's own thread; implementations post to the loop that owns the group.
class StorageEvents {
 public:
  virtual ~StorageEvents() = default;
  // All of the group's StorageTasks up to and including `seq` are as durable as they asked to be.
  virtual void OnStorageDone(GroupId group, IoSeq seq) = 0;
  // The same for every group of one batch, each once. A loop had better get its share of it in one
  // piece: what that leads to is one batch again then.
  virtual void OnBatchDone(absl::Span<const std::pair<GroupId, IoSeq>> done) {
    for (const auto& [group, seq] : done) OnStorageDone(group, seq);
  }
  virtual void OnCheckpointDurable(GroupId group, EntryId applied) = 0;
  // A StateTask with this ticket is written (not necessarily synced).
  virtual void OnStateWritten(GroupId group, uint64_t ticket) {
    (void)group;
    (void)ticket;
  }
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
  base::RecoveryEpoch epoch;
  bool quarantined = false;
  Index ended_through;  // The highest of all tasks; what the log holds up to it is committed.
  std::optional<Staging> staging;
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  // Any thread; never blocks on the disk. Done in order within a group, in batches over all groups.
  virtual void Submit(StorageTask task) = 0;
  virtual void Submit(StateTask task) = 0;
  // The same for all of these, in order, as if at one stroke: a writer that has nothing to do does
  // not begin before it has them all. Takes them; leaves the list empty, with its memory.
  virtual void SubmitAll(std::vector<StoreTask>* tasks) {
    for (StoreTask& task : *tasks) {
      std::visit([this](auto& one) { Submit(std::move(one)); }, task);
    }
    tasks->clear();
  }

  // Reads parts of bodies that the store has written, off the loops; `done` runs on a thread of the
  // store with one slice per read, in their order, each verified against the store's checksums
  // (DataLoss otherwise; NotFound for one that was dropped). Any thread.
  virtual void ReadBodies(GroupId group, std::vector<BodyRead> reads,
                          std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) = 0;
  // The same for a page.
  virtual void ReadPage(GroupId group, PageId page,
                        std::function<void(absl::StatusOr<base::Slice>)> done) = 0;

  // Entries of the log with what there is of their bodies, from `from` on: at least one, about
  // `bytes_max` of them, up to `to`; `done` as above. An entry whose body is not whole has
  // `remains`, with `ended` zero. NotFound: `from` was compacted or truncated away. DataLoss: a
  // header or body does not match its checksum.
  virtual void ReadEntries(GroupId group, Index from, Index to, uint64_t bytes_max,
                           std::function<void(absl::StatusOr<std::vector<Entry>>)> done) = 0;
  // What there is of these bodies; without their bytes if `with_bytes` is false. NotFound for one
  // of which nothing is there.
  virtual void ReadBodyImages(GroupId group, std::vector<Index> bodies, bool with_bytes,
                              std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) = 0;
  // The newest checkpoint; NotFound if there is none.
  virtual void ReadCheckpoint(GroupId group,
                              std::function<void(absl::StatusOr<Checkpoint>)> done) = 0;

  // Before the group runs (again), blocking: all that is stored of it, after what was submitted for
  // it in an earlier opening is written. DataLoss names what is damaged or missing.
  virtual absl::StatusOr<RecoveredGroup> RecoverBlocking(GroupId group) = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_LOG_STORE_H_
