#ifndef PONTOON_RAFT_NODE_TEST_WORLD_H_
#define PONTOON_RAFT_NODE_TEST_WORLD_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "raft/core/invariants.h"
#include "raft/node/memory_log_store.h"
#include "raft/node/multi_raft.h"

namespace pontoon::raft {

inline constexpr ReplicaId kTestSelf{NodeId{7}, 1};
inline const Membership kTestAlone{.voters = {kTestSelf}};

inline base::SliceChain TestBytes(const std::string& bytes) {
  return base::SliceChain(base::Slice::Copy(bytes));
}

// The task number `seq` of the group: appends an entry of term 1.
inline StorageTask TestAppend(GroupId group, uint64_t seq, uint64_t index,
                              const std::string& body = "") {
  StorageTask task;
  task.group = group;
  task.seq = IoSeq{seq};
  task.append.push_back(MakeEntry(TestBytes("h"), TestBytes(body)));
  task.append[0].id = {Term{1}, Index{index}};
  return task;
}

// A state machine whose state is the list of what it applied; its checkpoint's root is that list.
class RecordingMachine final : public StateMachine {
 public:
  void Restore(const std::optional<Checkpoint>& checkpoint) {
    if (checkpoint.has_value()) state = checkpoint->root;
  }
  void Apply(absl::Span<const Entry> committed) override {
    for (const Entry& entry : committed) {
      EXPECT_EQ(entry.kind, EntryKind::kNormal);
      EXPECT_GT(entry.id.index, last) << "applied twice or out of order";
      EXPECT_TRUE(entry.body.empty() || entry.body.size() == entry.body_bytes);
      last = entry.id.index;
      absl::StrAppend(&state, entry.id.index.value, "=", entry.header.Flatten().view(), ";");
      events.push_back(
          absl::StrCat("apply ", entry.id.index.value, entry.body.empty() ? "" : " body"));
      if (on_apply) on_apply(entry);
    }
  }
  void OnLeader(Term term) override { events.push_back(absl::StrCat("leader ", term.value)); }
  void OnFollower(Term term, std::optional<ReplicaId>) override {
    events.push_back(absl::StrCat("follower ", term.value));
  }
  void Install(const Checkpoint& checkpoint) override {
    state = checkpoint.root;
    last = checkpoint.applied.index;
    events.push_back(absl::StrCat("install ", last.value));
  }
  absl::StatusOr<Contents> ListContents(absl::string_view) const override { return Contents(); }
  bool NeedsBody(Index index) const override { return !settled.contains(index); }
  uint64_t Digest() const override { return std::hash<std::string>()(state); }
  void OnReadReady(ReadId id) override { events.push_back(absl::StrCat("read ", id.value)); }
  std::vector<std::string> TakeEvents() { return std::exchange(events, {}); }

  std::string state;
  std::set<Index> settled;
  Index last;
  std::vector<std::string> events;
  std::function<void(const Entry&)> on_apply;
};

// A node of one loop over a MemoryLogStore: lives, dies and lives again. Reports go straight to the
// loop.
class TestNode final : public StorageEvents {
 public:
  explicit TestNode(uint64_t seed, std::vector<GroupId> groups, MultiRaftOptions options = {})
      : random(seed), store(this), groups_(std::move(groups)), options_(options) {
    options_.self = kTestSelf;
    Open();
  }

  void OnStorageDone(GroupId group, IoSeq seq) override {
    raft->OnStorageDone(group, seq);
    Check();
  }
  void OnCheckpointDurable(GroupId group, EntryId applied) override {
    raft->OnCheckpointDurable(group, applied);
    Check();
  }

  void Tick() {
    now = now + base::Millis(10);
    raft->Tick(now);
    Check();
  }
  void Flush() {
    while (raft->Flush()) Check();
    Check();
  }
  // Runs until nothing is left to do.
  void Settle() {
    Tick();
    Flush();
    while (store.unsynced() > 0 || store.has_report()) {
      store.SyncAndReport();
      Flush();
    }
  }
  void CrashAndOpen() {
    raft.reset();
    machines.clear();
    store.Crash(&random, this);
    for (auto& [group, invariants] : invariants_) invariants.OnRestart();
    Open();
  }
  // The group was closed and is opened again in this life of the process.
  void ExpectReopened(GroupId group) { invariants_[group].OnRestart(); }
  absl::StatusOr<Index> Propose(GroupId group, const std::string& header,
                                const std::string& body = "") {
    return raft->Propose(group, raft->term(group), TestBytes(header), TestBytes(body));
  }
  void SubmitCheckpoint(GroupId group) {
    StateTask task;
    task.group = group;
    task.checkpoint = Checkpoint{raft->applied(group), {}, machines[group]->state};
    raft->SubmitState(std::move(task));
  }
  void Check() {
    for (const GroupId group : groups_) {
      ASSERT_EQ(invariants_[group].Check(raft->core(group)), absl::OkStatus())
          << "group " << group.value;
    }
  }

  base::SeededRandom random;
  base::MonotonicTime now;
  MemoryLogStore store;
  std::unique_ptr<MultiRaft> raft;
  std::map<GroupId, std::unique_ptr<RecordingMachine>> machines;

 private:
  void Open() {
    raft = std::make_unique<MultiRaft>(options_, &store, nullptr, &random);
    for (const GroupId group : groups_) {
      absl::StatusOr<RecoveredGroup> recovered = store.RecoverBlocking(group);
      ASSERT_TRUE(recovered.ok());
      auto machine = std::make_unique<RecordingMachine>();
      machine->Restore(recovered->checkpoint);
      ASSERT_EQ(raft->OpenGroup(group, *std::move(recovered), machine.get(), kTestAlone),
                absl::OkStatus());
      machines[group] = std::move(machine);
    }
    Check();
  }

  const std::vector<GroupId> groups_;
  MultiRaftOptions options_;
  std::map<GroupId, Invariants> invariants_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_TEST_WORLD_H_
