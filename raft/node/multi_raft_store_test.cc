#include <algorithm>

#include "raft/node/test_world.h"

// How MultiRaft hands its groups' tasks to the store: those of a turn at one stroke.

namespace pontoon::raft {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

const GroupId kA{1};
const GroupId kB{2};
const GroupId kC{9};

// Passes everything on, and keeps what was handed over at one stroke: "log 1 5" is the storage task
// number 5 of group 1, "state 1" one of its state machine.
class StrokesStore final : public LogStore {
 public:
  explicit StrokesStore(LogStore* store) : store_(store) {}

  void Submit(StorageTask task) override {
    strokes.push_back({Name(task)});
    store_->Submit(std::move(task));
  }
  void Submit(StateTask task) override {
    strokes.push_back({Name(task)});
    store_->Submit(std::move(task));
  }
  void SubmitAll(std::vector<StoreTask>* tasks) override {
    std::vector<std::string>& stroke = strokes.emplace_back();
    for (const StoreTask& task : *tasks)
      stroke.push_back(std::visit([](const auto& one) { return Name(one); }, task));
    store_->SubmitAll(tasks);
  }
  void ReadBodies(GroupId group, std::vector<BodyRead> reads,
                  std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) override {
    store_->ReadBodies(group, std::move(reads), std::move(done));
  }
  void ReadPage(GroupId group, PageId page,
                std::function<void(absl::StatusOr<base::Slice>)> done) override {
    store_->ReadPage(group, page, std::move(done));
  }
  void ReadEntries(GroupId group, Index from, Index to, uint64_t bytes_max,
                   std::function<void(absl::StatusOr<std::vector<Entry>>)> done) override {
    store_->ReadEntries(group, from, to, bytes_max, std::move(done));
  }
  void ReadBodyImages(GroupId group, std::vector<Index> bodies, bool with_bytes,
                      std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) override {
    store_->ReadBodyImages(group, std::move(bodies), with_bytes, std::move(done));
  }
  void ReadCheckpoint(GroupId group,
                      std::function<void(absl::StatusOr<Checkpoint>)> done) override {
    store_->ReadCheckpoint(group, std::move(done));
  }
  absl::StatusOr<RecoveredGroup> RecoverBlocking(GroupId group) override {
    return store_->RecoverBlocking(group);
  }

  std::vector<std::vector<std::string>> Take() { return std::exchange(strokes, {}); }

  std::vector<std::vector<std::string>> strokes;

 private:
  static std::string Name(const StorageTask& task) {
    return absl::StrCat("log ", task.group.value, " ", task.seq.value);
  }
  static std::string Name(const StateTask& task) {
    return absl::StrCat("state ", task.group.value);
  }

  LogStore* const store_;
};

class MultiRaftStoreTest : public ::testing::Test, public StorageEvents {
 protected:
  void Open(const std::vector<GroupId>& groups, uint32_t committed_entries_max = 10000) {
    MultiRaftOptions options;
    options.self = kTestSelf;
    options.core.committed_entries_max = committed_entries_max;
    raft_ = std::make_unique<MultiRaft>(options, &store_, nullptr, &random_);
    for (const GroupId group : groups) {
      ASSERT_EQ(raft_->OpenGroup(group, {}, &machines_[group], kTestAlone), absl::OkStatus());
    }
    raft_->Tick(base::MonotonicTime{} + base::Millis(10));
    Settle();
    (void)store_.Take();
  }
  void Settle() {
    (void)raft_->Flush();
    while (memory_.unsynced() > 0 || memory_.has_report()) {
      memory_.SyncAndReport();
      while (raft_->Flush()) {
      }
    }
  }
  void Propose(GroupId group, const std::string& body = "") {
    ASSERT_TRUE(raft_->Propose(group, raft_->term(group), TestBytes("h"), TestBytes(body)).ok());
  }
  void SubmitPage(GroupId group) {
    StateTask task;
    task.group = group;
    task.put_pages.emplace_back(PageId{1}, TestBytes("page"));
    raft_->SubmitState(std::move(task));
  }
  void OnStorageDone(GroupId group, IoSeq seq) override { raft_->OnStorageDone(group, seq); }
  void OnCheckpointDurable(GroupId group, EntryId applied) override {
    raft_->OnCheckpointDurable(group, applied);
  }

  base::SeededRandom random_{1};
  MemoryLogStore memory_{this};
  StrokesStore store_{&memory_};
  std::map<GroupId, RecordingMachine> machines_;
  std::unique_ptr<MultiRaft> raft_;
};

TEST_F(MultiRaftStoreTest, TheTasksOfAllGroupsOfATurnAreHandedOverAtOneStroke) {
  Open({kA, kB, kC});
  for (const GroupId group : {kB, kA, kC, kA}) Propose(group);
  EXPECT_THAT(store_.Take(), IsEmpty());
  (void)raft_->Flush();
  EXPECT_THAT(store_.Take(), ElementsAre(ElementsAre("log 2 3", "log 1 3", "log 9 3")));
  EXPECT_FALSE(raft_->Flush());
  EXPECT_THAT(store_.Take(), IsEmpty()) << "nothing is handed over twice";
}

TEST_F(MultiRaftStoreTest, WhatApplyingLeadsToRidesAlongInTheOrderOfItsGroup) {
  Open({kA, kB});
  for (const GroupId group : {kA, kB}) {
    machines_[group].on_apply = [this, group](const Entry& entry) {
      if (entry.id.index > Index{3}) return;
      SubmitPage(group);
      Propose(group);
    };
    Propose(group);
  }
  (void)raft_->Flush();
  memory_.SyncAndReport();
  (void)store_.Take();
  (void)raft_->Flush();
  EXPECT_THAT(store_.Take(), ElementsAre(ElementsAre("state 1", "state 2", "log 1 4", "log 2 4")));
}

TEST_F(MultiRaftStoreTest, WhatIsSubmittedBetweenTurnsDoesNotWaitForOne) {
  Open({kA});
  SubmitPage(kA);
  EXPECT_THAT(store_.Take(), ElementsAre(ElementsAre("state 1")));
}

TEST_F(MultiRaftStoreTest, MuchIsHandedOverBeforeTheTurnEnds) {
  std::vector<GroupId> groups;
  for (uint32_t group = 1; group <= 16; ++group) groups.push_back({group});
  Open(groups);
  for (const GroupId group : groups) Propose(group, std::string(200 << 10, 'b'));
  (void)raft_->Flush();
  const std::vector<std::vector<std::string>> strokes = store_.Take();
  // About a MiB each.
  EXPECT_THAT(strokes, SizeIs(AllOf(Ge(3u), Le(4u))));
  size_t tasks = 0;
  for (const auto& stroke : strokes) tasks += stroke.size();
  EXPECT_EQ(tasks, groups.size());
}

TEST_F(MultiRaftStoreTest, ATaskDoesNotWaitUntilALongStretchIsApplied) {
  Open({kA, kB});
  for (int i = 0; i < 2000; ++i) Propose(kB);
  (void)raft_->Flush();
  memory_.SyncAndReport();
  (void)store_.Take();
  size_t strokes_before = 0;
  machines_[kB].on_apply = [&](const Entry&) { strokes_before = store_.strokes.size(); };
  Propose(kA);  // Its group comes first or second; it must not matter.
  Propose(kB);
  (void)raft_->Flush();
  EXPECT_EQ(strokes_before, 1u) << "was handed over before it was applied";
  EXPECT_EQ(machines_[kB].last, Index{2002});
}

}  // namespace
}  // namespace pontoon::raft
