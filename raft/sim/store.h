#ifndef PONTOON_RAFT_SIM_STORE_H_
#define PONTOON_RAFT_SIM_STORE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/core/log_store.h"
#include "raft/node/memory_log_store.h"

namespace pontoon::raft::sim {

// What is durable of one replica, told only by what was submitted and what was synced: what the
// replica's promises are held against, and what a crash must have left.
struct Durable {
  HardState hard_state;
  // Terms of the log by index; 0 where a snapshot took the place of what nobody wrote here.
  std::vector<Term> terms{Term{0}};
  EntryId checkpoint;
  bool quarantined = false;
  base::RecoveryEpoch epoch;
  // The highest that was ever durable here, also if another leader's entries replaced it.
  Index most;

  Index last() const { return {terms.size() - 1}; }
  bool Has(EntryId id) const {
    if (id.index <= checkpoint.index) return true;
    return id.index <= last() && terms[id.index.value] == id.term;
  }
};

// Told what a replica wants written, before it is.
class StoreWatcher {
 public:
  virtual ~StoreWatcher() = default;
  virtual void OnSubmit(const StorageTask& task) = 0;
};

// The disk of a node: the memory log store, with a record beside it of what was submitted and what
// of it is synced.
class Store final : public LogStore {
 public:
  // Both borrowed.
  // The durable mark is written by WriteMark, if `mark_lags`; else by each sync.
  Store(StorageEvents* events, StoreWatcher* watcher, bool mark_lags)
      : store_(events), watcher_(watcher), mark_lags_(mark_lags) {
    if (mark_lags) store_.LetMarkLag();
  }

  void Submit(StorageTask task) override;
  void Submit(StateTask task) override;
  void ReadBodies(GroupId group, std::vector<BodyRead> reads,
                  std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) override {
    ++reads_;
    store_.ReadBodies(group, std::move(reads), Later(std::move(done)));
  }
  void ReadPage(GroupId group, PageId page,
                std::function<void(absl::StatusOr<base::Slice>)> done) override {
    ++reads_;
    store_.ReadPage(group, page, Later(std::move(done)));
  }
  void ReadEntries(GroupId group, Index from, Index to, uint64_t bytes_max,
                   std::function<void(absl::StatusOr<std::vector<Entry>>)> done) override {
    ++reads_;
    store_.ReadEntries(group, from, to, bytes_max, Later(std::move(done)));
  }
  void ReadBodyImages(GroupId group, std::vector<Index> bodies, bool with_bytes,
                      std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) override {
    ++reads_;
    store_.ReadBodyImages(group, std::move(bodies), with_bytes, Later(std::move(done)));
  }
  void ReadCheckpoint(GroupId group,
                      std::function<void(absl::StatusOr<Checkpoint>)> done) override {
    ++reads_;
    store_.ReadCheckpoint(group, Later(std::move(done)));
  }
  absl::StatusOr<RecoveredGroup> RecoverBlocking(GroupId group) override {
    return store_.RecoverBlocking(group);
  }

  // What the simulation decides.

  size_t unsynced() const { return store_.unsynced(); }
  bool has_unsynced_writes() const { return store_.has_unsynced_writes(); }
  bool has_reads() const { return reads_ > 0; }
  // The first `count` tasks are written; synced if one of them has to be, or if there are none.
  // False: the write failed, and the process has to end.
  [[nodiscard]] bool Write(size_t count);
  void FailNextWrite() {
    fails_next_ = true;
    store_.FailNextWrite();
  }
  bool fails_next() const { return fails_next_; }
  // Full but for a reserve that suffices for what is not a body.
  void FillUp() { store_.FillUp(uint64_t{1} << 30); }
  void MakeRoom() { store_.MakeRoom(); }
  void Report() { store_.Report(); }
  void WriteMark();
  // Something is synced that the mark does not vouch for.
  bool is_unmarked() const { return !since_mark_.empty(); }
  // What was synced last has entries, and nothing was written behind it.
  bool ends_with_entries() const { return ends_with_entries_ && written_ == 0; }
  // What was asked for is read now; the answers arrive with AnswerReads.
  void PerformReads() {
    reads_ = 0;
    store_.AnswerReads();
  }
  void AnswerReads() {
    for (const auto& answer : std::exchange(answers_, {})) answer();
  }

  // The process dies. Afterwards the record is matched with what the store recovers: the empty
  // string, or why no prefix of what was submitted explains it (S1, S2). After a damage of what was
  // vouched for (kBelowMark), S5: every group is quarantined, and the record begins anew. What was
  // synced behind the mark may be gone after a damage there; `lost` says so.
  std::string Crash(base::Random* random, StorageEvents* events, const std::vector<GroupId>& groups,
                    MemoryLogStore::LogDamage damage, bool* lost);
  // The disk as it is, with its record; and that it is as it was then.
  struct Image {
    std::shared_ptr<const MemoryDisk> disk;
    std::map<GroupId, Durable> record;
  };
  Image Copy() const { return {store_.Copy(), durable_}; }
  void PutBack(const Image& image, StorageEvents* events);
  // All of this group goes. Only right after a crash.
  void Drop(GroupId group);

  const Durable& durable(GroupId group) const;
  const std::map<GroupId, Durable>& durable() const { return durable_; }
  // Of what the mark vouches for; only while it lags.
  const std::map<GroupId, Durable>& marked() const { return marked_; }
  // Votes that became durable since the last call.
  std::vector<std::pair<GroupId, HardState>> TakeVotes() { return std::exchange(votes_, {}); }
  MemoryLogStore& memory() { return store_; }
  const MemoryLogStore& memory() const { return store_; }

 private:
  struct Task {
    GroupId group;
    IoSeq seq;  // 0: of a state machine.
    std::optional<HardState> hard_state;
    std::optional<Index> truncate_from;
    std::vector<EntryId> append;
    std::optional<EntryId> checkpoint;  // A StateTask's, or an install's.
    bool install = false;
    bool quarantine = false;
    std::optional<base::RecoveryEpoch> epoch;
    bool must_sync = false;
  };

  template <typename Result>
  std::function<void(Result)> Later(std::function<void(Result)> done) {
    return [this, done = std::move(done)](Result result) {
      answers_.push_back([done, result = std::move(result)] { done(result); });
    };
  }
  static void Record(const Task& task, Durable* durable);
  void RecordSynced(const Task& task);
  std::string QuarantineAll(base::Random* random, const std::vector<GroupId>& groups);
  std::string Recover(const std::vector<GroupId>& groups, std::map<GroupId, RecoveredGroup>* found);
  std::string Match(const std::map<GroupId, RecoveredGroup>& found) const;

  MemoryLogStore store_;
  StoreWatcher* const watcher_;
  std::deque<Task> tasks_;  // Submitted, not synced.
  size_t written_ = 0;      // The first of them.
  std::map<GroupId, Durable> durable_;
  const bool mark_lags_;
  std::map<GroupId, Durable> marked_;
  std::deque<Task> since_mark_;  // Synced since.
  bool ends_with_entries_ = false;
  std::vector<std::pair<GroupId, HardState>> votes_;
  bool fails_next_ = false;
  uint64_t reads_ = 0;
  std::vector<std::function<void()>> answers_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_STORE_H_
