#include "storage/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/hinted_memtable.h"
#include "storage/rocksdb_crc32c.h"
#include "storage/space_guard.h"

namespace pontoon::storage {
namespace {

constexpr char kBodyFamily[] = "body";
constexpr size_t kBodyIndex = 3;
constexpr int kFlushThreads = 2;  // Of each store.
// Buffers of bodies for what comes in during a flush; RocksDB slows writers down two before the
// end.
constexpr size_t kBuffersLeft = 3;

// RocksDB's own lines: warnings and errors go to the node's log, the rest nowhere (a file LOG
// beside the data would have to be rotated, counted and explained).
class RocksLogger final : public rocksdb::Logger {
 public:
  explicit RocksLogger(base::Logger* logger)
      : rocksdb::Logger(rocksdb::WARN_LEVEL), logger_(logger) {}
  using rocksdb::Logger::Logv;
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (logger_ == nullptr || level < rocksdb::WARN_LEVEL) return;
    char line[1024];
    std::vsnprintf(line, sizeof(line), format, arguments);
    // Its warnings are about stalls and the like: for whoever looks into the store.
    const bool error =
        level >= rocksdb::ERROR_LEVEL && !absl::StrContains(line, kNoRoomForCompaction);
    logger_->Log(error ? base::LogLevel::kError : base::LogLevel::kDebug, 0,
                 absl::StrCat("store: ", line));
  }
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::INFO_LEVEL, format, arguments);
  }

 private:
  base::Logger* const logger_;
};

// Left alone, RocksDB resumes by itself after a full disk and after errors that it takes for
// passing, and accepts the next batch: a hole in the log (measured with 7.8.3). Here every error in
// the background is the end.
class Listener final : public rocksdb::EventListener {
 public:
  Listener(StorageCounters* counters, FatalError* fatal, FlushWatch* flushes,
           UnflushedBodies* bodies, const std::atomic<rocksdb::ColumnFamilyHandle*>* body_family)
      : counters_(counters),
        fatal_(fatal),
        flushes_(flushes),
        bodies_(bodies),
        body_family_(body_family) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (reason == rocksdb::BackgroundErrorReason::kCompaction && error->IsNoSpace()) {
      // Nothing was lost: the compaction is undone, and tried again later (space_guard.h).
      *error = rocksdb::Status::OK();
      return;
    }
    if (fatal_ != nullptr) fatal_->Report(FromRocks(*error, "background work of the store"));
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  void OnMemTableSealed(const rocksdb::MemTableInfo& info) override {
    flushes_->OnFull(info.cf_name);
    if (info.cf_name == kBodyFamily) bodies_->OnFull();
  }
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override {
    if (counters_ != nullptr) counters_->flush_bytes += info.table_properties.data_size;
    flushes_->OnFlushed();
    if (info.cf_name != kBodyFamily) return;
    rocksdb::ColumnFamilyHandle* const family = body_family_->load();
    uint64_t full = 0;
    if (family != nullptr &&
        db->GetIntProperty(family, rocksdb::DB::Properties::kNumImmutableMemTable, &full))
      bodies_->OnFlushed(full);
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    if (counters_ != nullptr) counters_->compaction_bytes += info.stats.total_output_bytes;
  }

 private:
  StorageCounters* const counters_;
  FatalError* const fatal_;
  FlushWatch* const flushes_;
  UnflushedBodies* const bodies_;
  const std::atomic<rocksdb::ColumnFamilyHandle*>* const body_family_;
};

struct FamilyShape {
  size_t write_buffer_bytes;
  int write_buffers;
  // Buffers that are flushed together, as early as there are so many: what one puts and the next
  // deletes is never written. The others take what comes in meanwhile.
  int buffers_to_merge;
  int files_to_compact;  // So many flushed files are compacted into the next level.
  size_t block_bytes;
  bool filter;  // Point reads of old keys.
  bool hinted;  // Its keys are ItemKeys or MetaKeys.
  // Files in which most keys are deletions are compacted at once. Not those of bodies, of which
  // every flush makes one: a deletion counts for the bytes that it ends anyway, and a moving
  // backlog takes as much space with as without, at half as much again of compaction.
  bool mark_deletions;
};

rocksdb::ColumnFamilyOptions FamilyOptions(const FamilyShape& shape,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = shape.write_buffer_bytes;
  options.max_write_buffer_number = shape.write_buffers;
  options.min_write_buffer_number_to_merge = shape.buffers_to_merge;
  if (shape.hinted) options.memtable_factory = MakeHintedMemTableFactory();
  options.compaction_style = rocksdb::kCompactionStyleLevel;
  options.level_compaction_dynamic_level_bytes = true;
  options.level0_file_num_compaction_trigger = shape.files_to_compact;
  options.level0_slowdown_writes_trigger = 20;
  options.level0_stop_writes_trigger = 36;
  options.target_file_size_base =
      std::clamp<uint64_t>(shape.write_buffer_bytes, 4u << 20, 32u << 20);
  // Twice what a flush writes at most: deletions count for what they end, and would have the files
  // of every flush compacted at once.
  options.max_bytes_for_level_base = std::max<uint64_t>(
      2 * static_cast<uint64_t>(shape.write_buffers) * shape.write_buffer_bytes, 32u << 20);
  // Most of what is written is short-lived; payloads are often compressed already.
  options.compression = rocksdb::kNoCompression;
  if (shape.mark_deletions)
    options.table_properties_collector_factories.push_back(
        rocksdb::NewCompactOnDeletionCollectorFactory(/*sliding_window_size=*/512,
                                                      /*deletion_trigger=*/256,
                                                      /*deletion_ratio=*/0.5));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_size = shape.block_bytes;
  if (shape.filter) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

constexpr const char* kFamilyNames[] = {"default", "meta", "log", kBodyFamily, "page"};

rocksdb::DBOptions RocksOptions(const DatabaseOptions& options) {
  rocksdb::DBOptions db_options;
  if (options.env != nullptr) db_options.env = options.env;
  db_options.create_if_missing = options.create;
  db_options.create_missing_column_families = options.create || options.create_missing_families;
  db_options.error_if_exists = options.create;
  db_options.info_log = std::make_shared<RocksLogger>(options.logger);
  db_options.max_bgerror_resume_count = 0;
  db_options.paranoid_checks = true;
  db_options.wal_recovery_mode = options.recovery;
  db_options.track_and_verify_wals_in_manifest = true;
  db_options.avoid_flush_during_recovery = true;
  db_options.avoid_flush_during_shutdown = true;
  db_options.max_total_wal_size = options.sizes.wal_bytes_max;
  db_options.bytes_per_sync =
      1 << 20;  // SST files reach the disk evenly; the write-ahead log is synced by us.
  db_options.allow_concurrent_memtable_write = false;  // There is one writer.
  db_options.enable_write_thread_adaptive_yield = false;
  // One flush of bodies that waits leaves one for the others; where two wait, these have their
  // spare buffers meanwhile.
  db_options.max_background_flushes = kFlushThreads;
  db_options.max_background_compactions = 2;
  db_options.manifest_preallocation_size = 64 << 10;
  db_options.stats_dump_period_sec = 0;
  db_options.stats_persist_period_sec = 0;
  db_options.max_open_files = 512;
  return db_options;
}

// RocksDB's threads belong to the process, and its stores share them: a flush that waits must not
// hold up another store's.
void KeepThreads(rocksdb::Env* env, int stores) {
  const int threads = kFlushThreads * stores;
  if (env->GetBackgroundThreads(rocksdb::Env::Priority::HIGH) < threads)
    env->SetBackgroundThreads(threads, rocksdb::Env::Priority::HIGH);
}
std::atomic<int> open_stores{0};

std::vector<rocksdb::ColumnFamilyDescriptor> Families(const StoreSizes& sizes) {
  const auto cache = rocksdb::NewLRUCache(sizes.block_cache_bytes);
  const FamilyShape small{.write_buffer_bytes = 1u << 20,
                          .write_buffers = 2,
                          .buffers_to_merge = 1,
                          .files_to_compact = 4,
                          .block_bytes = 4096,
                          .filter = false,
                          .hinted = false,
                          .mark_deletions = true};
  const FamilyShape meta{.write_buffer_bytes = 8u << 20,
                         .write_buffers = 2,
                         .buffers_to_merge = 1,
                         .files_to_compact = 4,
                         .block_bytes = 4096,
                         .filter = false,
                         .hinted = true,
                         .mark_deletions = true};
  const FamilyShape log{.write_buffer_bytes = sizes.log_write_buffer_bytes,
                        .write_buffers = sizes.log_write_buffers,
                        .buffers_to_merge = sizes.log_buffers_to_merge,
                        .files_to_compact = 4,
                        .block_bytes = 16384,
                        .filter = false,
                        .hinted = true,
                        .mark_deletions = false};
  const FamilyShape body{.write_buffer_bytes = sizes.body_write_buffer_bytes,
                         .write_buffers = sizes.body_write_buffers,
                         .buffers_to_merge = sizes.body_buffers_to_merge,
                         .files_to_compact = 10,  // Flushes are small.
                         .block_bytes = 16384,
                         .filter = true,
                         .hinted = true,
                         .mark_deletions = false};
  const FamilyShape page{.write_buffer_bytes = sizes.page_write_buffer_bytes,
                         .write_buffers = sizes.page_write_buffers,
                         .buffers_to_merge = 1,
                         .files_to_compact = 4,
                         .block_bytes = 16384,
                         .filter = true,
                         .hinted = true,
                         .mark_deletions = true};
  const FamilyShape* const shapes[] = {&small, &meta, &log, &body, &page};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (size_t i = 0; i < 5; ++i)
    families.emplace_back(kFamilyNames[i], FamilyOptions(*shapes[i], cache));
  return families;
}

}  // namespace

StoreSizes StoreSizes::ForDisk(uint64_t disk_bytes) {
  StoreSizes sizes;
  const auto part = [disk_bytes](uint64_t divisor, uint64_t least, uint64_t most) {
    return std::clamp(disk_bytes / divisor, least, most);
  };
  sizes.body_write_buffer_bytes = part(128, 2u << 20, sizes.body_write_buffer_bytes);
  sizes.log_write_buffer_bytes = part(256, 1u << 20, sizes.log_write_buffer_bytes);
  sizes.page_write_buffer_bytes = part(128, 2u << 20, sizes.page_write_buffer_bytes);
  sizes.wal_bytes_max = part(16, 16u << 20, sizes.wal_bytes_max);
  return sizes;
}

absl::Status FromRocks(const rocksdb::Status& status, absl::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat(doing, ": ", status.ToString());
  if (status.IsNotFound()) return absl::NotFoundError(text);
  if (status.IsCorruption() || status.IsPathNotFound()) return absl::DataLossError(text);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  if (status.IsInvalidArgument()) return absl::InvalidArgumentError(text);
  return absl::UnavailableError(text);
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenBlocking(const DatabaseOptions& options) {
  UseOwnCrc32cForRocksDb();
  rocksdb::DBOptions db_options = RocksOptions(options);
  std::vector<rocksdb::ColumnFamilyDescriptor> families = Families(options.sizes);
  std::unique_ptr<Database> database(new Database());
  KeepThreads(options.env == nullptr ? rocksdb::Env::Default() : options.env, ++open_stores);
  database->flush_watch_ = std::make_unique<FlushWatch>(base::Seconds(1));
  const auto buffers = static_cast<size_t>(options.sizes.body_write_buffers);
  database->unflushed_bodies_ = std::make_unique<UnflushedBodies>(
      UnflushedBodies::Options{
          .settle_wait = options.sizes.body_settle_wait,
          .full_buffers_max = buffers > kBuffersLeft ? buffers - kBuffersLeft : 1},
      options.counters);
  families[kBodyIndex].options.compaction_filter_factory =
      database->unflushed_bodies_->MakeFilterFactory();
  db_options.listeners.push_back(
      std::make_shared<Listener>(options.counters, options.fatal, database->flush_watch_.get(),
                                 database->unflushed_bodies_.get(), &database->listeners_body_));
  database->statistics_ = rocksdb::CreateDBStatistics();
  database->statistics_->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  db_options.statistics = database->statistics_;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      options.mode == OpenMode::kReadOnly
          ? rocksdb::DB::OpenForReadOnly(db_options, options.path, families, &database->families_,
                                         &db)
          : rocksdb::DB::Open(db_options, options.path, families, &database->families_, &db);
  if (!status.ok())
    return FromRocks(status, absl::StrCat("cannot open the store in ", options.path));
  database->db_.reset(db);
  database->listeners_body_ = database->body();
  return database;
}

absl::Status Database::CheckManifestBlocking(const DatabaseOptions& options) {
  rocksdb::DBOptions db_options;
  if (options.env != nullptr) db_options.env = options.env;
  std::vector<std::string> names;
  return FromRocks(rocksdb::DB::ListColumnFamilies(db_options, options.path, &names),
                   absl::StrCat("cannot read what files belong to the store in ", options.path));
}

absl::Status Database::RepairBlocking(const DatabaseOptions& options) {
  return FromRocks(rocksdb::RepairDB(options.path, RocksOptions(options), Families(options.sizes)),
                   absl::StrCat("cannot repair the store in ", options.path));
}

Database::~Database() {
  --open_stores;
  unflushed_bodies_->Hurry();  // Closing waits for the flush that is under way.
  if (db_ == nullptr) return;
  // From here on nobody asks; a flush that does is awaited first.
  listeners_body_ = nullptr;
  rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/true);
  for (rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
}

rocksdb::Status Database::FlushBlocking() const {
  unflushed_bodies_->Hurry();
  const rocksdb::Status status = flush_watch_->FlushBlocking(db_.get(), families_);
  unflushed_bodies_->Unhurry();
  return status;
}

Database::Written Database::written() const {
  return {.wal = statistics_->getTickerCount(rocksdb::WAL_FILE_BYTES),
          .flush = statistics_->getTickerCount(rocksdb::FLUSH_WRITE_BYTES),
          .compaction = statistics_->getTickerCount(rocksdb::COMPACT_WRITE_BYTES)};
}

absl::StatusOr<std::string> Database::GetMeta(absl::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), meta(), ToRocks(key), &value);
  if (!status.ok()) return FromRocks(status, "reading from the store");
  return value;
}

}  // namespace pontoon::storage
