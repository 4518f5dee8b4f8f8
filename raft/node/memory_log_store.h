#ifndef PONTOON_RAFT_NODE_MEMORY_LOG_STORE_H_
#define PONTOON_RAFT_NODE_MEMORY_LOG_STORE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/core/log_store.h"
#include "raft/node/memory_disk.h"

namespace pontoon::raft {

// A LogStore in memory for tests and the simulator, with the real one's promises and its ways to
// crash (design section 4): what is submitted by all groups is one queue, and is written in
// batches, each of which is on the disk whole or not at all. Nothing happens by itself: the test
// says when something is written, synced, reported, read, or lost. One thread.
//
// What is written and not yet synced is read as if it were durable, and a crash may take it back,
// the newest batches first. Durable is what is synced. The durable mark says how far that had come
// when it was last written (WriteMark): a damage of the log below it is noticed and stops the node;
// above it, the log is cut off where it is damaged, unless a later batch tells that what is missing
// had been synced. So a damage can take back what was synced only from behind the mark, and only at
// the log's very end; what the node had said about it is then for its peers to miss.
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
  void ReadBodyImages(GroupId group, std::vector<Index> bodies, bool with_bytes,
                      std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) override;
  void ReadCheckpoint(GroupId group, std::function<void(absl::StatusOr<Checkpoint>)> done) override;
  // DataLoss for all groups if the log was damaged below the mark, for one group if its own header
  // or checkpoint was.
  absl::StatusOr<RecoveredGroup> RecoverBlocking(GroupId group) override;

  // What the test decides.

  // Tasks submitted and not yet written.
  size_t unsynced() const { return queue_.size(); }
  // The first `count` of them (fewer if there are fewer) are written as one batch, and synced with
  // all before. Nothing is reported yet.
  void Sync(size_t count = SIZE_MAX) { WriteBatch(count, /*sync=*/true); }
  // The same, as the real store does it: synced only if one of these tasks has to be.
  void Write(size_t count = SIZE_MAX);
  // Written, but not synced: a crash may take it back.
  bool has_unsynced_writes() const { return synced_ < history_.size(); }
  // Reports all that may be reported and was not: tasks that are written and, where they must be,
  // synced; checkpoints only once they are synced.
  void Report();
  bool has_report() const;
  void SyncAndReport(size_t count = SIZE_MAX) {
    Sync(count);
    Report();
  }
  // Answers the reads that were asked for, in order.
  void AnswerReads();

  // The durable mark is written by each sync, unless it is let lag behind: then by WriteMark, which
  // the simulator calls 100 ms after a sync at the latest.
  void LetMarkLag() { mark_lags_ = true; }
  void WriteMark();

  enum class LogDamage {
    kNone,
    kAboveMark,  // A batch behind the mark, if there is one: a flipped bit or a zeroed page.
    kBelowMark,  // The same before the mark.
    kEnd,        // What was synced last, if the mark does not vouch for it; nothing came behind it.
  };
  // The process dies, or the machine: all that was synced stays, and as chance has it the first few
  // batches of the rest. Reports and reads that are under way are lost; whoever opens the groups
  // again has another `events`.
  void Crash(base::Random* random, StorageEvents* events, LogDamage damage = LogDamage::kNone);
  // What was vouched for is gone, which a crash brought to light: RecoverBlocking says so for every
  // group until AcceptLoss, Wipe or PutBack.
  bool lost() const { return lost_; }
  // Goes on with what is left, as a node with peers does: all groups are quarantined.
  void AcceptLoss(base::Random* random);
  // A crash after which the disk is empty.
  void Wipe(StorageEvents* events);
  // All of this group goes. Only between a crash and what is written next.
  void Drop(GroupId group);
  // A copy of all that is durable, and a crash after which the disk holds such a copy.
  std::shared_ptr<const MemoryDisk> Copy() const;
  void PutBack(const MemoryDisk& copy, StorageEvents* events);

  // A value of the group on the disk gets a wrong checksum: reading it is DataLoss. False: it is
  // not there.
  bool DamageBody(GroupId group, Index index);
  bool DamageHeader(GroupId group, Index index);
  bool DamagePage(GroupId group, PageId page);
  bool DamageCheckpoint(GroupId group);

  // The next write or sync fails: `on_fatal` is called, the process has to end (a Crash follows),
  // and whether what was being written is on the disk is left to chance.
  void SetOnFatal(std::function<void()> on_fatal) { on_fatal_ = std::move(on_fatal); }
  void FailNextWrite() { fail_next_ = true; }
  bool failed() const { return failed_; }
  // The disk is full but for a reserve of so many bytes, which writes use up; a write that does not
  // fit fails as above. The owner sees it coming (has_room) and stops publishes.
  void FillUp(uint64_t reserve_bytes);
  void MakeRoom() { full_ = false; }
  bool has_room() const { return !full_; }

  // What is written, for checks.
  const MemoryDisk& disk() const { return disk_; }
  bool HasBody(GroupId group, Index index) const { return disk_.HasBody(group, index); }
  uint64_t body_bytes() const { return disk_.body_bytes(); }
  std::vector<PageId> pages(GroupId group) const { return disk_.pages(group); }
  // Headers, also those that a checkpoint covers and that are not yet deleted.
  std::vector<EntryId> headers(GroupId group) const { return disk_.headers(group); }

 private:
  using Task = MemoryDisk::Task;
  struct Written {
    Task task;
    uint64_t batch;
    uint64_t synced_before;  // The newest batch that was synced when this one was written.
  };

  void WriteBatch(size_t count, bool sync);
  void NoteWritten(const Task& task);
  bool Fits(size_t count);
  void Fail();
  // Forgets what dies with the process.
  void Die(StorageEvents* events);
  // The first `count` of the history are on the disk, and nothing else.
  void CutHistory(size_t count);

  StorageEvents* events_;
  std::deque<Task> queue_;
  std::map<GroupId, IoSeq> submitted_;

  // disk_ is base_, which the mark vouches for, with the history written to it.
  MemoryDisk disk_;
  MemoryDisk base_;
  std::deque<Written> history_;
  size_t synced_ = 0;  // Of the history.
  uint64_t last_batch_ = 0;
  uint64_t synced_batch_ = 0;
  bool mark_lags_ = false;
  bool lost_ = false;

  std::map<GroupId, IoSeq> done_;                              // To be reported.
  std::map<GroupId, EntryId> written_checkpoints_;             // Once they are synced.
  std::map<GroupId, EntryId> checkpointed_;                    // To be reported.
  std::vector<std::pair<GroupId, uint64_t>> written_tickets_;  // The same.
  std::deque<std::function<void()>> reads_;

  std::function<void()> on_fatal_;
  bool fail_next_ = false;
  bool failed_ = false;
  bool full_ = false;
  uint64_t reserve_bytes_ = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_MEMORY_LOG_STORE_H_
