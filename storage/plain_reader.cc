// Reads a store with the RocksDB library as it is, without anything of Pontoon: counts the keys of
// the families "log" and "body", verifying every checksum on the way. Used by
// rocksdb_crc32c_test.cc.

#include <rocksdb/db.h>

#include <cstdio>
#include <memory>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  rocksdb::DBOptions options;
  // Not taking part in it, a read-only open asserts in 7.8.3.
  options.track_and_verify_wals_in_manifest = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : {"default", "meta", "log", "body", "page"}) {
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, argv[1], families, &handles, &db);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  const std::unique_ptr<rocksdb::DB> owned(db);
  for (const int family : {2, 3}) {
    int count = 0;
    const std::unique_ptr<rocksdb::Iterator> it(
        db->NewIterator(rocksdb::ReadOptions(), handles[family]));
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++count;
    if (!it->status().ok()) return 1;
    std::printf("%s %d%s", family == 2 ? "log" : "body", count, family == 2 ? " " : "\n");
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  return 0;
}
