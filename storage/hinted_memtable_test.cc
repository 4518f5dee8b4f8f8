#include "storage/hinted_memtable.h"

#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <string>

#include "base/random.h"
#include "storage/database.h"
#include "storage/keys.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

class HintedMemTableTest : public ::testing::Test {
 protected:
  void Open(bool create) {
    DatabaseOptions options;
    options.path = dir_ / "db";
    options.create = create;
    auto opened = Database::OpenBlocking(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }
  // A batch as the writer makes them: each group's tail grows, its front goes, now and then in a
  // range, and at times something lands in between.
  void WriteBatch() {
    rocksdb::WriteBatch batch;
    for (uint32_t group = 0; group < kGroups; ++group) {
      uint64_t& last = last_[group];
      uint64_t& first = first_[group];
      for (uint64_t n = random_.Below(5); n > 0; --n) Put(&batch, group, ++last);
      if (random_.Below(4) == 0 && last > 0) Put(&batch, group, 1 + random_.Below(last));
      for (uint64_t n = random_.Below(4); n > 0 && first < last; --n)
        Delete(&batch, group, ++first);
      if (random_.Below(4) == 0 && last > 0) Delete(&batch, group, 1 + random_.Below(last));
      if (random_.Below(16) == 0) DeleteRange(&batch, group, &first, last);
      if (random_.Below(2) == 0) PutMeta(&batch, group, MetaKind::kEndedThrough);
      if (random_.Below(8) == 0) PutMeta(&batch, group, MetaKind::kCheckpoint);
      if (random_.Below(16) == 0) DeleteMeta(&batch, group, MetaKind::kCheckpoint);
    }
    ASSERT_TRUE(database_->db()->Write(rocksdb::WriteOptions(), &batch).ok());
  }
  void Put(rocksdb::WriteBatch* batch, uint32_t group, uint64_t number) {
    const std::string value = std::to_string(random_.Next());
    batch->Put(database_->body(), ToRocks(MakeItemKey({group}, number)), value);
    wanted_[{group, number}] = value;
  }
  void PutMeta(rocksdb::WriteBatch* batch, uint32_t group, MetaKind kind) {
    const std::string value = std::to_string(random_.Next());
    const MetaKey key = MakeMetaKey({group}, kind);
    batch->Put(database_->meta(), ToRocks(key), value);
    meta_[key] = value;
  }
  void DeleteMeta(rocksdb::WriteBatch* batch, uint32_t group, MetaKind kind) {
    const MetaKey key = MakeMetaKey({group}, kind);
    batch->Delete(database_->meta(), ToRocks(key));
    meta_.erase(key);
  }
  void Delete(rocksdb::WriteBatch* batch, uint32_t group, uint64_t number) {
    batch->Delete(database_->body(), ToRocks(MakeItemKey({group}, number)));
    wanted_.erase({group, number});
  }
  void DeleteRange(rocksdb::WriteBatch* batch, uint32_t group, uint64_t* first, uint64_t last) {
    const uint64_t end = *first + random_.Below(last - *first + 1);
    batch->DeleteRange(database_->body(), ToRocks(MakeItemKey({group}, 0)),
                       ToRocks(MakeItemKey({group}, end + 1)));
    wanted_.erase(wanted_.lower_bound({group, 0}), wanted_.upper_bound({group, end}));
    *first = end;
  }
  void ExpectAllThere() {
    std::map<std::string, std::string> bodies, meta;
    for (const auto& [key, value] : wanted_)
      bodies[ToRocks(MakeItemKey({key.first}, key.second)).ToString()] = value;
    for (const auto& [key, value] : meta_) meta[ToRocks(key).ToString()] = value;
    ExpectHolds(database_->body(), bodies);
    ExpectHolds(database_->meta(), meta);
  }
  // Front to back, and each by itself.
  void ExpectHolds(rocksdb::ColumnFamilyHandle* family,
                   const std::map<std::string, std::string>& wanted) {
    const std::unique_ptr<rocksdb::Iterator> it(
        database_->db()->NewIterator(rocksdb::ReadOptions(), family));
    it->SeekToFirst();
    for (const auto& [key, value] : wanted) {
      ASSERT_TRUE(it->Valid());
      ASSERT_EQ(it->key(), key);
      ASSERT_EQ(it->value(), value);
      std::string read;
      ASSERT_TRUE(database_->db()->Get(rocksdb::ReadOptions(), family, key, &read).ok());
      ASSERT_EQ(read, value);
      it->Next();
    }
    ASSERT_FALSE(it->Valid());
  }

  static constexpr uint32_t kGroups = 16;
  testing::TempDir dir_;
  std::unique_ptr<Database> database_;
  base::SeededRandom random_{5};
  std::map<uint32_t, uint64_t> first_, last_;
  std::map<std::pair<uint32_t, uint64_t>, std::string> wanted_;
  std::map<MetaKey, std::string> meta_;
};

// RocksDB's own places for keys, kept together with those of ranges, lose this.
TEST_F(HintedMemTableTest, WhatManyGroupsPutAndDeleteInTurnIsThereInOrder) {
  Open(true);
  for (int i = 0; i < 2000; ++i) {
    WriteBatch();
    if (i % 500 == 0) ExpectAllThere();
  }
  ExpectAllThere();
}

TEST_F(HintedMemTableTest, ItIsThereAfterAReplayAndAFlushToo) {
  Open(true);
  for (int i = 0; i < 500; ++i) WriteBatch();
  database_.reset();
  Open(false);
  ExpectAllThere();
  for (int i = 0; i < 500; ++i) WriteBatch();
  ASSERT_TRUE(database_->db()->Flush(rocksdb::FlushOptions(), database_->body()).ok());
  for (int i = 0; i < 100; ++i) WriteBatch();
  ExpectAllThere();
}

}  // namespace
}  // namespace pontoon::storage
