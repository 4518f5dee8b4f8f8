#ifndef PONTOON_STORAGE_DATABASE_H_
#define PONTOON_STORAGE_DATABASE_H_

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/statistics.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/logger.h"
#include "storage/fatal.h"
#include "storage/flush_watch.h"
#include "storage/metrics.h"
#include "storage/store_options.h"
#include "storage/unflushed_bodies.h"

// Private to storage/: the one place that knows how RocksDB is set up.

namespace pontoon::storage {

inline rocksdb::Slice ToRocks(absl::string_view bytes) {
  return rocksdb::Slice(bytes.data(), bytes.size());
}
inline absl::string_view FromRocks(const rocksdb::Slice& bytes) {
  return absl::string_view(bytes.data(), bytes.size());
}
template <size_t N>
rocksdb::Slice ToRocks(const std::array<char, N>& bytes) {
  return rocksdb::Slice(bytes.data(), N);
}

// The same meaning in our words; `doing` begins the message. Corruption and incomplete or missing
// files become DataLoss.
absl::Status FromRocks(const rocksdb::Status& status, absl::string_view doing);

enum class OpenMode {
  kReadWrite,
  kReadOnly,  // Replays the write-ahead log into memory and changes nothing on the disk.
};

struct DatabaseOptions {
  std::string path;
  StoreSizes sizes;
  rocksdb::Env* env = nullptr;
  OpenMode mode = OpenMode::kReadWrite;
  rocksdb::WALRecoveryMode recovery = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  bool create = false;  // There must be none yet.
  bool create_missing_families =
      false;                       // After a repair, which makes only those that it finds data of.
  base::Logger* logger = nullptr;  // For RocksDB's warnings and errors; may be null.
  StorageCounters* counters = nullptr;  // Must outlive the database, unless null; so must `fatal`.
  FatalError* fatal = nullptr;          // Told of every error in the background.
};

// One RocksDB with the store's column families. The families' handles live as long as this.
class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> OpenBlocking(const DatabaseOptions& options);
  // Reads the list of files and families without changing anything: DataLoss if it is damaged.
  static absl::Status CheckManifestBlocking(const DatabaseOptions& options);
  // Makes a database of whatever data and log files can still be read.
  static absl::Status RepairBlocking(const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB* db() const { return db_.get(); }
  rocksdb::ColumnFamilyHandle* meta() const { return families_[1]; }
  rocksdb::ColumnFamilyHandle* log() const { return families_[2]; }
  rocksdb::ColumnFamilyHandle* body() const { return families_[3]; }
  rocksdb::ColumnFamilyHandle* page() const { return families_[4]; }
  // In all families, the unused "default" included.
  const std::vector<rocksdb::ColumnFamilyHandle*>& families() const { return families_; }

  // Bytes written since it was opened, as RocksDB counts them.
  struct Written {
    uint64_t wal = 0;
    uint64_t flush = 0;
    uint64_t compaction = 0;
  };
  Written written() const;

  // What the write buffers hold reaches SST files; no flush waits for bodies to be settled
  // meanwhile.
  rocksdb::Status FlushBlocking() const;
  UnflushedBodies* unflushed_bodies() const { return unflushed_bodies_.get(); }

  // The value of a key of the family "meta"; NotFound if there is none.
  absl::StatusOr<std::string> GetMeta(absl::string_view key) const;

 private:
  Database() = default;
  std::shared_ptr<rocksdb::Statistics> statistics_;
  std::unique_ptr<UnflushedBodies> unflushed_bodies_;
  std::unique_ptr<FlushWatch> flush_watch_;
  // The family "body" for the listener, as long as it can be asked; set after all is open.
  std::atomic<rocksdb::ColumnFamilyHandle*> listeners_body_{nullptr};
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_DATABASE_H_
