// The ways in which the store in memory can crash, as the store on a real disk does (design section
// 4): what the simulator may rely on.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "raft/core/entry.h"
#include "raft/node/memory_log_store.h"
#include "raft/node/test_world.h"

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using LogDamage = MemoryLogStore::LogDamage;

const GroupId kGroup{4};

class Recorder final : public StorageEvents {
 public:
  void OnStorageDone(GroupId, IoSeq seq) override {
    log.push_back(absl::StrCat("done ", seq.value));
  }
  void OnCheckpointDurable(GroupId, EntryId applied) override {
    log.push_back(absl::StrCat("checkpoint ", applied.index.value));
  }
  void OnStateWritten(GroupId, uint64_t ticket) override {
    log.push_back(absl::StrCat("written ", ticket));
  }
  std::vector<std::string> log;
};

StorageTask Append(uint64_t seq, uint64_t index, const std::string& body = "") {
  return TestAppend(kGroup, seq, index, body);
}

StateTask State() {
  StateTask task;
  task.group = kGroup;
  return task;
}

class MemoryLogStoreCrashTest : public ::testing::Test {
 protected:
  uint64_t last() {
    const auto headers = store_.headers(kGroup);
    return headers.empty() ? 0 : headers.back().index.value;
  }
  Recorder recorder_;
  MemoryLogStore store_{&recorder_};
};

TEST_F(MemoryLogStoreCrashTest,
       TaskThatNeedNotBeSyncedIsReportedOnceWrittenAndACrashMayTakeItBack) {
  std::set<uint64_t> lasts;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Recorder recorder;
    MemoryLogStore store(&recorder);
    store.Submit(Append(1, 1));
    store.Write();
    EXPECT_FALSE(store.has_unsynced_writes());
    StorageTask lazy = Append(2, 2);
    lazy.must_sync = false;
    store.Submit(std::move(lazy));
    store.Write();
    EXPECT_TRUE(store.has_unsynced_writes());
    store.Report();
    EXPECT_THAT(recorder.log, ElementsAre("done 2"));
    EXPECT_EQ(store.headers(kGroup).size(), 2u) << "it is read at once";
    base::SeededRandom random(seed);
    store.Crash(&random, &recorder);
    lasts.insert(store.headers(kGroup).size());
  }
  EXPECT_THAT(lasts, ElementsAre(1, 2));
}

TEST_F(MemoryLogStoreCrashTest, CheckpointIsReportedOnceSyncedAndATicketOnceWritten) {
  store_.Submit(Append(1, 1));
  store_.SyncAndReport();
  StateTask state = State();
  state.checkpoint = Checkpoint{{{1}, {1}}, {}, "root"};
  state.ticket = 7;
  store_.Submit(std::move(state));
  state = State();
  state.ticket = 8;
  store_.Submit(std::move(state));
  recorder_.log.clear();
  store_.Write();
  store_.Report();
  EXPECT_THAT(recorder_.log, ElementsAre("written 7", "written 8"));
  store_.Sync();
  store_.Report();
  EXPECT_THAT(recorder_.log, ElementsAre("written 7", "written 8", "checkpoint 1"));
}

TEST_F(MemoryLogStoreCrashTest, TornBatchDisappearsWhole) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    MemoryLogStore store(&recorder_);
    for (uint64_t i = 1; i <= 6; ++i) {
      StorageTask lazy = Append(i, i);
      lazy.must_sync = false;
      store.Submit(std::move(lazy));
    }
    store.Write(3);
    store.Write(3);
    base::SeededRandom random(seed);
    store.Crash(&random, &recorder_);
    EXPECT_EQ(store.headers(kGroup).size() % 3, 0u);
  }
}

TEST_F(MemoryLogStoreCrashTest, DamageBelowTheMarkStopsTheNodeUntilTheLossIsAccepted) {
  for (uint64_t i = 1; i <= 5; ++i) store_.Submit(Append(i, i, "body"));
  store_.Sync();
  base::SeededRandom random(1);
  store_.Crash(&random, &recorder_, LogDamage::kBelowMark);
  EXPECT_TRUE(store_.lost());
  EXPECT_TRUE(absl::IsDataLoss(store_.RecoverBlocking(kGroup).status()));
  EXPECT_TRUE(absl::IsDataLoss(store_.RecoverBlocking(GroupId{99}).status())) << "for all groups";
  store_.Crash(&random, &recorder_);
  EXPECT_TRUE(absl::IsDataLoss(store_.RecoverBlocking(kGroup).status())) << "it stays so";
  store_.AcceptLoss(&random);
  const auto left = store_.RecoverBlocking(kGroup);
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(left->quarantined);
  EXPECT_EQ(left->hard_state.vote, std::nullopt);
  for (size_t i = 0; i < left->entries.size(); ++i)
    EXPECT_EQ(left->entries[i].id.index, Index{i + 1});
}

// Only the very end of the log can be taken for a torn tail; what is missing before a batch that
// was written later, and says that it had been synced, is noticed.
TEST_F(MemoryLogStoreCrashTest, DamageAboveTheMarkCutsTheTailOrIsNoticed) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    MemoryLogStore store(&recorder_);
    store.LetMarkLag();
    for (uint64_t i = 1; i <= 4; ++i) {
      store.Submit(Append(i, i));
      store.Sync();
      if (i == 2) store.WriteMark();
    }
    base::SeededRandom random(seed);
    store.Crash(&random, &recorder_, LogDamage::kAboveMark);
    outcomes.insert(store.lost() ? "noticed" : absl::StrCat("left ", store.headers(kGroup).size()));
  }
  EXPECT_THAT(outcomes, UnorderedElementsAre("noticed", "left 3"));
}

TEST_F(MemoryLogStoreCrashTest, DamageOfTheEndTakesJustTheLastSyncBackAndTellsNobody) {
  store_.LetMarkLag();
  for (uint64_t i = 1; i <= 3; ++i) {
    store_.Submit(Append(i, i));
    store_.Sync();
  }
  store_.Submit(Append(4, 4));
  base::SeededRandom random(1);
  store_.Crash(&random, &recorder_, LogDamage::kEnd);
  EXPECT_EQ(last(), 2u);
  EXPECT_FALSE(store_.lost());
  ASSERT_TRUE(store_.RecoverBlocking(kGroup).ok());
  // A start vouches for what it found.
  store_.Crash(&random, &recorder_, LogDamage::kEnd);
  EXPECT_EQ(last(), 2u);
}

TEST_F(MemoryLogStoreCrashTest, MarkThatFollowsEverySyncLeavesNothingSyncedToLose) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    MemoryLogStore store(&recorder_);
    for (uint64_t i = 1; i <= 4; ++i) {
      store.Submit(Append(i, i));
      store.Sync(i <= 2 ? 1 : 0);
    }
    base::SeededRandom random(seed);
    store.Crash(&random, &recorder_, LogDamage::kAboveMark);
    EXPECT_FALSE(store.lost());
    EXPECT_GE(store.headers(kGroup).size(), 2u);
  }
}

TEST_F(MemoryLogStoreCrashTest, AfterAFailedWriteNothingIsReportedAndItsOutcomeIsUnknown) {
  std::set<uint64_t> lasts;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Recorder recorder;
    MemoryLogStore store(&recorder);
    int fatal = 0;
    store.SetOnFatal([&] { ++fatal; });
    store.Submit(Append(1, 1));
    store.SyncAndReport();
    store.Submit(Append(2, 2));
    store.FailNextWrite();
    store.SyncAndReport();
    store.Submit(Append(3, 3));
    store.SyncAndReport();
    EXPECT_EQ(fatal, 1);
    EXPECT_TRUE(store.failed());
    EXPECT_THAT(recorder.log, ElementsAre("done 1"));
    base::SeededRandom random(seed);
    store.Crash(&random, &recorder);
    EXPECT_FALSE(store.failed());
    lasts.insert(store.headers(kGroup).size());
  }
  EXPECT_THAT(lasts, ElementsAre(1, 2)) << "the failed batch may be there or not";
}

TEST_F(MemoryLogStoreCrashTest, FullDiskTakesWritesFromTheReserveUntilItIsUsedUp) {
  store_.FillUp(/*reserve_bytes=*/1000);
  EXPECT_FALSE(store_.has_room());
  store_.Submit(Append(1, 1, std::string(300, 'x')));
  store_.SyncAndReport();
  EXPECT_FALSE(store_.failed());
  store_.Submit(Append(2, 2, std::string(900, 'x')));
  store_.SyncAndReport();
  EXPECT_TRUE(store_.failed());
  EXPECT_THAT(recorder_.log, ElementsAre("done 1"));
  base::SeededRandom random(1);
  store_.Crash(&random, &recorder_);
  EXPECT_TRUE(store_.has_room());
}

TEST_F(MemoryLogStoreCrashTest, PutBackDiskIsAsItWasCopiedAndAWipedOneIsEmpty) {
  store_.Submit(Append(1, 1, "body"));
  store_.Sync();
  const auto copy = store_.Copy();
  store_.Submit(Append(2, 2, "body"));
  store_.Sync();
  StateTask drop = State();
  drop.drop_bodies = {Index{1}};
  store_.Submit(std::move(drop));
  store_.Sync();
  store_.PutBack(*copy, &recorder_);
  EXPECT_EQ(last(), 1u);
  EXPECT_TRUE(store_.HasBody(kGroup, Index{1}));
  store_.Submit(Append(1, 2));
  store_.Sync();
  EXPECT_EQ(copy->headers(kGroup).size(), 1u) << "a copy of its own";
  store_.Wipe(&recorder_);
  const auto empty = store_.RecoverBlocking(kGroup);
  ASSERT_TRUE(empty.ok());
  EXPECT_THAT(empty->entries, IsEmpty());
  EXPECT_EQ(empty->hard_state, HardState{});
}

TEST_F(MemoryLogStoreCrashTest, CopyHoldsOnlyWhatIsDurable) {
  store_.LetMarkLag();
  store_.Submit(Append(1, 1));
  store_.Sync();
  StorageTask lazy = Append(2, 2);
  lazy.must_sync = false;
  store_.Submit(std::move(lazy));
  store_.Write();
  EXPECT_EQ(store_.Copy()->headers(kGroup).size(), 1u);
}

TEST_F(MemoryLogStoreCrashTest, DamagedHeaderOrCheckpointIsTheLossOfItsGroupAlone) {
  for (uint64_t i = 1; i <= 3; ++i) store_.Submit(Append(i, i));
  StorageTask other = Append(1, 1);
  other.group = GroupId{5};
  store_.Submit(std::move(other));
  StateTask state = State();
  state.checkpoint = Checkpoint{{{1}, {2}}, {}, "root"};
  state.put_pages.emplace_back(PageId{1}, TestBytes("page"));
  store_.Submit(std::move(state));
  store_.Sync();
  EXPECT_TRUE(store_.DamagePage(kGroup, PageId{1}));
  EXPECT_TRUE(store_.RecoverBlocking(kGroup).ok()) << "a page is missed when it is read";
  absl::Status page;
  store_.ReadPage(kGroup, PageId{1}, [&](auto slice) { page = slice.status(); });
  store_.AnswerReads();
  EXPECT_TRUE(absl::IsDataLoss(page));
  EXPECT_TRUE(store_.DamageHeader(kGroup, Index{3}));
  EXPECT_TRUE(absl::IsDataLoss(store_.RecoverBlocking(kGroup).status()));
  EXPECT_TRUE(store_.RecoverBlocking(GroupId{5}).ok());
  EXPECT_TRUE(store_.DamageCheckpoint(kGroup));
  EXPECT_TRUE(absl::IsDataLoss(store_.RecoverBlocking(kGroup).status()));
  EXPECT_FALSE(store_.DamageCheckpoint(GroupId{5})) << "it has none";
}

}  // namespace
}  // namespace pontoon::raft
