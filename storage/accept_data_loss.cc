#include "storage/accept_data_loss.h"

#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/disk_space.h"
#include "storage/durable_mark.h"
#include "storage/files.h"
#include "storage/keys.h"
#include "storage/open_store.h"

namespace pontoon::storage {
namespace {

absl::StatusOr<std::string> CopyAside(const std::string& data_dir) {
  std::string copy;
  for (int i = 1;; ++i) {
    copy = absl::StrCat(data_dir, ".before-data-loss-", i);
    if (!Exists(copy)) break;
  }
  if (mkdir(copy.c_str(), 0700) != 0) return FileError("creating", copy, errno);
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(data_dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (name == "reserve" || name == "lock") continue;
    absl::Status status =
        CopyBlocking(absl::StrCat(data_dir, "/", name), absl::StrCat(copy, "/", name));
    if (!status.ok()) return status;
  }
  if (absl::Status status = SyncDirectoryBlocking(copy); !status.ok()) return status;
  return copy;
}

// Reads every key and value, so that nothing that the store will rest on is damaged, nor anything
// that a compaction will read some day.
absl::Status ReadAllOf(const Database& database) {
  for (rocksdb::ColumnFamilyHandle* family : database.families()) {
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    read.readahead_size = 1 << 20;
    const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read, family));
    it->SeekToFirst();
    while (it->Valid()) it->Next();
    if (!it->status().ok()) return FromRocks(it->status(), "reading the store");
  }
  return absl::OkStatus();
}

// The open database, with whatever of it can be read. A data file of which a part cannot be read is
// given up whole: RocksDB would meet the damage again with every compaction.
absl::StatusOr<std::unique_ptr<Database>> OpenWhatIsLeft(const RocksLogStoreOptions& options,
                                                         base::Logger* logger,
                                                         std::vector<std::string>* lost) {
  if (!Exists(StorePath(options.data_dir))) {
    lost->push_back("the whole store");
    if (absl::Status status = CreateStoreBlocking(options, logger); !status.ok()) return status;
  }
  DatabaseOptions open = DatabaseOptionsFor(options, logger);
  open.recovery = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  absl::StatusOr<std::unique_ptr<Database>> database = Database::OpenBlocking(open);
  absl::Status status = database.status();
  if (status.ok()) status = ReadAllOf(**database);
  if (status.ok()) return database;
  lost->push_back(std::string(status.message()));
  if (database.ok()) database->reset();
  if (status = Database::RepairBlocking(open); !status.ok()) return status;
  open.create_missing_families = true;
  return Database::OpenBlocking(open);
}

// Groups of which entries are left but no record: they begin anew, from the first entry if that is
// there.
absl::Status AddForgottenGroups(const Database& database,
                                absl::btree_map<base::GroupId, GroupLog>* groups,
                                rocksdb::WriteBatch* batch) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db()->NewIterator(rocksdb::ReadOptions(), database.log()));
  for (it->SeekToFirst(); it->Valid();) {
    const auto first = ParseItemKey(FromRocks(it->key()));
    if (!first) return absl::DataLossError("a key of the log is none of ours");
    const base::GroupId group = first->group;
    const ItemKey next = MakeItemKey({group.value + 1}, 0);
    if (!groups->contains(group)) {
      it->SeekForPrev(ToRocks(next));
      if (!it->Valid()) break;
      const auto last = ParseItemKey(FromRocks(it->key()));
      const auto entry = DecodeEntry(FromRocks(it->key()), FromRocks(it->value()));
      GroupLog log;
      if (last) log.last = {last->number};
      if (entry.ok()) log.epoch = entry->epoch;
      const MetaKey key = MakeMetaKey(group, MetaKind::kGroup);
      batch->Put(database.meta(), ToRocks(key), EncodeNumber(AsView(key), log.epoch.value));
      (*groups)[group] = log;
    }
    it->Seek(ToRocks(next));
  }
  return FromRocks(it->status(), "reading the log");
}

// A value of the family "meta" that cannot be read is forgotten.
template <typename Decode>
bool ForgetIfDamaged(const Database& database, const MetaKey& key, Decode decode,
                     rocksdb::WriteBatch* batch) {
  absl::StatusOr<std::string> value = database.GetMeta(AsView(key));
  if (absl::IsNotFound(value.status())) return false;
  if (value.ok() && decode(AsView(key), absl::string_view(*value)).ok()) return false;
  batch->Delete(database.meta(), ToRocks(key));
  return true;
}

// Cuts the group's log behind the last entry that is there and whole, counted from its checkpoint.
void RepairGroup(const Database& database, base::GroupId group, const GroupLog& log,
                 rocksdb::WriteBatch* batch, std::vector<std::string>* lost) {
  const MetaKey checkpoint_key = MakeMetaKey(group, MetaKind::kCheckpoint);
  if (ForgetIfDamaged(database, MakeMetaKey(group, MetaKind::kHardState), DecodeHardState, batch)) {
    lost->push_back(absl::StrCat("group ", group.value, ": term and vote"));
  }
  if (ForgetIfDamaged(database, MakeMetaKey(group, MetaKind::kEndedThrough), DecodeNumber, batch))
    lost->push_back(absl::StrCat("group ", group.value, ": how far left-out bodies were settled"));
  // Given up stays given up: that the record is there is enough.
  const MetaKey quarantine_key = MakeMetaKey(group, MetaKind::kQuarantine);
  if (ForgetIfDamaged(database, quarantine_key, DecodeNumber, batch))
    batch->Put(database.meta(), ToRocks(quarantine_key), EncodeNumber(AsView(quarantine_key), 1));
  // What was received of a snapshot is received again.
  ForgetIfDamaged(database, MakeMetaKey(group, MetaKind::kStaging), DecodeStaging, batch);
  raft::Index expected = log.first;
  if (ForgetIfDamaged(database, checkpoint_key, DecodeCheckpoint, batch)) {
    lost->push_back(absl::StrCat("group ", group.value, ": its checkpoint"));
    // Without it the headers behind it say nothing.
    if (log.first > raft::Index{1}) {
      batch->Delete(database.meta(), ToRocks(MakeMetaKey(group, MetaKind::kLogStart)));
      expected = raft::Index{1};
    }
  } else if (absl::StatusOr<std::string> value = database.GetMeta(AsView(checkpoint_key));
             value.ok()) {
    expected = DecodeCheckpoint(AsView(checkpoint_key), *value)->applied.index + 1;
  }
  const ItemKey lower = MakeItemKey(group, expected.value);
  const ItemKey upper = MakeItemKey({group.value + 1}, 0);
  const rocksdb::Slice upper_slice = ToRocks(upper);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read, database.log()));
  it->Seek(ToRocks(lower));
  raft::Term term;
  for (; it->Valid(); it->Next()) {
    const auto stored = DecodeEntry(FromRocks(it->key()), FromRocks(it->value()));
    if (!stored.ok() || stored->entry.id.index != expected || stored->entry.id.term < term) break;
    term = stored->entry.id.term;
    expected = expected + 1;
  }
  if (expected > log.last && it->status().ok()) return;
  lost->push_back(absl::StrCat("group ", group.value, ": log entries from ", expected.value,
                               " to at least ", log.last.value));
  const ItemKey from = MakeItemKey(group, expected.value);
  batch->DeleteRange(database.log(), ToRocks(from), upper_slice);
  batch->DeleteRange(database.body(), ToRocks(from), upper_slice);
}

}  // namespace

absl::StatusOr<AcceptedLoss> AcceptDataLossBlocking(const std::string& data_dir,
                                                    const StoreIdentity& identity,
                                                    base::Logger* logger, AfterLoss after) {
  AcceptedLoss out;
  absl::StatusOr<std::string> copy = CopyAside(data_dir);
  if (!copy.ok()) return copy.status();
  out.copy = *copy;
  RocksLogStoreOptions options;
  options.data_dir = data_dir;
  options.identity = identity;
  const absl::StatusOr<DurableMark> mark = ReadMarkBlocking(MarkPath(data_dir));
  if (mark.ok()) out.marked_batch = mark->batch;

  absl::StatusOr<std::unique_ptr<Database>> opened = OpenWhatIsLeft(options, logger, &out.lost);
  if (!opened.ok()) return opened.status();
  const Database& database = **opened;
  const absl::StatusOr<uint64_t> recovered = ReadBatchNumber(database);
  out.recovered_batch = recovered.ok() ? *recovered : 0;
  if (out.recovered_batch < out.marked_batch) {
    out.lost.push_back(
        absl::StrCat("write batches ", out.recovered_batch + 1, " to ", out.marked_batch));
  }
  rocksdb::WriteBatch batch;
  absl::StatusOr<absl::btree_map<base::GroupId, GroupLog>> groups = ReadGroups(database);
  if (!groups.ok()) return groups.status();
  if (absl::Status status = AddForgottenGroups(database, &*groups, &batch); !status.ok())
    return status;
  for (const auto& [group, log] : *groups) {
    RepairGroup(database, group, log, &batch, &out.lost);
    if (after == AfterLoss::kQuarantine) {
      const MetaKey key = MakeMetaKey(group, MetaKind::kQuarantine);
      batch.Put(database.meta(), ToRocks(key), EncodeNumber(AsView(key), 1));
    }
  }
  const MetaKey identity_key = MakeNodeMetaKey(NodeMetaKind::kIdentity);
  const MetaKey number_key = MakeNodeMetaKey(NodeMetaKind::kBatchNumber);
  batch.Put(database.meta(), ToRocks(identity_key), EncodeIdentity(AsView(identity_key), identity));
  batch.Put(database.meta(), ToRocks(number_key),
            EncodeBatchMark(AsView(number_key), {.number = out.recovered_batch + 1, .synced = 0}));
  rocksdb::WriteOptions write;
  write.sync = true;
  absl::Status status = FromRocks(database.db()->Write(write, &batch), "writing to the store");
  if (!status.ok()) return status;
  // The damaged log files are no longer needed once everything is in data files.
  status = FromRocks(database.FlushBlocking(), "flushing the store");
  if (!status.ok()) return status;
  const DurableMark accepted{.sequence = mark.ok() ? mark->sequence + 1 : 0,
                             .batch = out.recovered_batch + 1,
                             .identity = identity};
  status = WriteNewMarkBlocking(MarkPath(data_dir), accepted);
  if (!status.ok()) return status;
  return out;
}

}  // namespace pontoon::storage
