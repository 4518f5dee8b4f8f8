// What raft::LogStore promises (raft/core/log_store.h), asked of both stores: the log, bodies and
// what a group finds after a start.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/stores.h"

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

INSTANTIATE_TEST_SUITE_P(Stores, LogStoreTest, ::testing::Values("memory", "rocksdb"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LogStoreTest, EntriesAreReadWithTheirBodiesAsTheyWereAppended) {
  StorageTask task = Task();
  task.append = {MakeEntry(2, 1, "one"), MakeEntry(2, 2), MakeEntry(3, 3, "three")};
  task.append[1].kind = EntryKind::kNoop;
  store().Submit(std::move(task));
  Settle();
  const auto entries = ReadEntries(1, 3);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].id, (EntryId{{2}, {1}}));
  EXPECT_EQ((*entries)[0].header.Flatten().view(), "h1");
  EXPECT_EQ((*entries)[0].body.Flatten().view(), "one");
  EXPECT_EQ((*entries)[0].body_crc, base::Crc32c("one"));
  EXPECT_EQ((*entries)[1].kind, EntryKind::kNoop);
  EXPECT_TRUE((*entries)[1].body.empty());
  EXPECT_EQ((*entries)[2].id, (EntryId{{3}, {3}}));
  for (const Entry& entry : *entries) EXPECT_EQ(entry.remains, nullptr);
}

TEST_P(LogStoreTest, ReadEntriesGivesAtLeastOneAndAboutAsManyBytesAsAskedFor) {
  StorageTask task = Task();
  for (uint64_t i = 1; i <= 10; ++i) task.append.push_back(MakeEntry(1, i, std::string(1000, 'x')));
  store().Submit(std::move(task));
  Settle();
  EXPECT_THAT(IndexesOf(*ReadEntries(4, 10, 1)), ElementsAre(4));
  EXPECT_THAT(IndexesOf(*ReadEntries(4, 10, 3500)), ElementsAre(4, 5, 6));
  EXPECT_THAT(IndexesOf(*ReadEntries(4, 5, 1 << 20)), ElementsAre(4, 5));
  EXPECT_THAT(IndexesOf(*ReadEntries(9, 99, 1 << 20)), ElementsAre(9, 10));
}

TEST_P(LogStoreTest, EntryThatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(ReadEntries(1, 9).status()));
  Append(1, 1, 6);
  StateTask state = State();
  state.checkpoint = Checkpoint{{{1}, {3}}, {}, "root"};
  store().Submit(std::move(state));
  StorageTask task = Task();
  task.truncate_from = Index{5};
  task.compact_to = Index{3};
  store().Submit(std::move(task));
  Settle();
  EXPECT_TRUE(absl::IsNotFound(ReadEntries(3, 9).status())) << "compacted";
  EXPECT_TRUE(absl::IsNotFound(ReadEntries(5, 9).status())) << "truncated";
  EXPECT_THAT(IndexesOf(*ReadEntries(4, 9)), ElementsAre(4));
}

TEST_P(LogStoreTest, EntryWhoseBodyIsNotWholeSaysWhatIsLeftOfIt) {
  // Cutting down saves less than the list of parts costs unless bodies are of some size.
  const std::string long_body = "0123456789" + std::string(100, 'x');
  StorageTask task = Task();
  task.append = {MakeEntry(1, 1, long_body), MakeEntry(1, 2, "gone"), MakeEntry(1, 3, "whole")};
  store().Submit(std::move(task));
  Settle();
  StateTask state = State();
  state.cut_bodies.push_back({Index{1}, {{2, 3}, {8, 1}}});
  state.drop_bodies = {Index{2}};
  store().Submit(std::move(state));
  Settle();
  const auto entries = ReadEntries(1, 3);
  ASSERT_TRUE(entries.ok()) << entries.status();
  const Entry& cut = (*entries)[0];
  ASSERT_NE(cut.remains, nullptr);
  EXPECT_EQ(cut.body.Flatten().view(), "2348");
  EXPECT_EQ(cut.body_bytes, 110u);
  EXPECT_EQ(cut.body_crc, base::Crc32c(long_body));
  EXPECT_THAT(cut.remains->kept, ElementsAre(BodyExtent{2, 3}, BodyExtent{8, 1}));
  EXPECT_EQ(cut.remains->crc, base::Crc32c("2348"));
  EXPECT_EQ(cut.remains->ended, Index{});
  const Entry& gone = (*entries)[1];
  ASSERT_NE(gone.remains, nullptr);
  EXPECT_TRUE(gone.body.empty());
  EXPECT_THAT(gone.remains->kept, IsEmpty());
  EXPECT_EQ(gone.remains->crc, 0u);
  EXPECT_EQ((*entries)[2].remains, nullptr);
}

TEST_P(LogStoreTest, DamagedBodyIsToldAndWhatStandsBeforeItIsRead) {
  Append(1, 1, 3);
  Settle();
  under_test_->DamageBody(kGroup, Index{2});
  EXPECT_THAT(IndexesOf(*ReadEntries(1, 3)), ElementsAre(1));
  EXPECT_TRUE(absl::IsDataLoss(ReadEntries(2, 3).status()));
  for (const bool with_bytes : {false, true}) {
    const auto images = ReadImages({Index{1}, Index{2}}, with_bytes);
    EXPECT_TRUE(images[0].ok());
    EXPECT_TRUE(absl::IsDataLoss(images[1].status())) << "the bytes are verified in either case";
  }
}

TEST_P(LogStoreTest, BodyImagesTellSizeAndPartsAndTheSameFingerprintForTheSame) {
  StorageTask task = Task();
  task.append = {MakeEntry(1, 1, "0123456789"), MakeEntry(1, 2, "abc")};
  store().Submit(std::move(task));
  Settle();
  const auto whole = ReadImages({Index{1}, Index{2}, Index{3}});
  EXPECT_EQ(whole[0]->body_bytes, 10u);
  EXPECT_EQ(whole[0]->bytes.Flatten().view(), "0123456789");
  EXPECT_THAT(whole[0]->extents, ElementsAre(BodyImage::Extent{0, 10, base::Crc32c("0123456789")}));
  EXPECT_TRUE(absl::IsNotFound(whole[2].status()));
  const auto bare = ReadImages({Index{1}}, false);
  EXPECT_TRUE(bare[0]->bytes.empty());
  EXPECT_EQ(FingerprintOf(*bare[0]), FingerprintOf(*whole[0]));
  StateTask state = State();
  state.cut_bodies.push_back({Index{1}, {{2, 3}}});
  store().Submit(std::move(state));
  Settle();
  const auto cut = ReadImages({Index{1}});
  EXPECT_EQ(cut[0]->body_bytes, 10u);
  EXPECT_THAT(cut[0]->extents, ElementsAre(BodyImage::Extent{2, 3, base::Crc32c("234")}));
  EXPECT_NE(FingerprintOf(*cut[0]), FingerprintOf(*whole[0]));
}

TEST_P(LogStoreTest, NewestCheckpointIsReadAsSoonAsItIsWritten) {
  EXPECT_TRUE(absl::IsNotFound(ReadCheckpoint().status()));
  Append(1, 1, 5);
  for (const uint64_t applied : {2, 4}) {
    StateTask state = State();
    state.checkpoint = Checkpoint{{{1}, {applied}}, {.voters = {{{7}, 1}}}, "root"};
    state.checkpoint->page_generation = 3;
    store().Submit(std::move(state));
    Settle();
    const auto checkpoint = ReadCheckpoint();
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(checkpoint->applied, (EntryId{{1}, {applied}}));
    EXPECT_EQ(checkpoint->membership.voters.size(), 1u);
    EXPECT_EQ(checkpoint->root, "root");
  }
}

}  // namespace
}  // namespace pontoon::raft
