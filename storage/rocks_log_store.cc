#include "storage/rocks_log_store.h"

#include <rocksdb/env.h>

#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "storage/body_reader.h"
#include "storage/compaction_guard.h"
#include "storage/database.h"
#include "storage/disk_space.h"
#include "storage/durable_mark.h"
#include "storage/fatal.h"
#include "storage/keys.h"
#include "storage/log_writer.h"
#include "storage/open_store.h"
#include "storage/reader_pool.h"
#include "storage/records.h"
#include "storage/space_reclaimer.h"

namespace pontoon::storage {

// In the order in which they are made; they end in the opposite one, the writer before the readers
// that it feeds.
struct RocksLogStore::Parts {
  Parts(RocksLogStoreOptions options, base::Logger* logger)
      : options(std::move(options)), logger(logger), fatal(this->options.on_fatal, logger) {}

  RocksLogStoreOptions options;
  std::unique_ptr<rocksdb::Env> guard;
  base::Logger* const logger;
  FatalError fatal;
  StorageCounters counters;
  std::unique_ptr<Database> database;
  std::vector<base::GroupId> groups;
  std::unique_ptr<MarkKeeper> mark;
  std::unique_ptr<ReaderPool> readers;
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<SpaceReclaimer> reclaimer;
};

namespace {

// For the write-ahead log, the manifest and checkpoints, beside what a flush needs.
constexpr uint64_t kSmallFilesBytes = 4u << 20;

absl::Status MissingHeaders(base::GroupId group, raft::Index from, raft::Index to) {
  return absl::DataLossError(absl::StrCat("group ", group.value, ": log entries ", from.value,
                                          " to ", to.value, " are missing from the store"));
}

absl::Status InGroup(base::GroupId group, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("group ", group.value, ": ", status.message()));
}

absl::Status ReadLogHeaders(const Database& database, base::GroupId group, raft::Index first,
                         raft::Term term, std::vector<raft::Entry>* entries) {
  const ItemKey lower = MakeItemKey(group, first.value);
  const ItemKey upper = MakeItemKey({group.value + 1}, 0);
  const rocksdb::Slice upper_slice = ToRocks(upper);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper_slice;
  read.readahead_size = 1 << 20;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(read, database.log()));
  raft::Index expected = first;
  for (it->Seek(ToRocks(lower)); it->Valid(); it->Next()) {
    absl::StatusOr<StoredEntry> stored = DecodeEntry(FromRocks(it->key()), FromRocks(it->value()));
    if (!stored.ok()) {
      return absl::Status(stored.status().code(),
                          absl::StrCat("group ", group.value, ", log entry ", expected.value, ": ",
                                       stored.status().message()));
    }
    raft::Entry& entry = stored->entry;
    if (entry.id.index != expected) return MissingHeaders(group, expected, entry.id.index - 1);
    if (entry.id.term < term)
      return InGroup(group, absl::DataLossError("terms of the log go back"));
    term = entry.id.term;
    expected = expected + 1;
    entries->push_back(std::move(entry));
  }
  return FromRocks(it->status(), absl::StrCat("group ", group.value, ": reading the log"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksLogStore>> RocksLogStore::OpenBlocking(
    RocksLogStoreOptions options, base::Logger* logger, raft::StorageEvents* events) {
  if (!options.sizes) {
    const absl::StatusOr<DiskSpace> space = ReadDiskSpaceBlocking(options.data_dir);
    if (!space.ok()) return space.status();
    options.sizes = StoreSizes::ForDisk(space->total);
  }
  auto parts = std::make_unique<Parts>(std::move(options), logger);
  Parts* const p = parts.get();
  // A flush must fit, whatever compactions are doing.
  p->guard = MakeCompactionGuard(
      p->options.env, p->options.sizes->body_write_buffer_bytes + kSmallFilesBytes,
      base::Seconds(30), [path = p->options.data_dir]() -> absl::StatusOr<uint64_t> {
        const absl::StatusOr<DiskSpace> space = ReadDiskSpaceBlocking(path);
        if (!space.ok()) return space.status();
        return space->free;
      });
  p->options.env = p->guard.get();
  absl::StatusOr<OpenedStore> opened =
      OpenStoreBlocking(p->options, logger, &p->counters, &p->fatal);
  if (!opened.ok()) return opened.status();
  p->database = std::move(opened->database);
  for (const auto& [group, log] : opened->groups) p->groups.push_back(group);
  p->counters.last_batch = opened->last_batch;
  p->counters.marked_batch = opened->mark.batch;
  absl::StatusOr<std::unique_ptr<MarkKeeper>> mark =
      MarkKeeper::OpenBlocking(MarkPath(p->options.data_dir), opened->mark,
                               p->options.mark_interval, &p->counters, &p->fatal);
  if (!mark.ok()) return mark.status();
  p->mark = *std::move(mark);
  p->readers = std::make_unique<ReaderPool>(p->options.reader_threads);

  const LogWriter::Options writer_options{
      .state_task_wait = p->options.state_task_wait,
      .checkpoint_sync_after = p->options.checkpoint_sync_after};
  LogWriter::Hooks hooks{.events = events, .on_cuts = {}, .on_synced = {}};
  hooks.on_synced = [p](uint64_t batch) { p->mark->PostSynced(batch); };
  hooks.on_cuts = [p](std::vector<CutJob> jobs) {
    p->readers->Post([p, jobs = std::move(jobs)] {
      for (const CutJob& job : jobs) {
        absl::StatusOr<CutResult> result = CutBlocking(*p->database, job);
        if (!result.ok()) {
          // The body stays whole; whoever reads it is told.
          ++p->counters.read_failures;
          if (p->logger != nullptr)
            p->logger->Log(base::LogLevel::kError, 0, result.status().message());
          continue;
        }
        ++p->counters.bodies_cut;
        p->writer->Submit(*std::move(result));
      }
    });
  };
  p->writer =
      std::make_unique<LogWriter>(p->database.get(), std::move(opened->groups), opened->last_batch,
                                  writer_options, std::move(hooks), &p->counters, &p->fatal);
  SpaceReclaimer::Options reclaim;
  reclaim.interval = p->options.reclaim_interval;
  p->reclaimer = std::make_unique<SpaceReclaimer>(p->database.get(), reclaim, &p->counters, logger);
  return std::unique_ptr<RocksLogStore>(new RocksLogStore(std::move(parts)));
}

RocksLogStore::RocksLogStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

RocksLogStore::~RocksLogStore() { StopBlocking(); }

void RocksLogStore::StopBlocking() {
  parts_->reclaimer->StopBlocking();
  parts_->writer->StopBlocking();
  // Cuts that are still under way hand in their results to a writer that has ended: they are made
  // again some day.
  parts_->readers->StopBlocking();
  parts_->mark->StopBlocking();
}

void RocksLogStore::Submit(raft::StorageTask task) { parts_->writer->Submit(std::move(task)); }
void RocksLogStore::Submit(raft::StateTask task) { parts_->writer->Submit(std::move(task)); }

void RocksLogStore::ReadBodies(base::GroupId group, std::vector<raft::BodyRead> reads,
                               std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) {
  parts_->readers->Post(
      [p = parts_.get(), group, reads = std::move(reads), done = std::move(done)] {
        std::vector<absl::StatusOr<base::Slice>> results =
            ReadBodiesBlocking(*p->database, group, reads);
        p->counters.body_reads += results.size();
        for (const auto& result : results) {
          if (!result.ok()) ++p->counters.read_failures;
        }
        done(std::move(results));
      });
}

void RocksLogStore::ReadPage(base::GroupId group, raft::PageId page,
                             std::function<void(absl::StatusOr<base::Slice>)> done) {
  parts_->readers->Post([p = parts_.get(), group, page, done = std::move(done)] {
    absl::StatusOr<base::Slice> result = ReadPageBlocking(*p->database, group, page);
    ++p->counters.body_reads;
    if (!result.ok()) ++p->counters.read_failures;
    done(std::move(result));
  });
}

void RocksLogStore::ReadEntries(
    base::GroupId, raft::Index, raft::Index, uint64_t,
    std::function<void(absl::StatusOr<std::vector<raft::Entry>>)> done) {
  done(absl::UnimplementedError("ReadEntries"));
}

void RocksLogStore::ReadBodyImages(
    base::GroupId, std::vector<raft::Index> bodies, bool,
    std::function<void(std::vector<absl::StatusOr<raft::BodyImage>>)> done) {
  done(std::vector<absl::StatusOr<raft::BodyImage>>(bodies.size(),
                                                    absl::UnimplementedError("ReadBodyImages")));
}

void RocksLogStore::ReadCheckpoint(base::GroupId,
                                   std::function<void(absl::StatusOr<raft::Checkpoint>)> done) {
  done(absl::UnimplementedError("ReadCheckpoint"));
}

absl::StatusOr<raft::RecoveredGroup> RocksLogStore::RecoverBlocking(base::GroupId group) {
  const Database& database = *parts_->database;
  raft::RecoveredGroup out;
  const MetaKey hard_key = MakeMetaKey(group, MetaKind::kHardState);
  const MetaKey checkpoint_key = MakeMetaKey(group, MetaKind::kCheckpoint);
  const MetaKey start_key = MakeMetaKey(group, MetaKind::kLogStart);
  absl::StatusOr<std::string> value = database.GetMeta(AsView(hard_key));
  if (value.ok()) {
    absl::StatusOr<raft::HardState> state = DecodeHardState(AsView(hard_key), *value);
    if (!state.ok()) return InGroup(group, state.status());
    out.hard_state = *state;
  } else if (!absl::IsNotFound(value.status())) {
    return InGroup(group, value.status());
  }
  raft::Index first{1};
  raft::Term term;
  value = database.GetMeta(AsView(checkpoint_key));
  if (value.ok()) {
    absl::StatusOr<raft::Checkpoint> checkpoint = DecodeCheckpoint(AsView(checkpoint_key), *value);
    if (!checkpoint.ok()) return InGroup(group, checkpoint.status());
    first = checkpoint->applied.index + 1;
    term = checkpoint->applied.term;
    out.checkpoint = *std::move(checkpoint);
  } else if (!absl::IsNotFound(value.status())) {
    return InGroup(group, value.status());
  }
  value = database.GetMeta(AsView(start_key));
  if (value.ok()) {
    absl::StatusOr<uint64_t> start = DecodeNumber(AsView(start_key), *value);
    if (!start.ok()) return InGroup(group, start.status());
    if (*start > first.value) return MissingHeaders(group, first, {*start - 1});
  } else if (!absl::IsNotFound(value.status())) {
    return InGroup(group, value.status());
  }
  if (absl::Status status = ReadLogHeaders(database, group, first, term, &out.entries); !status.ok())
    return status;
  return out;
}

const std::vector<base::GroupId>& RocksLogStore::groups() const { return parts_->groups; }

StorageMetrics RocksLogStore::Metrics() const {
  const StorageCounters& counters = parts_->counters;
  StorageMetrics metrics;
  metrics.batches = counters.batches;
  metrics.syncs = counters.syncs;
  metrics.wal_bytes = counters.wal_bytes;
  metrics.flush_bytes = counters.flush_bytes;
  metrics.compaction_bytes = counters.compaction_bytes;
  metrics.last_batch = counters.last_batch;
  metrics.marked_batch = counters.marked_batch;
  metrics.body_reads = counters.body_reads;
  metrics.read_failures = counters.read_failures;
  metrics.bodies_cut = counters.bodies_cut;
  metrics.sync_p50 = counters.sync_time.Quantile(0.5);
  metrics.sync_p99 = counters.sync_time.Quantile(0.99);
  std::tie(metrics.queue_tasks, metrics.queue_bytes) = parts_->writer->Queued();
  return metrics;
}

}  // namespace pontoon::storage
