#ifndef PONTOON_RAFT_NODE_MEMORY_LOG_STORE_H_
#define PONTOON_RAFT_NODE_MEMORY_LOG_STORE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "base/random.h"
#include "raft/core/log_store.h"

namespace pontoon::raft {

// A LogStore in memory for tests and the simulator, with the real one's promises and its ways to
// crash: what is submitted by all groups is one queue, of which a prefix is on the disk. Nothing
// happens by itself: the test says when something is written, reported, read, or lost. One thread.
// It trusts nobody: a task out of order, a gap in the log, or headers dropped that no checkpoint
// covers are failed checks here.
class MemoryLogStore final : public LogStore {
 public:
  // `events` is borrowed and called only from Report.
  explicit MemoryLogStore(StorageEvents* events) : events_(events) {}

  void Submit(StorageTask task) override;
  void Submit(StateTask task) override;
  void ReadBodies(GroupId group, std::vector<BodyRead> reads,
                  std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) override;
  void ReadPage(GroupId group, PageId page,
                std::function<void(absl::StatusOr<base::Slice>)> done) override;
  void ReadEntries(GroupId group, Index from, Index to, uint64_t bytes_max,
                   std::function<void(absl::StatusOr<std::vector<Entry>>)> done) override;
  void ReadBodyImages(
      GroupId group, std::vector<Index> bodies, bool with_bytes,
      std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) override;
  void ReadCheckpoint(GroupId group,
                      std::function<void(absl::StatusOr<Checkpoint>)> done) override;
  absl::StatusOr<RecoveredGroup> RecoverBlocking(GroupId group) override;

  // What the test decides.

  // Tasks submitted and not yet on the disk.
  size_t unsynced() const { return queue_.size(); }
  // The first `count` of them reach the disk as one synced batch (fewer if there are fewer).
  // Nothing is reported yet.
  void Sync(size_t count = SIZE_MAX);
  // Reports all that is on the disk and has not been reported.
  void Report();
  bool has_report() const {
    return !done_.empty() || !checkpointed_.empty() || !written_.empty();
  }
  void SyncAndReport(size_t count = SIZE_MAX) {
    Sync(count);
    Report();
  }
  // Answers the reads that were asked for, in order.
  void AnswerReads();

  // The process dies: all that was synced stays, and as chance has it the first few of the rest.
  // Reports and reads that are under way are lost; whoever opens the groups again has another
  // `events`.
  void Crash(base::Random* random, StorageEvents* events);

  // The stored body of `index` gets a wrong checksum: reading it is DataLoss.
  void DamageBody(GroupId group, Index index);

  // What is on the disk, for checks.
  bool HasBody(GroupId group, Index index) const;
  uint64_t body_bytes() const;
  std::vector<PageId> pages(GroupId group) const;
  // Headers that are on the disk, also those that a checkpoint covers and that are not yet deleted.
  std::vector<EntryId> headers(GroupId group) const;

 private:
  struct Body {
    uint32_t body_bytes = 0;  // As it was proposed.
    std::vector<BodyExtent> keep;
    base::Slice bytes;  // As it was proposed; only what `keep` names is there.
    bool damaged = false;
  };
  struct Disk {
    HardState hard_state;
    base::RecoveryEpoch epoch;
    bool quarantined = false;
    Index ended_through;
    std::optional<Staging> staging;
    std::optional<Checkpoint> checkpoint;
    std::map<Index, Entry> headers;  // Without their bodies.
    std::map<Index, Body> bodies;
    std::map<PageId, base::Slice> pages;
  };
  using Task = std::variant<StorageTask, StateTask>;

  void Write(const StorageTask& task);
  void Write(const StateTask& task);
  static void Write(const Install& install, Disk* disk);
  static void PutBody(const Entry& entry, Disk* disk);
  static void DropGeneration(uint16_t generation, Disk* disk);
  absl::StatusOr<base::Slice> ReadBody(GroupId group, const BodyRead& read) const;
  absl::StatusOr<std::vector<Entry>> ReadLog(GroupId group, Index from, Index to,
                                             uint64_t bytes_max) const;
  absl::StatusOr<BodyImage> ReadImage(GroupId group, Index index, bool with_bytes) const;

  StorageEvents* events_;
  std::deque<Task> queue_;
  std::map<GroupId, IoSeq> submitted_;
  std::map<GroupId, Disk> disk_;
  std::map<GroupId, IoSeq> done_;            // On the disk, not reported.
  std::map<GroupId, EntryId> checkpointed_;  // The same.
  std::map<GroupId, uint64_t> written_;      // The same: tickets.
  std::deque<std::function<void()>> reads_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_MEMORY_LOG_STORE_H_
