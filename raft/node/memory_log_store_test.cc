#include "raft/node/memory_log_store.h"

#include <gtest/gtest.h>

#include "raft/core/entry.h"
#include "raft/node/test_world.h"

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const GroupId kGroup{4};

class Recorder final : public StorageEvents {
 public:
  void OnStorageDone(GroupId group, IoSeq seq) override {
    log.push_back(absl::StrCat("done ", group.value, " ", seq.value));
  }
  void OnCheckpointDurable(GroupId group, EntryId applied) override {
    log.push_back(absl::StrCat("checkpoint ", group.value, " ", applied.index.value));
  }
  std::vector<std::string> log;
};

StorageTask Append(uint64_t seq, uint64_t index, const std::string& body = "") {
  return TestAppend(kGroup, seq, index, body);
}

class MemoryLogStoreTest : public ::testing::Test {
 protected:
  std::vector<absl::StatusOr<base::Slice>> Read(std::vector<BodyRead> reads) {
    std::vector<absl::StatusOr<base::Slice>> result;
    store_.ReadBodies(kGroup, std::move(reads), [&](auto slices) { result = std::move(slices); });
    store_.AnswerReads();
    return result;
  }

  Recorder recorder_;
  MemoryLogStore store_{&recorder_};
};

TEST_F(MemoryLogStoreTest, NothingIsReportedBeforeItIsOnTheDisk) {
  store_.Submit(Append(1, 1));
  store_.Submit(Append(2, 2));
  store_.Report();
  EXPECT_THAT(recorder_.log, IsEmpty());
  store_.SyncAndReport(1);
  EXPECT_THAT(recorder_.log, ElementsAre("done 4 1"));
  store_.SyncAndReport();
  EXPECT_THAT(recorder_.log, ElementsAre("done 4 1", "done 4 2"));
}

// S1: after any crash a prefix of what was submitted, with all that was synced, in order.
TEST_F(MemoryLogStoreTest, ACrashKeepsAllThatWasSyncedAndAPrefixOfTheRest) {
  std::set<size_t> kept;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Recorder recorder;
    MemoryLogStore store(&recorder);
    for (uint64_t i = 1; i <= 6; ++i) store.Submit(Append(i, i));
    store.Sync(2);
    base::SeededRandom random(seed);
    store.Crash(&random, &recorder);
    store.Report();
    EXPECT_THAT(recorder.log, IsEmpty()) << "reports die with the process";
    const RecoveredGroup recovered = store.RecoverBlocking(kGroup).value();
    for (size_t i = 0; i < recovered.entries.size(); ++i)
      EXPECT_EQ(recovered.entries[i].id.index, Index{i + 1});
    kept.insert(recovered.entries.size());
  }
  EXPECT_THAT(kept, ElementsAre(2, 3, 4, 5, 6));
}

TEST_F(MemoryLogStoreTest, RecoveredEntriesHaveHeadersAndNoBodies) {
  store_.Submit(Append(1, 1, "body"));
  store_.Sync();
  const RecoveredGroup recovered = store_.RecoverBlocking(kGroup).value();
  EXPECT_EQ(recovered.entries[0].header.size(), 1u);
  EXPECT_TRUE(recovered.entries[0].body.empty());
  EXPECT_EQ(recovered.entries[0].body_bytes, 4u);
}

TEST_F(MemoryLogStoreTest, TruncationTakesHeadersAndBodiesAndIsFollowedByTheNewOnes) {
  store_.Submit(Append(1, 1));
  store_.Submit(Append(2, 2, "old"));
  StorageTask task = Append(3, 2, "new");
  task.truncate_from = Index{2};
  task.append[0].id.term = Term{2};
  store_.Submit(task);
  store_.Sync();
  EXPECT_THAT(store_.headers(kGroup),
              ElementsAre(EntryId{Term{1}, Index{1}}, EntryId{Term{2}, Index{2}}));
  EXPECT_EQ(Read({{Index{2}, 0, 3}})[0]->view(), "new");
}

TEST_F(MemoryLogStoreTest, BodiesAreReadInPartsUntilTheyAreCutOrDropped) {
  store_.Submit(Append(1, 1, "abcdefgh"));
  store_.Submit(Append(2, 2, "ijkl"));
  store_.Sync();
  EXPECT_EQ(Read({{Index{1}, 2, 3}})[0]->view(), "cde");
  StateTask task;
  task.group = kGroup;
  task.cut_bodies.push_back({Index{1}, {{1, 2}, {6, 2}}});
  task.drop_bodies.push_back(Index{2});
  store_.Submit(task);
  EXPECT_TRUE(Read({{Index{2}, 0, 4}})[0].ok()) << "not yet done";
  store_.Sync();
  const auto slices = Read(
      {{Index{1}, 1, 2}, {Index{1}, 2, 3}, {Index{1}, 6, 2}, {Index{1}, 7, 2}, {Index{2}, 0, 4}});
  EXPECT_EQ(slices[0]->view(), "bc");
  EXPECT_EQ(slices[1].status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(slices[2]->view(), "gh");
  EXPECT_EQ(slices[3].status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(slices[4].status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_.body_bytes(), 4u);
  store_.DamageBody(kGroup, Index{1});
  EXPECT_EQ(Read({{Index{1}, 1, 2}})[0].status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(MemoryLogStoreTest, ACheckpointIsReportedAndRecoveryBeginsAfterIt) {
  for (uint64_t i = 1; i <= 3; ++i) store_.Submit(Append(i, i));
  StateTask task;
  task.group = kGroup;
  task.put_pages.emplace_back(PageId{1}, TestBytes("page"));
  task.checkpoint = Checkpoint{{Term{1}, Index{2}}, kTestAlone, "root"};
  store_.Submit(task);
  store_.SyncAndReport();
  EXPECT_THAT(recorder_.log, ElementsAre("done 4 3", "checkpoint 4 2"));
  RecoveredGroup recovered = store_.RecoverBlocking(kGroup).value();
  EXPECT_EQ(recovered.checkpoint->root, "root");
  EXPECT_EQ(recovered.entries.size(), 1u);
  EXPECT_EQ(store_.headers(kGroup).size(), 3u) << "still on the disk, but covered";
  StorageTask compact;
  compact.group = kGroup;
  compact.seq = IoSeq{4};
  compact.compact_to = Index{2};
  store_.Submit(compact);
  store_.Sync();
  EXPECT_EQ(store_.headers(kGroup).size(), 1u);
  std::string page;
  store_.ReadPage(kGroup, PageId{1},
                  [&](absl::StatusOr<base::Slice> slice) { page = std::string(slice->view()); });
  store_.AnswerReads();
  EXPECT_EQ(page, "page");
}

using MemoryLogStoreDeathTest = MemoryLogStoreTest;

TEST_F(MemoryLogStoreDeathTest, TrustsNobody) {
  store_.Submit(Append(1, 1));
  EXPECT_DEATH(store_.Submit(Append(1, 2)), "higher than the one before");
  store_.Submit(Append(2, 3));
  EXPECT_DEATH(store_.Sync(), "no holes");
  MemoryLogStore store(&recorder_);
  StorageTask compact;
  compact.seq = IoSeq{1};
  compact.compact_to = Index{1};
  store.Submit(compact);
  EXPECT_DEATH(store.Sync(), "durable checkpoint");
}

}  // namespace
}  // namespace pontoon::raft
