// What raft::LogStore promises (raft/core/log_store.h), asked of both stores: snapshots that come
// in, bodies that were left out, and what is kept for good.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/stores.h"

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LogStoreInstallTest : public LogStoreTest {
 protected:
  // A group with entries 1 to 10, a checkpoint of entry 4 with page 1, and bodies of all.
  void MakeGroup() {
    Append(1, 1, 10);
    StateTask state = State();
    state.put_pages.emplace_back(StoredPage(0, {1}), Bytes("old page"));
    state.checkpoint = Checkpoint{{{1}, {4}}, {.voters = {{{7}, 1}}}, "old root"};
    store().Submit(std::move(state));
  }
  static constexpr Staging kStaging{.sender = {{9}, 2}, .sender_generation = 5, .generation = 1};
  // The parts of a snapshot of entry 20, as they come in.
  std::vector<StateTask> StagingTasks() {
    std::vector<StateTask> tasks(3, State());
    tasks[0].drop_generation = 1;
    tasks[0].staging = kStaging;
    tasks[1].put_pages.emplace_back(StoredPage(1, {1}), Bytes("new page 1"));
    tasks[1].put_pages.emplace_back(StoredPage(1, {2}), Bytes("new page 2"));
    tasks[2].put_bodies = {ImageOf(15, "body 15"), ImageOf(18, "body 18")};
    return tasks;
  }
  static std::shared_ptr<Install> NewInstall(uint64_t applied, std::vector<IndexRun> live) {
    auto install = std::make_shared<Install>();
    install->checkpoint = Checkpoint{{{1}, {applied}}, {.voters = {{{8}, 1}}}, "new root"};
    install->checkpoint.page_generation = 1;
    install->live_bodies = std::move(live);
    install->old_page_generation = 0;
    return install;
  }
  void SubmitInstall(std::shared_ptr<Install> install) {
    StorageTask task = Task();
    task.install = std::move(install);
    store().Submit(std::move(task));
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, LogStoreInstallTest, ::testing::Values("memory", "rocksdb"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LogStoreInstallTest, SnapshotTakesThePlaceOfLogBodiesAndPages) {
  MakeGroup();
  for (StateTask& task : StagingTasks()) store().Submit(std::move(task));
  SubmitInstall(NewInstall(20, {{{5}, 2}, {{15}, 1}}));
  Settle();
  for (int start = 0; start < 2; ++start) {
    EXPECT_THAT(BodiesAmong(1, 30), ElementsAre(5, 6, 15));
    EXPECT_EQ(ReadPage(StoredPage(0, {1})), "");
    EXPECT_EQ(ReadPage(StoredPage(1, {2})), "new page 2");
    EXPECT_EQ(ReadCheckpoint()->root, "new root");
    EXPECT_TRUE(absl::IsNotFound(ReadEntries(10, 20).status()));
    if (start == 0) Restart();
  }
  const RecoveredGroup group = Recover();
  EXPECT_EQ(group.checkpoint->applied, (EntryId{{1}, {20}}));
  EXPECT_EQ(group.checkpoint->page_generation, 1u);
  EXPECT_EQ(group.checkpoint->membership.voters, (std::vector<ReplicaId>{{{8}, 1}}));
  EXPECT_THAT(group.entries, IsEmpty());
  EXPECT_EQ(group.staging, std::nullopt);
  seq_ = 0;
  Append(2, 21, 22);
  Settle();
  Restart();
  EXPECT_THAT(IndexesOf(Recover().entries), ElementsAre(21, 22));
}

TEST_P(LogStoreInstallTest, SnapshotWithinTheLogTakesAwayWhatIsBehindIt) {
  MakeGroup();
  for (StateTask& task : StagingTasks()) store().Submit(std::move(task));
  SubmitInstall(NewInstall(7, {{{6}, 1}}));
  Settle();
  Restart();
  EXPECT_THAT(Recover().entries, IsEmpty());
  EXPECT_THAT(BodiesAmong(1, 10), ElementsAre(6));
  EXPECT_EQ(ReadPage(StoredPage(1, {1})), "new page 1");
}

TEST_P(LogStoreInstallTest, LongLogWithManyLiveStretchesIsReplaced) {
  Append(1, 1, 3000);
  std::vector<IndexRun> live;
  std::vector<uint64_t> expected;
  for (uint64_t first : {100, 500, 502, 1200, 2998}) {
    live.push_back({Index{first}, 2});
    if (!expected.empty() && expected.back() >= first) live.pop_back();
    for (uint64_t i = first; i < first + 2; ++i) expected.push_back(i);
  }
  SubmitInstall(NewInstall(5000, live));
  StorageTask task = Task();
  task.append = {MakeEntry(2, 5001, "body 5001")};
  store().Submit(std::move(task));
  Settle();
  Restart();
  EXPECT_EQ(BodiesAmong(1, 3100), expected);
  EXPECT_EQ(ReadBody(1201), BodyOf(1201));
  EXPECT_EQ(ReadBody(5001), "body 5001");
  EXPECT_THAT(IndexesOf(Recover().entries), ElementsAre(5001));
}

TEST_P(LogStoreInstallTest, EntriesBehindASnapshotRideInItsTask) {
  MakeGroup();
  StorageTask task = Task();
  task.install = NewInstall(20, {});
  task.hard_state = HardState{{3}, std::nullopt};
  task.append = {MakeEntry(3, 21, "body 21")};
  store().Submit(std::move(task));
  Settle();
  Restart();
  const RecoveredGroup group = Recover();
  EXPECT_THAT(IndexesOf(group.entries), ElementsAre(21));
  EXPECT_EQ(group.hard_state.term, Term{3});
  EXPECT_THAT(BodiesAmong(1, 30), ElementsAre(21));
}

// Whatever the process had got done of it when it died, the group is what it was or what it was to
// become.
TEST_P(LogStoreInstallTest, ACrashAtEveryStepLeavesTheOldStateOrTheNew) {
  for (size_t steps = 0; steps <= 4; ++steps) {
    SetUp();
    seq_ = 0;
    MakeGroup();
    std::vector<StateTask> staging = StagingTasks();
    for (size_t i = 0; i < std::min(steps, staging.size()); ++i)
      store().Submit(std::move(staging[i]));
    if (steps == 4) SubmitInstall(NewInstall(20, {{{2}, 1}, {{15}, 1}, {{18}, 1}}));
    Settle();
    Restart();
    SCOPED_TRACE(steps);
    const RecoveredGroup group = Recover();
    if (steps == 4) {
      EXPECT_EQ(group.checkpoint->root, "new root");
      EXPECT_THAT(BodiesAmong(1, 30), ElementsAre(2, 15, 18));
      EXPECT_EQ(group.staging, std::nullopt);
    } else {
      EXPECT_EQ(group.checkpoint->root, "old root");
      EXPECT_EQ(group.entries.size(), 6u);
      EXPECT_EQ(ReadPage(StoredPage(0, {1})), "old page");
      EXPECT_EQ(BodiesAmong(1, 10).size(), 10u);
      EXPECT_EQ(group.staging.has_value(), steps >= 1);
      if (steps >= 1) {
        EXPECT_EQ(*group.staging, kStaging);
      }
      EXPECT_EQ(BodiesAmong(11, 30).size(), steps == 3 ? 2u : 0u);
    }
    EXPECT_EQ(ReadPage(StoredPage(1, {1})), steps >= 2 ? "new page 1" : "");
  }
}

TEST_P(LogStoreInstallTest, SnapshotThatWasGivenUpIsSweptAwayAtTheNextStart) {
  MakeGroup();
  StateTask state = State();
  state.staging = kStaging;
  for (const uint16_t generation : {1, 2, 65535})
    state.put_pages.emplace_back(StoredPage(generation, {3}), Bytes("page"));
  state.put_bodies = {ImageOf(25, "body 25")};
  store().Submit(std::move(state));
  Settle();
  Restart();
  Settle();
  EXPECT_EQ(ReadPage(StoredPage(1, {3})), "page") << "still coming in";
  EXPECT_EQ(ReadPage(StoredPage(2, {3})), "");
  EXPECT_EQ(ReadPage(StoredPage(65535, {3})), "");
  EXPECT_EQ(ReadPage(StoredPage(0, {1})), "old page");
  EXPECT_EQ(ReadBody(25), "body 25");
  seq_ = 0;
  auto install = NewInstall(20, {});
  install->checkpoint.page_generation = 3;
  SubmitInstall(install);
  StateTask late = State();
  late.put_bodies = {ImageOf(40, "body 40")};
  store().Submit(std::move(late));
  Settle();
  Restart();
  Settle();
  EXPECT_EQ(ReadPage(StoredPage(1, {3})), "") << "another one came in instead";
  EXPECT_THAT(BodiesAmong(1, 50), IsEmpty());
}

TEST_P(LogStoreInstallTest, GenerationIsDroppedBeforeItIsFilledAnew) {
  StateTask state = State();
  state.put_pages.emplace_back(StoredPage(1, {1}), Bytes("a"));
  state.put_pages.emplace_back(StoredPage(1, {2}), Bytes("b"));
  state.put_pages.emplace_back(StoredPage(2, {1}), Bytes("c"));
  store().Submit(std::move(state));
  state = State();
  state.drop_generation = 1;
  state.put_pages.emplace_back(StoredPage(1, {2}), Bytes("B"));
  store().Submit(std::move(state));
  Settle();
  EXPECT_EQ(ReadPage(StoredPage(1, {1})), "");
  EXPECT_EQ(ReadPage(StoredPage(1, {2})), "B");
  EXPECT_EQ(ReadPage(StoredPage(2, {1})), "c");
}

TEST_P(LogStoreInstallTest, TruncationSparesBodiesBehindTheLog) {
  Append(1, 1, 10);
  StateTask state = State();
  state.staging = kStaging;
  state.put_bodies = {ImageOf(11, "body 11"), ImageOf(15, "body 15")};
  store().Submit(std::move(state));
  StorageTask task = Task();
  task.truncate_from = Index{8};
  task.append = {MakeEntry(2, 8, "other")};
  store().Submit(std::move(task));
  Settle();
  EXPECT_THAT(BodiesAmong(1, 20), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 11, 15));
}

TEST_P(LogStoreInstallTest, EntryWithoutABodyLeavesNoneThatASnapshotHadBrought) {
  StateTask state = State();
  state.staging = kStaging;
  state.put_bodies = {ImageOf(1, "body 1"), ImageOf(2, "body 2"), ImageOf(3, "body 3")};
  store().Submit(std::move(state));
  Settle();
  Restart();
  StorageTask task = Task();
  task.append = {MakeEntry(1, 1), MakeEntry(1, 2, "mine")};
  store().Submit(std::move(task));
  Settle();
  EXPECT_THAT(BodiesAmong(1, 5), ElementsAre(2, 3));
  EXPECT_EQ(ReadBody(2), "mine");
}

TEST_P(LogStoreInstallTest, BodyFromASnapshotMayLieAnywhereAndReplacesWhatWasThere) {
  Append(1, 1, 3);
  BodyImage cut = ImageOf(2, "0123456789");
  cut.extents = {{0, 2, base::Crc32c("01")}, {7, 3, base::Crc32c("789")}};
  cut.bytes = Bytes("01789");
  StateTask state = State();
  state.put_bodies = {cut};
  store().Submit(std::move(state));
  Settle();
  const auto image = ReadImages({Index{2}})[0];
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->body_bytes, 10u);
  EXPECT_EQ(image->extents, cut.extents);
  EXPECT_EQ(image->bytes.Flatten().view(), "01789");
  EXPECT_EQ(FingerprintOf(*image), FingerprintOf(cut));
}

TEST_P(LogStoreInstallTest, EntriesAreKeptWithWhatCameOfTheirBodies) {
  StorageTask task = Task();
  task.append = {MakeEntry(1, 1, "0123456789"), MakeEntry(1, 2, "gone"), MakeEntry(1, 3, "whole")};
  Entry& cut = task.append[0];
  cut.body = Bytes("2378");
  cut.remains = std::make_shared<BodyRemains>(
      BodyRemains{.ended = {9}, .kept = {{2, 2}, {7, 2}}, .crc = base::Crc32c("2378")});
  Entry& gone = task.append[1];
  gone.body = {};
  gone.remains = std::make_shared<BodyRemains>(BodyRemains{.ended = {9}, .kept = {}, .crc = 0});
  task.ended_through = Index{9};
  store().Submit(std::move(task));
  Settle();
  Restart();
  const auto entries = ReadEntries(1, 3);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 3u);
  const Entry& first = (*entries)[0];
  ASSERT_NE(first.remains, nullptr);
  EXPECT_EQ(first.remains->ended, Index{});
  EXPECT_THAT(first.remains->kept, ElementsAre(BodyExtent{2, 2}, BodyExtent{7, 2}));
  EXPECT_EQ(first.remains->crc, base::Crc32c("2378"));
  EXPECT_EQ(first.body.Flatten().view(), "2378");
  EXPECT_EQ(first.body_bytes, 10u);
  ASSERT_NE((*entries)[1].remains, nullptr);
  EXPECT_TRUE((*entries)[1].body.empty());
  EXPECT_EQ((*entries)[1].body_bytes, 4u);
  EXPECT_EQ((*entries)[2].remains, nullptr);
  EXPECT_EQ(Recover().ended_through, Index{9});
}

TEST_P(LogStoreInstallTest, EndedThroughIsTheHighestThatWasEverGiven) {
  MakeGroup();
  const auto submit = [&](uint64_t ended) {
    StorageTask task = Task();
    task.ended_through = Index{ended};
    store().Submit(std::move(task));
  };
  submit(5);
  StateTask state = State();
  state.ended_through = Index{8};
  store().Submit(std::move(state));
  submit(7);
  Settle();
  Restart();
  EXPECT_EQ(Recover().ended_through, Index{8});
  seq_ = 0;
  submit(6);
  Settle();
  Restart();
  EXPECT_EQ(Recover().ended_through, Index{8});
  seq_ = 0;
  auto install = NewInstall(20, {});
  install->ended_through = Index{30};
  SubmitInstall(install);
  Settle();
  Restart();
  EXPECT_EQ(Recover().ended_through, Index{30});
}

TEST_P(LogStoreInstallTest, QuarantineIsForGoodAndOnlyANewEpochEndsIt) {
  MakeGroup();
  StorageTask task = Task();
  task.quarantine = true;
  store().Submit(std::move(task));
  Settle();
  Restart();
  EXPECT_TRUE(Recover().quarantined);
  EXPECT_EQ(Recover().epoch, base::RecoveryEpoch{0});
  seq_ = 0;
  Append(1, 11, 11);
  Settle();
  Restart();
  EXPECT_TRUE(Recover().quarantined);
  seq_ = 0;
  task = Task();
  task.epoch = base::RecoveryEpoch{3};
  store().Submit(std::move(task));
  Settle();
  Restart();
  EXPECT_FALSE(Recover().quarantined);
  EXPECT_EQ(Recover().epoch, base::RecoveryEpoch{3});
  EXPECT_EQ(Recover().entries.size(), 7u);
}

TEST_P(LogStoreInstallTest, TicketsAreReportedInTheirOrder) {
  for (const uint64_t ticket : {3, 0, 4}) {
    StateTask state = State();
    state.ticket = ticket;
    store().Submit(std::move(state));
  }
  Settle();
  std::vector<std::string> written;
  for (const std::string& line : under_test_->events.Take()) {
    if (absl::StartsWith(line, "written")) written.push_back(line);
  }
  EXPECT_THAT(written, ElementsAre("written 1 3", "written 1 4"));
}

}  // namespace
}  // namespace pontoon::raft
