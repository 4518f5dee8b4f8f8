#include "storage/space_reclaimer.h"

#include <malloc.h>
#include <rocksdb/table_properties.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/keys.h"

namespace pontoon::storage {
namespace {

// What the deletion of a range stands for: headers go in steps of so many
// (raft/core/checkpoint.cc).
constexpr uint64_t kKeysPerRange = 4096;

}  // namespace

SpaceReclaimer::SpaceReclaimer(const Database* database, Options options, StorageCounters* counters,
                               base::Logger* logger)
    : database_(database), options_(options), counters_(counters), logger_(logger), thread_([this] {
        ThreadMain();
      }) {}

SpaceReclaimer::~SpaceReclaimer() { StopBlocking(); }

void SpaceReclaimer::StopBlocking() {
  cancel_ = true;
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void SpaceReclaimer::ThreadMain() {
  for (;;) {
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds(options_.interval.nanos);
    {
      base::MutexLock lock(&mutex_);
      while (!stopping_ && std::chrono::steady_clock::now() < until) {
        wake_.WaitFor(&mutex_, until - std::chrono::steady_clock::now());
      }
      if (stopping_) return;
    }
    LookBlocking();
  }
}

void SpaceReclaimer::PostCleared(base::GroupId group) {
  base::MutexLock lock(&mutex_);
  cleared_.insert(group);
}

// Rare: a snapshot took the place of what the group had, or was given up.
void SpaceReclaimer::CompactClearedBlocking() {
  std::set<base::GroupId> cleared;
  {
    base::MutexLock lock(&mutex_);
    cleared.swap(cleared_);
  }
  if (cleared.empty()) return;
  FlushBlocking();
  for (const base::GroupId group : cleared) {
    const ItemKey lower = MakeItemKey(group, 0);
    const ItemKey upper = MakeItemKey({group.value + 1}, 0);
    const rocksdb::Slice begin = ToRocks(lower);
    const rocksdb::Slice end = ToRocks(upper);
    for (rocksdb::ColumnFamilyHandle* family :
         {database_->body(), database_->page(), database_->log()}) {
      rocksdb::CompactRangeOptions compact;
      compact.exclusive_manual_compaction = false;
      compact.canceled = &cancel_;
      const rocksdb::Status status = database_->db()->CompactRange(compact, family, &begin, &end);
      if (cancel_) return;
      if (!status.ok()) return PostCleared(group);  // For want of space perhaps: try again.
    }
  }
}

void SpaceReclaimer::LookBlocking() {
  CompactClearedBlocking();
  const uint64_t written = counters_->wal_bytes;
  const uint64_t in_interval = written - seen_wal_bytes_;
  seen_wal_bytes_ = written;
  if (static_cast<double>(in_interval) >= static_cast<double>(options_.quiet_bytes_per_second) *
                                              std::max(options_.interval.seconds(), 0.001)) {
    return;
  }
  const uint64_t puts = std::max<uint64_t>(counters_->body_puts, 1);
  const uint64_t average = counters_->body_put_bytes / puts;
  const uint64_t deleted = (counters_->body_deletes - flushed_deletes_) * average;
  // The first time all that was recovered counts as just written, and the files as not yet looked
  // at.
  const bool first = std::exchange(first_look_, false);
  const uint64_t unflushed =
      first ? UnflushedBytes() : std::max(written - flushed_wal_bytes_, deleted);
  if (unflushed >= options_.flush_bytes_min) FlushBlocking();

  // Files change only when something is flushed or compacted; there is no need to look more often
  // than that.
  const uint64_t changed = counters_->flush_bytes + counters_->compaction_bytes;
  if (changed == looked_at_ && !first && !tried_in_vain_) return;
  looked_at_ = changed;
  tried_in_vain_ = false;
  for (rocksdb::ColumnFamilyHandle* family :
       {database_->body(), database_->page(), database_->log()}) {
    const uint64_t garbage = GarbageBytes(family);
    uint64_t stored = 0;
    database_->db()->GetIntProperty(family, rocksdb::DB::Properties::kTotalSstFilesSize, &stored);
    // Worth it: what comes back is a twentieth of what must be read for it, or much in itself.
    if (garbage < options_.garbage_bytes_min || (garbage < stored / 20 && garbage < (64u << 20)))
      continue;
    rocksdb::CompactRangeOptions compact;
    compact.exclusive_manual_compaction = false;
    compact.canceled = &cancel_;
    const rocksdb::Status status = database_->db()->CompactRange(compact, family, nullptr, nullptr);
    if (status.ok() || cancel_) continue;
    tried_in_vain_ = true;
    if (logger_ != nullptr && !std::exchange(warned_, true)) {
      logger_->Log(base::LogLevel::kWarning, 0,
                   absl::StrCat("compacting the store failed: ", status.ToString()));
    }
  }
}

uint64_t SpaceReclaimer::UnflushedBytes() const {
  uint64_t deletes = 0;
  database_->db()->GetIntProperty(database_->body(),
                                  rocksdb::DB::Properties::kNumDeletesActiveMemTable, &deletes);
  uint64_t bytes = deletes > 0 ? options_.flush_bytes_min : 0;
  for (rocksdb::ColumnFamilyHandle* family : database_->families()) {
    uint64_t size = 0;
    database_->db()->GetIntProperty(family, rocksdb::DB::Properties::kCurSizeAllMemTables, &size);
    bytes += size;
  }
  return bytes;
}

void SpaceReclaimer::FlushBlocking() {
  flushed_wal_bytes_ = counters_->wal_bytes;
  flushed_deletes_ = counters_->body_deletes;
  const rocksdb::Status status = database_->FlushBlocking();
  if (!status.ok() && logger_ != nullptr) {
    logger_->Log(base::LogLevel::kWarning, 0,
                 absl::StrCat("flushing the store failed: ", status.ToString()));
  }
  malloc_trim(0);  // The write buffers were the largest part of the resident memory.
}

uint64_t SpaceReclaimer::GarbageBytes(rocksdb::ColumnFamilyHandle* family) const {
  rocksdb::TablePropertiesCollection tables;
  if (!database_->db()->GetPropertiesOfAllTables(family, &tables).ok()) return 0;
  uint64_t deletions = 0;
  uint64_t values = 0;
  uint64_t value_bytes = 0;
  for (const auto& [name, properties] : tables) {
    deletions += properties->num_deletions + properties->num_range_deletions * kKeysPerRange;
    values += properties->num_entries - properties->num_deletions;
    value_bytes += properties->raw_value_size;
  }
  if (values == 0) return 0;
  return std::min(deletions, values) * (value_bytes / values);
}

}  // namespace pontoon::storage
