#include "tests/storage/stores.h"

#include "storage/database.h"
#include "storage/keys.h"
#include "storage/open_store.h"

namespace pontoon::raft {

void RocksStoreUnderTest::DamageBody(GroupId group, Index index) {
  store_.reset();
  const storage::RocksLogStoreOptions options = storage::testing::TestOptions(dir_.path());
  {
    auto database = storage::Database::OpenBlocking(storage::DatabaseOptionsFor(options, nullptr));
    ASSERT_TRUE(database.ok()) << database.status();
    rocksdb::DB* const db = (*database)->db();
    const storage::ItemKey key = storage::MakeItemKey(group, index.value);
    std::string value;
    ASSERT_TRUE(
        db->Get(rocksdb::ReadOptions(), (*database)->body(), storage::ToRocks(key), &value).ok());
    value.back() = static_cast<char>(value.back() ^ 1);
    rocksdb::WriteBatch batch;
    batch.Put((*database)->body(), storage::ToRocks(key), value);
    const storage::MetaKey number = storage::MakeNodeMetaKey(storage::NodeMetaKind::kBatchNumber);
    batch.Put(
        (*database)->meta(), storage::ToRocks(number),
        storage::EncodeNumber(storage::AsView(number), *storage::ReadBatchNumber(**database) + 1));
    ASSERT_TRUE(db->Write(rocksdb::WriteOptions(), &batch).ok());
  }
  Open();
}

}  // namespace pontoon::raft
