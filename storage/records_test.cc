#include "storage/records.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "storage/keys.h"

namespace pontoon::storage {
namespace {

raft::Entry MakeEntry(uint64_t index, absl::string_view header, absl::string_view body) {
  raft::Entry entry;
  entry.id = {{3}, {index}};
  entry.header = base::SliceChain(base::Slice::Copy(header));
  entry.body = base::SliceChain(base::Slice::Copy(body));
  entry.header_crc = base::Crc32c(header);
  entry.body_bytes = static_cast<uint32_t>(body.size());
  entry.body_crc = base::Crc32c(body);
  return entry;
}

std::string EntryValue(const ItemKey& key, const raft::Entry& entry) {
  return absl::StrCat(AsView(EncodeEntryPrefix(AsView(key), entry, {0})),
                      entry.header.Flatten().view());
}

std::string BodyValue(const ItemKey& key, absl::string_view body) {
  const StoredExtent whole{0, static_cast<uint32_t>(body.size()), base::Crc32c(body)};
  return absl::StrCat(EncodeBodyPrefix(AsView(key), whole.size, {&whole, 1}), body);
}

TEST(RecordsTest, EntryHeaderComesBackAsItWasWritten) {
  const ItemKey key = MakeItemKey({9}, 42);
  const raft::Entry entry = MakeEntry(42, "header", "the body");
  const auto stored = DecodeEntry(AsView(key), EntryValue(key, entry));
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->entry.id, entry.id);
  EXPECT_EQ(stored->entry.header.Flatten().view(), "header");
  EXPECT_EQ(stored->entry.body_bytes, 8u);
  EXPECT_EQ(stored->entry.body_crc, entry.body_crc);
}

TEST(RecordsTest, EveryFlippedBitOfAnEntryHeaderIsNoticed) {
  const ItemKey key = MakeItemKey({9}, 42);
  const std::string value = EntryValue(key, MakeEntry(42, "header", "the body"));
  for (size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeEntry(AsView(key), damaged).ok()) << "bit " << bit;
  }
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(DecodeEntry(AsView(key), absl::string_view(value).substr(0, size)).ok()) << size;
  }
}

TEST(RecordsTest, ValueUnderAnotherKeyIsDamage) {
  const ItemKey key = MakeItemKey({9}, 42);
  const ItemKey other = MakeItemKey({9}, 43);
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeEntry(AsView(other), EntryValue(key, MakeEntry(42, "h", "b"))).status()));
  EXPECT_TRUE(absl::IsDataLoss(BodyView::Parse(AsView(other), BodyValue(key, "body")).status()));
}

TEST(RecordsTest, NewerVersionIsRefusedAndNotTakenForDamage) {
  const ItemKey key = MakeItemKey({9}, 42);
  std::string entry = EntryValue(key, MakeEntry(42, "h", "b"));
  entry[0] = 2;
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeEntry(AsView(key), entry).status()));
  std::string body = BodyValue(key, "body");
  body[0] = 2;
  EXPECT_TRUE(absl::IsFailedPrecondition(BodyView::Parse(AsView(key), body).status()));
  std::string state = EncodeHardState("k", {{5}, std::nullopt});
  state[0] = 2;
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeHardState("k", state).status()));
}

TEST(RecordsTest, PartOfABodyIsReadByItsOriginalOffset) {
  const ItemKey key = MakeItemKey({1}, 1);
  const std::string value = BodyValue(key, "0123456789");
  auto body = BodyView::Parse(AsView(key), value);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(*body->Part(3, 4), "3456");
  EXPECT_EQ(*body->Part(0, 10), "0123456789");
  EXPECT_TRUE(absl::IsNotFound(body->Part(8, 3).status()));
}

TEST(RecordsTest, CutBodyKeepsOnlyWhatLivesUnderItsOldOffsets) {
  const ItemKey key = MakeItemKey({1}, 1);
  const std::string value = BodyValue(key, "0123456789");
  auto body = BodyView::Parse(AsView(key), value);
  ASSERT_TRUE(body.ok());
  const std::vector<raft::BodyExtent> keep = {{2, 2}, {7, 3}};
  const auto cut_value = body->Cut(AsView(key), keep);
  ASSERT_TRUE(cut_value.ok());
  auto cut = BodyView::Parse(AsView(key), *cut_value);
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->body_bytes(), 10u);
  EXPECT_EQ(*cut->Part(2, 2), "23");
  EXPECT_EQ(*cut->Part(8, 1), "8");
  EXPECT_TRUE(absl::IsNotFound(cut->Part(4, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(cut->Part(3, 5).status()));
  // Cut again: what is gone stays gone, however much one asks to keep.
  const std::vector<raft::BodyExtent> more = {{0, 9}};
  const auto twice = cut->Cut(AsView(key), more);
  ASSERT_TRUE(twice.ok());
  auto view = BodyView::Parse(AsView(key), *twice);
  EXPECT_EQ(*view->Part(2, 2), "23");
  EXPECT_EQ(*view->Part(7, 2), "78");
  EXPECT_FALSE(view->Part(9, 1).ok());
}

TEST(RecordsTest, ImageOfABodyJoinsPartsThatTouchAndVerifiesAll) {
  const ItemKey key = MakeItemKey({1}, 1);
  const std::vector<StoredExtent> extents = {
      {0, 2, base::Crc32c("01")}, {2, 3, base::Crc32c("234")}, {7, 1, base::Crc32c("7")}};
  const std::string value = EncodeBodyPrefix(AsView(key), 10, extents) + "012347";
  const auto image = BodyView::Parse(AsView(key), value)->Image({1}, /*with_bytes=*/true);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->bytes.Flatten().view(), "012347");
  ASSERT_EQ(image->extents.size(), 2u);
  EXPECT_EQ(image->extents[0], (StoredExtent{0, 5, base::Crc32c("01234")}));
  EXPECT_EQ(image->extents[1], (StoredExtent{7, 1, base::Crc32c("7")}));
  std::string damaged = value;
  damaged.back() = '8';
  EXPECT_FALSE(BodyView::Parse(AsView(key), damaged)->Image({1}, /*with_bytes=*/false).ok());
}

TEST(RecordsTest, FlippedBitInABodyIsNoticedWhenItIsRead) {
  const ItemKey key = MakeItemKey({1}, 1);
  const std::string value = BodyValue(key, "0123456789");
  for (size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    auto body = BodyView::Parse(AsView(key), damaged);
    EXPECT_FALSE(body.ok() && body->Part(0, 1).ok()) << "bit " << bit;
  }
}

TEST(RecordsTest, SmallRecordsComeBackAndNoticeDamage) {
  const raft::HardState state{{7}, raft::ReplicaId{{11}, 2}};
  EXPECT_EQ(*DecodeHardState("key", EncodeHardState("key", state)), state);
  EXPECT_EQ(*DecodeHardState("key", EncodeHardState("key", {{1}, std::nullopt})),
            (raft::HardState{{1}, std::nullopt}));
  raft::Checkpoint checkpoint;
  checkpoint.applied = {{4}, {99}};
  checkpoint.membership.voters = {{{1}, 1}, {{2}, 1}};
  checkpoint.membership.learners = {{{3}, 5}};
  checkpoint.root = std::string("root\0bytes", 10);
  const std::string value = EncodeCheckpoint("key", checkpoint);
  const auto back = DecodeCheckpoint("key", value);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->applied, checkpoint.applied);
  EXPECT_EQ(back->membership, checkpoint.membership);
  EXPECT_EQ(back->root, checkpoint.root);
  for (size_t i = 0; i < value.size(); ++i) {
    std::string damaged = value;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(DecodeCheckpoint("key", damaged).ok()) << i;
    EXPECT_FALSE(DecodeCheckpoint("key", absl::string_view(value).substr(0, i)).ok()) << i;
  }
  const raft::Staging staging{.sender = {{8}, 2}, .sender_generation = 3, .generation = 4};
  EXPECT_EQ(*DecodeStaging("key", EncodeStaging("key", staging)), staging);
  EXPECT_FALSE(DecodeStaging("other", EncodeStaging("key", staging)).ok());
  EXPECT_EQ(*DecodeNumber("key", EncodeNumber("key", 77)), 77u);
  EXPECT_FALSE(DecodeNumber("other", EncodeNumber("key", 77)).ok());
}

TEST(RecordsTest, PageComesBackAndNoticesDamage) {
  const ItemKey key = MakeItemKey({1}, 8);
  const base::SliceChain page(base::Slice::Copy("page bytes"));
  const std::string value = absl::StrCat(AsView(EncodePagePrefix(AsView(key), page)), "page bytes");
  EXPECT_EQ(*DecodePage(AsView(key), value), "page bytes");
  for (size_t i = 0; i < value.size(); ++i) {
    std::string damaged = value;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(DecodePage(AsView(key), damaged).ok()) << i;
  }
}

}  // namespace
}  // namespace pontoon::storage
