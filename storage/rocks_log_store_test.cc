#include "storage/rocks_log_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <thread>

#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

using testing::Append;
using testing::MakeEntry;
using testing::Read;

class RocksLogStoreTest : public ::testing::Test {
 protected:
  void Open() {
    auto store = RocksLogStore::OpenBlocking(testing::TestOptions(dir_.path()), &logger_, &events_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Reopen() {
    store_.reset();
    Open();
  }

  testing::TempDir dir_;
  testing::CapturingLogger logger_;
  testing::RecordingEvents events_;
  std::unique_ptr<RocksLogStore> store_;
};

TEST_F(RocksLogStoreTest, WhatWasReportedDoneIsThereAfterARestart) {
  Open();
  raft::StorageTask task = Append(1, 1, {MakeEntry(2, 1, "h1", "body one"), MakeEntry(2, 2, "h2")});
  task.hard_state = raft::HardState{{2}, raft::ReplicaId{{9}, 1}};
  store_->Submit(std::move(task));
  ASSERT_TRUE(events_.AwaitDone(1, 1));
  Reopen();
  EXPECT_EQ(store_->groups(), std::vector<base::GroupId>{{1}});
  const auto group = store_->RecoverBlocking({1});
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->hard_state, (raft::HardState{{2}, raft::ReplicaId{{9}, 1}}));
  ASSERT_EQ(group->entries.size(), 2u);
  EXPECT_EQ(group->entries[0].header.Flatten().view(), "h1");
  EXPECT_EQ(group->entries[0].body_bytes, 8u);
  EXPECT_TRUE(group->entries[0].body.empty());
  EXPECT_EQ(group->entries[1].id, (raft::EntryId{{2}, {2}}));
  const auto parts = Read(store_.get(), 1, {{{1}, 5, 3}, {{1}, 0, 4}, {{2}, 0, 1}});
  EXPECT_EQ(parts[0]->view(), "one");
  EXPECT_EQ(parts[1]->view(), "body");
  EXPECT_TRUE(absl::IsNotFound(parts[2].status()));
}

// A group that is closed and opened again in one life of the process.
TEST_F(RocksLogStoreTest, RecoveryFindsAllThatWasSubmittedBefore) {
  Open();
  for (uint64_t i = 1; i <= 200; ++i) {
    store_->Submit(Append(1, i, {MakeEntry(2, i, "h", std::string(10000, 'b'))}));
    if (i % 50 != 0) continue;
    const auto group = store_->RecoverBlocking({1});
    ASSERT_TRUE(group.ok()) << group.status();
    ASSERT_EQ(group->entries.size(), i);
  }
}

TEST_F(RocksLogStoreTest, GroupThatWasNeverWrittenIsEmpty) {
  Open();
  const auto group = store_->RecoverBlocking({5});
  ASSERT_TRUE(group.ok());
  EXPECT_EQ(group->hard_state, raft::HardState{});
  EXPECT_FALSE(group->checkpoint.has_value());
  EXPECT_TRUE(group->entries.empty());
}

TEST_F(RocksLogStoreTest, TruncatedEntriesAreReplacedWithTheirBodies) {
  Open();
  store_->Submit(Append(
      1, 1, {MakeEntry(1, 1, "a", "A"), MakeEntry(1, 2, "b", "B"), MakeEntry(1, 3, "c", "C")}));
  raft::StorageTask task = Append(1, 2, {MakeEntry(2, 2, "new", "NEW")});
  task.truncate_from = raft::Index{2};
  store_->Submit(std::move(task));
  ASSERT_TRUE(events_.AwaitDone(1, 2));
  Reopen();
  const auto group = store_->RecoverBlocking({1});
  ASSERT_TRUE(group.ok());
  ASSERT_EQ(group->entries.size(), 2u);
  EXPECT_EQ(group->entries[1].id, (raft::EntryId{{2}, {2}}));
  const auto parts = Read(store_.get(), 1, {{{2}, 0, 3}, {{3}, 0, 1}});
  EXPECT_EQ(parts[0]->view(), "NEW");
  EXPECT_TRUE(absl::IsNotFound(parts[1].status()));
}

TEST_F(RocksLogStoreTest, CheckpointReplacesHeadersButNotLiveBodies) {
  Open();
  std::vector<raft::Entry> entries;
  for (uint64_t i = 1; i <= 10; ++i) entries.push_back(MakeEntry(1, i, "h", "body"));
  store_->Submit(Append(1, 1, std::move(entries)));
  raft::StateTask state;
  state.group = {1};
  state.checkpoint = raft::Checkpoint{
      {{1}, {8}}, {.voters = {{{9}, 1}}, .outgoing_voters = {}, .learners = {}}, "root"};
  state.put_pages.emplace_back(raft::PageId{4}, base::SliceChain(base::Slice::Copy("page four")));
  state.drop_bodies = {{1}, {2}};
  store_->Submit(std::move(state));
  ASSERT_TRUE(events_.AwaitCheckpoint(1, 8));
  raft::StorageTask compact = Append(1, 2, {});
  compact.compact_to = raft::Index{8};
  compact.must_sync = false;
  store_->Submit(std::move(compact));
  store_->Submit(Append(1, 3, {MakeEntry(1, 11, "h11")}));
  ASSERT_TRUE(events_.AwaitDone(1, 3));
  Reopen();
  const auto group = store_->RecoverBlocking({1});
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_TRUE(group->checkpoint.has_value());
  EXPECT_EQ(group->checkpoint->root, "root");
  EXPECT_EQ(group->checkpoint->membership.voters.size(), 1u);
  ASSERT_EQ(group->entries.size(), 3u);
  EXPECT_EQ(group->entries.front().id.index, raft::Index{9});
  EXPECT_EQ(testing::ReadPage(store_.get(), 1, 4)->view(), "page four");
  const auto parts = Read(store_.get(), 1, {{{2}, 0, 4}, {{3}, 0, 4}});
  EXPECT_TRUE(absl::IsNotFound(parts[0].status()));
  EXPECT_EQ(parts[1]->view(), "body");
}

TEST_F(RocksLogStoreTest, CheckpointIsReportedOnANodeThatThenFallsIdle) {
  Open();
  raft::StateTask state;
  state.group = {1};
  state.checkpoint = raft::Checkpoint{{{1}, {8}}, {}, "root"};
  store_->Submit(std::move(state));
  EXPECT_TRUE(events_.AwaitCheckpoint(1, 8));
}

TEST_F(RocksLogStoreTest, DroppedPageIsNotFound) {
  Open();
  raft::StateTask put;
  put.group = {1};
  put.put_pages.emplace_back(raft::PageId{1}, base::SliceChain(base::Slice::Copy("x")));
  store_->Submit(std::move(put));
  raft::StateTask drop;
  drop.group = {1};
  drop.drop_pages = {{1}};
  store_->Submit(std::move(drop));
  store_->Submit(Append(1, 1, {}));
  ASSERT_TRUE(events_.AwaitDone(1, 1));
  EXPECT_TRUE(absl::IsNotFound(testing::ReadPage(store_.get(), 1, 1).status()));
}

TEST_F(RocksLogStoreTest, CutBodyIsReadByItsOldOffsetsAndTakesLessRoom) {
  Open();
  store_->Submit(
      Append(1, 1, {MakeEntry(1, 1, "h", std::string(1000, 'a') + std::string(1000, 'b'))}));
  ASSERT_TRUE(events_.AwaitDone(1, 1));
  raft::StateTask cut;
  cut.group = {1};
  cut.cut_bodies.push_back({{1}, {{1500, 10}}});
  store_->Submit(std::move(cut));
  // The cut is made beside the writer, whenever: await that it is there.
  for (uint64_t seq = 2; Read(store_.get(), 1, {{{1}, 0, 10}})[0].ok(); ++seq) {
    store_->Submit(Append(1, seq, {}));
    ASSERT_TRUE(events_.AwaitDone(1, seq));
  }
  EXPECT_EQ(Read(store_.get(), 1, {{{1}, 1500, 10}})[0]->view(), "bbbbbbbbbb");
  Reopen();
  EXPECT_EQ(Read(store_.get(), 1, {{{1}, 1505, 5}})[0]->view(), "bbbbb");
  EXPECT_TRUE(absl::IsNotFound(Read(store_.get(), 1, {{{1}, 1500, 11}})[0].status()));
}

TEST_F(RocksLogStoreTest, BodyDroppedWhileItIsBeingCutStaysDropped) {
  Open();
  uint64_t seq = 0;
  for (uint64_t i = 1; i <= 200; ++i) {
    store_->Submit(Append(1, ++seq, {MakeEntry(1, i, "h", std::string(2000, 'x'))}));
    raft::StateTask cut;
    cut.group = {1};
    cut.cut_bodies.push_back({{i}, {{0, 10}}});
    store_->Submit(std::move(cut));
    store_->Submit(Append(1, ++seq, {}));
    raft::StateTask drop;
    drop.group = {1};
    drop.drop_bodies = {{i}};
    store_->Submit(std::move(drop));
  }
  store_->Submit(Append(1, ++seq, {}));
  ASSERT_TRUE(events_.AwaitDone(1, seq));
  Reopen();
  for (uint64_t i = 1; i <= 200; ++i) {
    EXPECT_TRUE(absl::IsNotFound(Read(store_.get(), 1, {{{i}, 0, 1}})[0].status())) << i;
  }
}

TEST_F(RocksLogStoreTest, GroupsAreReportedInTheirOwnOrder) {
  Open();
  for (uint64_t i = 1; i <= 300; ++i) {
    for (uint32_t group = 0; group < 3; ++group) {
      store_->Submit(Append(group, i, {MakeEntry(1, i, "h", "body")}));
    }
  }
  for (uint32_t group = 0; group < 3; ++group) ASSERT_TRUE(events_.AwaitDone(group, 300));
  std::map<uint32_t, uint64_t> last;
  for (const auto& [group, seq] : events_.done()) {
    EXPECT_GT(seq, last[group]);
    last[group] = seq;
  }
  EXPECT_EQ(store_->Metrics().syncs, store_->Metrics().batches);
}

// The writer sleeps, is woken once, and finds them all; so many that it would begin in between if
// it were let.
TEST_F(RocksLogStoreTest, WhatIsHandedOverAtOneStrokeIsOneBatchAndOneReport) {
  Open();
  constexpr uint32_t kGroups = 64;
  constexpr uint64_t kTasksPerGroup = 64;
  uint64_t last = 0;
  for (int round = 0; round < 20; ++round) {
    const uint64_t before = store_->Metrics().batches;
    const size_t reports = events_.batches().size();
    std::vector<raft::StoreTask> tasks;
    for (uint64_t i = 0; i < kTasksPerGroup; ++i) {
      ++last;
      for (uint32_t group = 1; group <= kGroups; ++group)
        tasks.emplace_back(Append(group, last, {MakeEntry(1, last, "h", "body")}));
    }
    store_->SubmitAll(&tasks);
    EXPECT_TRUE(tasks.empty());
    ASSERT_TRUE(events_.AwaitDone(kGroups, last));
    ASSERT_EQ(store_->Metrics().batches, before + 1);
    ASSERT_EQ(events_.batches().size(), reports + 1);
    ASSERT_EQ(events_.batches().back().size(), kGroups);
  }
}

TEST_F(RocksLogStoreTest, TasksOfOneStrokeAreDoneInTheirOrder) {
  Open();
  raft::StateTask drop;
  drop.group = {1};
  drop.drop_bodies = {{2}};
  raft::StorageTask replace = Append(1, 3, {MakeEntry(2, 1, "h", "new")});
  replace.truncate_from = raft::Index{1};
  std::vector<raft::StoreTask> tasks;
  tasks.emplace_back(Append(1, 1, {MakeEntry(1, 1, "h", "old")}));
  tasks.emplace_back(Append(1, 2, {MakeEntry(1, 2, "h", "gone")}));
  tasks.emplace_back(std::move(replace));
  tasks.emplace_back(Append(1, 4, {MakeEntry(2, 2, "h", "dropped")}));
  tasks.emplace_back(std::move(drop));
  store_->SubmitAll(&tasks);
  ASSERT_TRUE(events_.AwaitDone(1, 4));
  EXPECT_EQ(events_.done(), (std::vector<std::pair<uint32_t, uint64_t>>{{1, 4}}));
  EXPECT_EQ(Read(store_.get(), 1, {{{1}, 0, 3}})[0]->view(), "new");
  EXPECT_TRUE(absl::IsNotFound(Read(store_.get(), 1, {{{2}, 0, 1}})[0].status()));
}

TEST_F(RocksLogStoreTest, ManyThreadsHandOverAndEachGroupKeepsItsOrder) {
  Open();
  std::vector<std::thread> loops;
  for (uint32_t loop = 0; loop < 4; ++loop) {
    loops.emplace_back([this, loop] {
      for (uint64_t i = 1; i <= 100; ++i) {
        std::vector<raft::StoreTask> tasks;
        for (uint32_t group = loop * 8; group < (loop + 1) * 8; ++group)
          tasks.emplace_back(Append(group, i, {MakeEntry(1, i, "h", "body")}));
        store_->SubmitAll(&tasks);
      }
    });
  }
  for (std::thread& loop : loops) loop.join();
  // What was handed over is written and reported before the end.
  store_->StopBlocking();
  std::map<uint32_t, uint64_t> last;
  for (const auto& [group, seq] : events_.done()) {
    EXPECT_GT(seq, last[group]);
    last[group] = seq;
  }
  EXPECT_EQ(last.size(), 32u);
  for (const auto& [group, seq] : last) EXPECT_EQ(seq, 100u) << group;
}

TEST_F(RocksLogStoreTest, IdleStoreDoesNotSync) {
  Open();
  store_->Submit(Append(1, 1, {MakeEntry(1, 1, "h", "body")}));
  ASSERT_TRUE(events_.AwaitDone(1, 1));
  const uint64_t syncs = store_->Metrics().syncs;
  raft::StateTask drop;
  drop.group = {1};
  drop.drop_bodies = {{1}};
  store_->Submit(std::move(drop));
  while (Read(store_.get(), 1, {{{1}, 0, 1}})[0].ok()) {
  }
  EXPECT_EQ(store_->Metrics().syncs, syncs);
}

TEST_F(RocksLogStoreTest, MetricsTellWhatWasWrittenToTheDiskAndWhy) {
  Open();
  const StorageMetrics before = store_->Metrics();
  // Kept and more than the write buffers hold: it is flushed, together with the little that lies in
  // other buffers by then.
  constexpr uint64_t kBodyBytes = 200000;
  uint64_t seq = 0;
  while (store_->Metrics().flush_bytes < 10 * kBodyBytes) {
    ASSERT_LT(++seq, 1000u);
    store_->Submit(Append(1, seq, {MakeEntry(1, seq, "h", std::string(kBodyBytes, 'x'))}));
    ASSERT_TRUE(events_.AwaitDone(1, seq));
  }
  const StorageMetrics metrics = store_->Metrics();
  const uint64_t proposed = seq * kBodyBytes;
  EXPECT_GE(metrics.wal_bytes - before.wal_bytes, proposed);
  EXPECT_LE(metrics.wal_bytes - before.wal_bytes, proposed + proposed / 50);
  EXPECT_LE(metrics.flush_bytes, proposed + proposed / 50);
}

TEST_F(RocksLogStoreTest, StoreOfAnotherNodeIsRefused) {
  Open();
  store_.reset();
  RocksLogStoreOptions options = testing::TestOptions(dir_.path());
  options.identity.node = {0x99};
  const auto store = RocksLogStore::OpenBlocking(options, &logger_, &events_);
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
}

}  // namespace
}  // namespace pontoon::storage
