#include "storage/open_store.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/check.h"
#include "storage/disk_space.h"
#include "storage/files.h"
#include "storage/keys.h"
#include "storage/records.h"
#include "storage/wal_scan.h"

namespace pontoon::storage {
namespace {

using rocksdb::WALRecoveryMode;

// The write-ahead log's files, which is where a missing tail was.
std::string LogFileNames(const std::string& store) {
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(store);
  std::string out;
  if (names.ok()) {
    for (const std::string& name : *names) {
      if (absl::EndsWith(name, ".log"))
        absl::StrAppend(&out, out.empty() ? "" : ", ", store, "/", name);
    }
  }
  return out.empty() ? absl::StrCat(store, " (no write-ahead log file is there)") : out;
}

std::string HowToAccept(const std::string& data_dir) {
  return absl::StrCat(
      " Nothing was changed. Put the file back from where it is whole; or, to go on with what is "
      "left and lose the rest, "
      "run: pontoon-server --data-dir ",
      data_dir, " --accept-data-loss (it copies the folder aside first).");
}

absl::Status CopyWalAside(const std::string& data_dir) {
  const std::string store = StorePath(data_dir);
  std::string aside;
  for (int i = 1;; ++i) {
    aside = absl::StrCat(data_dir, "/wal-aside-", i);
    if (!Exists(aside)) break;
  }
  std::error_code error;
  std::filesystem::create_directory(aside, error);
  if (error) return FileError("creating", aside, error.value());
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(store);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".log")) continue;
    absl::Status status =
        CopyBlocking(absl::StrCat(store, "/", name), absl::StrCat(aside, "/", name));
    if (!status.ok()) return status;
  }
  return SyncDirectoryBlocking(aside);
}

// Which recovery mode gives everything up to the mark; looks without changing anything.
absl::StatusOr<WALRecoveryMode> Judge(const RocksLogStoreOptions& options, uint64_t marked) {
  const std::string store = StorePath(options.data_dir);
  if (absl::Status status = Database::CheckManifestBlocking(DatabaseOptionsFor(options, nullptr));
      !status.ok()) {
    return TellLoss(options, status);
  }
  absl::StatusOr<WalContents> wal = ScanWalBlocking(store);
  if (!wal.ok()) return wal.status();
  // The mark lags behind; a batch that was written later may know better.
  const uint64_t vouched = std::max(marked, wal->proved_synced);
  // Mostly the log is whole and goes beyond the mark: then there is no need to replay it only to
  // judge it.
  if (wal->trouble.empty() && wal->last_batch > 0 && wal->last_batch >= marked) {
    return WALRecoveryMode::kTolerateCorruptedTailRecords;
  }
  // RocksDB's own complaints become part of our one error.
  DatabaseOptions look = DatabaseOptionsFor(options, /*logger=*/nullptr);
  look.mode = OpenMode::kReadOnly;
  absl::Status first_refusal;
  for (const WALRecoveryMode mode :
       {WALRecoveryMode::kTolerateCorruptedTailRecords, WALRecoveryMode::kPointInTimeRecovery}) {
    look.recovery = mode;
    absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenBlocking(look);
    if (!database.ok()) {
      if (!absl::IsDataLoss(database.status())) return database.status();
      if (first_refusal.ok()) first_refusal = database.status();
      continue;
    }
    absl::StatusOr<uint64_t> recovered = ReadBatchNumber(**database);
    if (!recovered.ok()) return TellLoss(options, recovered.status());
    if (*recovered >= vouched) return mode;
    return absl::DataLossError(
        absl::StrCat("The store has lost data that this node had vouched for: batches ",
                     *recovered + 1, " to ", vouched, " are missing from the write-ahead log (",
                     vouched == marked ? MarkPath(options.data_dir) : "a later batch",
                     " says that they were synced). Damaged: ",
                     wal->trouble.empty() ? LogFileNames(store) : wal->trouble, ".",
                     HowToAccept(options.data_dir)));
  }
  return TellLoss(options, first_refusal);
}

// What a killed process had written and not synced is found again at the start, and counts as
// durable from then on.
absl::Status SyncWalBlocking(const RocksLogStoreOptions& options) {
  rocksdb::Env* const env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  const std::string store = StorePath(options.data_dir);
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(store);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".log")) continue;
    const std::string path = absl::StrCat(store, "/", name);
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::Status status = env->GetFileSystem()->ReopenWritableFile(path, rocksdb::FileOptions(),
                                                                      &file, /*dbg=*/nullptr);
    if (status.ok()) status = file->Sync(rocksdb::IOOptions(), nullptr);
    if (status.ok()) status = file->Close(rocksdb::IOOptions(), nullptr);
    if (!status.ok()) return FromRocks(status, absl::StrCat("syncing ", path));
  }
  return absl::OkStatus();
}

absl::Status CheckIdentity(const RocksLogStoreOptions& options, const Database& database) {
  const MetaKey key = MakeNodeMetaKey(NodeMetaKind::kIdentity);
  absl::StatusOr<std::string> value = database.GetMeta(AsView(key));
  if (!value.ok()) return value.status();
  absl::StatusOr<StoreIdentity> identity = DecodeIdentity(AsView(key), *value);
  if (!identity.ok()) return identity.status();
  if (*identity == options.identity) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(StorePath(options.data_dir), " belongs to another node (",
                   absl::Hex(identity->node.value, absl::kZeroPad16), ", this is ",
                   absl::Hex(options.identity.node.value, absl::kZeroPad16), ")"));
}

// The newest key of the group in the family, at or above `from`; nullopt if there is none.
absl::StatusOr<std::optional<uint64_t>> LastKey(const Database& database,
                                                rocksdb::ColumnFamilyHandle* family,
                                                base::GroupId group, uint64_t from) {
  // Bounded below, so that the tombstones of what was compacted away are not walked through.
  const ItemKey lower = MakeItemKey(group, from);
  const ItemKey upper = MakeItemKey({group.value + 1}, 0);
  const rocksdb::Slice lower_slice = ToRocks(lower);
  const rocksdb::Slice upper_slice = ToRocks(upper);
  rocksdb::ReadOptions read;
  read.iterate_lower_bound = &lower_slice;
  read.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read, family));
  it->SeekToLast();
  if (!it->status().ok()) return FromRocks(it->status(), "reading from the store");
  if (!it->Valid()) return std::optional<uint64_t>();
  const auto parsed = ParseItemKey(FromRocks(it->key()));
  if (!parsed) return absl::DataLossError("a key of the store is none of ours");
  return std::optional<uint64_t>(parsed->number);
}

// Of all pages of the group; their keys are looked at, one per generation.
absl::StatusOr<std::vector<uint16_t>> PageGenerations(const Database& database,
                                                      base::GroupId group) {
  const ItemKey upper = MakeItemKey({group.value + 1}, 0);
  const rocksdb::Slice upper_slice = ToRocks(upper);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read, database.page()));
  std::vector<uint16_t> generations;
  for (it->Seek(ToRocks(MakeItemKey(group, 0))); it->Valid();) {
    const auto parsed = ParseItemKey(FromRocks(it->key()));
    if (!parsed) return absl::DataLossError("a key of the store is none of ours");
    const auto generation = static_cast<uint16_t>(parsed->number >> 48);
    generations.push_back(generation);
    if (generation == UINT16_MAX) break;
    it->Seek(ToRocks(
        MakeItemKey(group, raft::StoredPage(static_cast<uint16_t>(generation + 1), {0}).value)));
  }
  if (!it->status().ok()) return FromRocks(it->status(), "reading from the store");
  return generations;
}

// A record of the group; nullopt if there is none.
template <typename T>
absl::StatusOr<std::optional<T>> ReadRecord(const Database& database, base::GroupId group,
                                            MetaKind kind,
                                            absl::StatusOr<T> (*decode)(absl::string_view,
                                                                        absl::string_view)) {
  const MetaKey key = MakeMetaKey(group, kind);
  absl::StatusOr<std::string> value = database.GetMeta(AsView(key));
  if (absl::IsNotFound(value.status())) return std::optional<T>();
  if (!value.ok()) return value.status();
  absl::StatusOr<T> decoded = decode(AsView(key), *value);
  if (!decoded.ok()) return decoded.status();
  return std::optional<T>(*std::move(decoded));
}

absl::StatusOr<GroupLog> ReadGroupLog(const Database& database, base::GroupId group,
                                      uint64_t epoch) {
  GroupLog log;
  log.epoch = {static_cast<uint16_t>(epoch)};
  const auto first = ReadRecord(database, group, MetaKind::kLogStart, DecodeNumber);
  if (!first.ok()) return first.status();
  log.first = {first->value_or(1)};
  const auto last = LastKey(database, database.log(), group, log.first.value);
  if (!last.ok()) return last.status();
  log.last = last->has_value() ? raft::Index{**last} : log.first - 1;
  const auto last_body = LastKey(database, database.body(), group, log.last.value + 1);
  if (!last_body.ok()) return last_body.status();
  log.last_body = {last_body->value_or(log.last.value)};
  // What is damaged of these is told when the group is recovered; until then all its pages stay.
  const auto ended = ReadRecord(database, group, MetaKind::kEndedThrough, DecodeNumber);
  if (ended.ok()) log.ended_through = {ended->value_or(0)};
  const auto checkpoint = ReadRecord(database, group, MetaKind::kCheckpoint, DecodeCheckpoint);
  const auto staging = ReadRecord(database, group, MetaKind::kStaging, DecodeStaging);
  log.staging = !staging.ok() || staging->has_value();
  if (!checkpoint.ok() || !staging.ok()) return log;
  if (checkpoint->has_value()) log.page_generation = (*checkpoint)->page_generation;
  const auto generations = PageGenerations(database, group);
  if (!generations.ok()) return generations.status();
  for (const uint16_t generation : *generations) {
    if (generation != log.page_generation &&
        !(staging->has_value() && (*staging)->generation == generation)) {
      log.stray_generations.push_back(generation);
    }
  }
  return log;
}

}  // namespace

std::string StorePath(const std::string& data_dir) { return data_dir + "/store"; }
std::string MarkPath(const std::string& data_dir) { return data_dir + "/durable.mark"; }

absl::Status TellLoss(const RocksLogStoreOptions& options, const absl::Status& error) {
  if (!absl::IsDataLoss(error)) return error;
  // A data file that is missing is last looked for under the ending that it had in LevelDB.
  return absl::DataLossError(
      absl::StrCat("The store in ", StorePath(options.data_dir),
                   " is damaged: ", absl::StrReplaceAll(error.message(), {{".ldb", ".sst"}}), ".",
                   HowToAccept(options.data_dir)));
}

DatabaseOptions DatabaseOptionsFor(const RocksLogStoreOptions& options, base::Logger* logger) {
  DatabaseOptions out;
  out.path = StorePath(options.data_dir);
  out.sizes = options.sizes.value_or(StoreSizes());
  out.env = options.env;
  out.logger = logger;
  return out;
}

absl::StatusOr<uint64_t> ReadBatchNumber(const Database& database) {
  const MetaKey key = MakeNodeMetaKey(NodeMetaKind::kBatchNumber);
  absl::StatusOr<std::string> value = database.GetMeta(AsView(key));
  if (absl::IsNotFound(value.status())) return uint64_t{0};
  if (!value.ok()) return value.status();
  const absl::StatusOr<BatchMark> mark = DecodeBatchMark(AsView(key), *value);
  if (!mark.ok()) return mark.status();
  return mark->number;
}

// Beside its place and renamed once whole: a crash on the way leaves nothing that looks like a
// store.
absl::Status CreateStoreBlocking(const RocksLogStoreOptions& options, base::Logger* logger) {
  const std::string path = StorePath(options.data_dir);
  const std::string temporary = path + ".new";
  std::error_code error;
  std::filesystem::remove_all(temporary, error);
  if (error) return FileError("removing", temporary, error.value());
  {
    std::filesystem::create_directory(temporary, error);
    if (error) return FileError("creating", temporary, error.value());
    DatabaseOptions create = DatabaseOptionsFor(options, logger);
    create.path = temporary;
    create.create = true;
    absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenBlocking(create);
    if (!database.ok()) return database.status();
    rocksdb::WriteBatch batch;
    const MetaKey identity_key = MakeNodeMetaKey(NodeMetaKind::kIdentity);
    const MetaKey number_key = MakeNodeMetaKey(NodeMetaKind::kBatchNumber);
    batch.Put((*database)->meta(), ToRocks(identity_key),
              EncodeIdentity(AsView(identity_key), options.identity));
    batch.Put((*database)->meta(), ToRocks(number_key),
              EncodeBatchMark(AsView(number_key), {.number = 1, .synced = 0}));
    rocksdb::WriteOptions write;
    write.sync = true;
    absl::Status status =
        FromRocks((*database)->db()->Write(write, &batch), "writing to the new store");
    if (!status.ok()) return status;
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    return FileError("renaming", temporary, errno);
  return SyncDirectoryBlocking(options.data_dir);
}

absl::StatusOr<absl::btree_map<base::GroupId, GroupLog>> ReadGroups(const Database& database) {
  absl::btree_map<base::GroupId, GroupLog> groups;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions(), database.meta()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const absl::string_view key = FromRocks(it->key());
    const auto group = ParseGroupKey(key);
    if (!group) continue;
    absl::StatusOr<uint64_t> epoch = DecodeNumber(key, FromRocks(it->value()));
    if (!epoch.ok()) return epoch.status();
    absl::StatusOr<GroupLog> log = ReadGroupLog(database, *group, *epoch);
    if (!log.ok()) return log.status();
    groups[*group] = *log;
  }
  if (!it->status().ok()) return FromRocks(it->status(), "reading from the store");
  return groups;
}

absl::StatusOr<OpenedStore> OpenStoreBlocking(const RocksLogStoreOptions& options,
                                              base::Logger* logger, StorageCounters* counters,
                                              FatalError* fatal) {
  const std::string store_path = StorePath(options.data_dir);
  const std::string mark_path = MarkPath(options.data_dir);
  OpenedStore out;
  absl::StatusOr<DurableMark> mark = ReadMarkBlocking(mark_path);
  bool is_new = !Exists(store_path);
  if (absl::IsNotFound(mark.status()) && is_new && options.may_create) {
    out.mark = DurableMark{.sequence = 0, .batch = 0, .identity = options.identity};
    if (absl::Status status = WriteNewMarkBlocking(mark_path, out.mark); !status.ok())
      return status;
  } else if (absl::IsNotFound(mark.status())) {
    return absl::DataLossError(
        absl::StrCat(mark_path, " is missing, which says how much this node vouched for.",
                     HowToAccept(options.data_dir)));
  } else if (!mark.ok()) {
    if (!absl::IsDataLoss(mark.status())) return mark.status();
    return absl::DataLossError(
        absl::StrCat(mark.status().message(), ".", HowToAccept(options.data_dir)));
  } else {
    out.mark = *mark;
  }
  if (out.mark.identity != options.identity) {
    return absl::FailedPreconditionError(absl::StrCat(mark_path, " belongs to another node"));
  }

  DatabaseOptions open = DatabaseOptionsFor(options, logger);
  open.counters = counters;
  open.fatal = fatal;
  if (is_new) {
    if (out.mark.batch > 0 || !options.may_create) {
      return absl::DataLossError(absl::StrCat(
          store_path, " is missing, with all data of this node.", HowToAccept(options.data_dir)));
    }
    if (absl::Status status = CreateStoreBlocking(options, logger); !status.ok()) return status;
  } else {
    absl::StatusOr<WALRecoveryMode> mode = Judge(options, out.mark.batch);
    if (!mode.ok()) return mode.status();
    open.recovery = *mode;
  }
  MakeRoomForStartBlocking(options.data_dir);
  const bool cut_tail = open.recovery != WALRecoveryMode::kTolerateCorruptedTailRecords;
  if (cut_tail) {
    if (logger != nullptr) {
      logger->Log(
          base::LogLevel::kWarning, 0,
          "The end of the write-ahead log was torn, behind all that was synced; it is cut off");
    }
    if (absl::Status status = CopyWalAside(options.data_dir); !status.ok()) return status;
  }

  if (absl::Status status = SyncWalBlocking(options); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenBlocking(open);
  if (!database.ok()) return TellLoss(options, database.status());
  out.database = *std::move(database);
  absl::StatusOr<uint64_t> last_batch = ReadBatchNumber(*out.database);
  if (!last_batch.ok()) return TellLoss(options, last_batch.status());
  out.last_batch = *last_batch;
  if (out.last_batch < out.mark.batch) {
    return absl::DataLossError(absl::StrCat("The store lost batches ", out.last_batch + 1, " to ",
                                            out.mark.batch, " while it was opened.",
                                            HowToAccept(options.data_dir)));
  }
  if (absl::Status status = CheckIdentity(options, *out.database); !status.ok()) return status;
  if (cut_tail) {
    // What was cut must not be met again at the next start: after a flush those files are no longer
    // needed.
    rocksdb::FlushOptions flush;
    absl::Status status =
        FromRocks(out.database->db()->Flush(flush, out.database->families()), "flushing the store");
    if (!status.ok()) return status;
  }
  absl::StatusOr<absl::btree_map<base::GroupId, GroupLog>> groups = ReadGroups(*out.database);
  if (!groups.ok()) return TellLoss(options, groups.status());
  out.groups = *std::move(groups);
  return out;
}

}  // namespace pontoon::storage
