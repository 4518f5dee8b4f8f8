// The formats of version 1 are read for ever: testdata/ holds bytes that were written once and are
// never written again. (A new version gets new lines; the old ones stay.)

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "base/crc32c.h"
#include "storage/durable_mark.h"
#include "storage/files.h"
#include "storage/keys.h"
#include "storage/node_directory.h"
#include "storage/records.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

const raft::HardState kHardState{{7}, raft::ReplicaId{{0x1122334455667788}, 3}};

const raft::Staging kStaging{
    .sender = {{0x1122334455667788}, 3}, .sender_generation = 0x0a0b, .generation = 0x0c0d};

raft::Checkpoint FixtureCheckpoint() {
  raft::Checkpoint checkpoint;
  checkpoint.applied = {{6}, {1000}};
  checkpoint.membership.voters = {{{1}, 1}, {{2}, 1}};
  checkpoint.membership.outgoing_voters = {{{1}, 1}};
  checkpoint.membership.learners = {{{3}, 2}};
  checkpoint.root = "the root";
  return checkpoint;
}

raft::Entry FixtureEntry() {
  raft::Entry entry =
      testing::MakeEntry(6, 1001, "header bytes", "body bytes, which are 34 bytes long");
  entry.kind = raft::EntryKind::kConfig;
  return entry;
}

// Name -> key and value, as the program would write them today.
std::map<std::string, std::pair<std::string, std::string>> Today() {
  std::map<std::string, std::pair<std::string, std::string>> out;
  const auto add = [&](const std::string& name, absl::string_view key, const std::string& value) {
    out[name] = {std::string(key), value};
  };
  const ItemKey item = MakeItemKey({5}, 1001);
  const raft::Entry entry = FixtureEntry();
  add("entry_v1", AsView(item),
      absl::StrCat(AsView(EncodeEntryPrefix(AsView(item), entry, {2})),
                   entry.header.Flatten().view()));
  const std::string body(entry.body.Flatten().view());
  const StoredExtent whole{0, entry.body_bytes, entry.body_crc};
  const std::string fresh = EncodeBodyPrefix(AsView(item), entry.body_bytes, {&whole, 1}) + body;
  add("body_v1", AsView(item), fresh);
  const std::vector<raft::BodyExtent> keep = {{0, 4}, {20, 5}};
  add("cut_body_v1", AsView(item), *BodyView::Parse(AsView(item), fresh)->Cut(AsView(item), keep));
  const base::SliceChain page(base::Slice::Static("page bytes"));
  add("page_v1", AsView(item),
      absl::StrCat(AsView(EncodePagePrefix(AsView(item), page)), "page bytes"));
  const auto meta = [&](const std::string& name, const MetaKey& key, auto encode) {
    add(name, AsView(key), encode(AsView(key)));
  };
  meta("hard_state_v1", MakeMetaKey({5}, MetaKind::kHardState),
       [](auto key) { return EncodeHardState(key, kHardState); });
  meta("checkpoint_v1", MakeMetaKey({5}, MetaKind::kCheckpoint),
       [](auto key) { return EncodeCheckpoint(key, FixtureCheckpoint()); });
  meta("checkpoint_generation_v1", MakeMetaKey({5}, MetaKind::kCheckpoint), [](auto key) {
    raft::Checkpoint checkpoint = FixtureCheckpoint();
    checkpoint.page_generation = 0x1234;
    return EncodeCheckpoint(key, checkpoint);
  });
  meta("staging_v1", MakeMetaKey({5}, MetaKind::kStaging),
       [](auto key) { return EncodeStaging(key, kStaging); });
  meta("number_v1", MakeNodeMetaKey(NodeMetaKind::kBatchNumber),
       [](auto key) { return EncodeNumber(key, 4711); });
  meta("batch_mark_v1", MakeNodeMetaKey(NodeMetaKind::kBatchNumber),
       [](auto key) { return EncodeBatchMark(key, {.number = 4712, .synced = 4710}); });
  meta("identity_v1", MakeNodeMetaKey(NodeMetaKind::kIdentity), [](auto key) {
    return EncodeIdentity(key, {0xabcdef, {0x1122334455667788}});
  });
  return out;
}

std::map<std::string, std::pair<std::string, std::string>> Fixtures() {
  std::map<std::string, std::pair<std::string, std::string>> out;
  std::ifstream file(absl::StrCat(PONTOON_STORAGE_TESTDATA, "/records_v1.txt"));
  std::string name, key, value;
  while (file >> name >> key >> value) {
    out[name] = {absl::HexStringToBytes(key), absl::HexStringToBytes(value)};
  }
  return out;
}

TEST(FormatTest, WhatVersion1WroteIsReadForEver) {
  const auto fixtures = Fixtures();
  ASSERT_EQ(fixtures.size(), 11u);
  const auto& [entry_key, entry_value] = fixtures.at("entry_v1");
  const auto entry = DecodeEntry(entry_key, entry_value);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->entry.id, (raft::EntryId{{6}, {1001}}));
  EXPECT_EQ(entry->entry.kind, raft::EntryKind::kConfig);
  EXPECT_EQ(entry->epoch.value, 2u);
  EXPECT_EQ(entry->entry.header.Flatten().view(), "header bytes");
  EXPECT_EQ(entry->entry.body_bytes, 35u);
  EXPECT_EQ(entry->entry.body_crc, base::Crc32c("body bytes, which are 34 bytes long"));

  const auto& [body_key, body_value] = fixtures.at("body_v1");
  auto body = BodyView::Parse(body_key, body_value);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body->Part(0, 35), "body bytes, which are 34 bytes long");
  const auto& [cut_key, cut_value] = fixtures.at("cut_body_v1");
  auto cut = BodyView::Parse(cut_key, cut_value);
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(*cut->Part(0, 4), "body");
  EXPECT_EQ(*cut->Part(22, 3), "34 ");
  EXPECT_FALSE(cut->Part(5, 1).ok());
  EXPECT_EQ(*DecodePage(fixtures.at("page_v1").first, fixtures.at("page_v1").second), "page bytes");

  EXPECT_EQ(
      *DecodeHardState(fixtures.at("hard_state_v1").first, fixtures.at("hard_state_v1").second),
      kHardState);
  const auto checkpoint =
      DecodeCheckpoint(fixtures.at("checkpoint_v1").first, fixtures.at("checkpoint_v1").second);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->applied, FixtureCheckpoint().applied);
  EXPECT_EQ(checkpoint->membership, FixtureCheckpoint().membership);
  EXPECT_EQ(checkpoint->root, "the root");
  EXPECT_EQ(checkpoint->page_generation, 0u);
  EXPECT_EQ(DecodeCheckpoint(fixtures.at("checkpoint_generation_v1").first,
                             fixtures.at("checkpoint_generation_v1").second)
                ->page_generation,
            0x1234u);
  EXPECT_EQ(*DecodeStaging(fixtures.at("staging_v1").first, fixtures.at("staging_v1").second),
            kStaging);
  EXPECT_EQ(*DecodeNumber(fixtures.at("number_v1").first, fixtures.at("number_v1").second), 4711u);
  for (const auto& [name, mark] : {std::pair("batch_mark_v1", BatchMark{4712, 4710}),
                                   std::pair("number_v1", BatchMark{4711, 0})}) {
    const auto decoded = DecodeBatchMark(fixtures.at(name).first, fixtures.at(name).second);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->number, mark.number);
    EXPECT_EQ(decoded->synced, mark.synced);
  }
  EXPECT_EQ(*DecodeIdentity(fixtures.at("identity_v1").first, fixtures.at("identity_v1").second),
            (StoreIdentity{0xabcdef, {0x1122334455667788}}));
}

TEST(FormatTest, VersionStaysTheSameOnlyAsLongAsTheBytesDo) {
  const auto fixtures = Fixtures();
  std::string lines;
  for (const auto& [name, today] : Today()) {
    absl::StrAppend(&lines, name, " ", absl::BytesToHexString(today.first), " ",
                    absl::BytesToHexString(today.second), "\n");
  }
  EXPECT_EQ(Today(), fixtures) << "today's bytes:\n" << lines;
}

TEST(FormatTest, MarkOfVersion1IsReadForEver) {
  const auto mark = ReadMarkBlocking(absl::StrCat(PONTOON_STORAGE_TESTDATA, "/durable_mark_v1"));
  ASSERT_TRUE(mark.ok()) << mark.status();
  EXPECT_EQ(mark->sequence, 12u);
  EXPECT_EQ(mark->batch, 4711u);
  EXPECT_EQ(mark->identity, (StoreIdentity{0xabcdef, {0x1122334455667788}}));
  testing::TempDir dir;
  ASSERT_TRUE(WriteNewMarkBlocking(dir / "mark", *mark).ok());
  EXPECT_EQ(*ReadFileBlocking(dir / "mark"),
            *ReadFileBlocking(absl::StrCat(PONTOON_STORAGE_TESTDATA, "/durable_mark_v1")));
}

TEST(FormatTest, NewerMarkIsRefused) {
  testing::TempDir dir;
  std::string bytes = *ReadFileBlocking(absl::StrCat(PONTOON_STORAGE_TESTDATA, "/durable_mark_v1"));
  for (const size_t slot : {size_t{0}, kMarkSlotBytes}) {
    bytes[slot + 8] = 2;
    const uint32_t crc = base::Crc32c(absl::string_view(bytes).substr(slot, 48));
    bytes.replace(slot + 48, 4, reinterpret_cast<const char*>(&crc), 4);
  }
  ASSERT_TRUE(ReplaceFileBlocking(dir / "mark", bytes, 0644).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadMarkBlocking(dir / "mark").status()));
}

TEST(FormatTest, NodeFileOfVersion1IsReadForEver) {
  testing::TempDir dir;
  ASSERT_TRUE(CopyBlocking(absl::StrCat(PONTOON_STORAGE_TESTDATA, "/node_v1"), dir / "node").ok());
  base::SeededRandom random(1);
  auto directory = NodeDirectory::OpenBlocking(dir.path(), &random);
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ((*directory)->identity(), (StoreIdentity{0xabcdef, {0x1122334455667788}}));
  EXPECT_EQ((*directory)->incarnation(), 2u);
  EXPECT_EQ((*directory)->boot(), base::BootId{41});
  EXPECT_TRUE((*directory)->store_made());
}

// A whole store as version 1 left it when it was killed in its second run.
TEST(FormatTest, StoreOfVersion1IsReadForEver) {
  testing::TempDir dir;
  const std::string path = dir / "data";
  ASSERT_TRUE(CopyBlocking(absl::StrCat(PONTOON_STORAGE_TESTDATA, "/data_v1"), path).ok());
  RocksLogStoreOptions options = testing::TestOptions(path);
  options.identity = {0xabcdef, {0x1122334455667788}};
  testing::RecordingEvents events;
  auto store = RocksLogStore::OpenBlocking(options, nullptr, &events);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->groups(), (std::vector<base::GroupId>{{0}, {1}}));
  const auto group = (*store)->RecoverBlocking({1});
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->hard_state, kHardState);
  EXPECT_EQ(group->checkpoint->applied.index, raft::Index{3});
  ASSERT_EQ(group->entries.size(), 3u);
  for (const raft::Entry& entry : group->entries) {
    const std::string body = absl::StrCat("body ", entry.id.index.value);
    EXPECT_EQ(testing::Read(store->get(), 1, {{entry.id.index, 0, 6}})[0]->view(), body);
  }
  EXPECT_EQ(testing::Read(store->get(), 1, {{{3}, 0, 6}})[0]->view(), "body 3");
  EXPECT_TRUE(absl::IsNotFound(testing::Read(store->get(), 1, {{{1}, 0, 6}})[0].status()));
  EXPECT_EQ(testing::ReadPage(store->get(), 1, 9)->view(), "page nine");
}

}  // namespace
}  // namespace pontoon::storage
