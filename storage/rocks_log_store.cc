#include "storage/rocks_log_store.h"

#include <rocksdb/env.h>

#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "storage/body_reader.h"
#include "storage/database.h"
#include "storage/disk_space.h"
#include "storage/durable_mark.h"
#include "storage/fatal.h"
#include "storage/group_reader.h"
#include "storage/log_writer.h"
#include "storage/open_store.h"
#include "storage/reader_pool.h"
#include "storage/space_guard.h"
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
  std::unique_ptr<SpaceReclaimer> reclaimer;
  std::unique_ptr<LogWriter> writer;
};

namespace {

// For the write-ahead log, the manifest and checkpoints, beside what a flush needs.
constexpr uint64_t kSmallFilesBytes = 4u << 20;

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
  // A flush must fit, whatever compactions are doing: when the disk is that full bodies have long
  // ceased to come in, and what is left in the buffers is mostly settled.
  p->guard = MakeSpaceGuard(
      p->options.env, 2 * p->options.sizes->body_write_buffer_bytes + kSmallFilesBytes,
      base::Seconds(30), [p]() -> absl::StatusOr<uint64_t> {
        const absl::StatusOr<DiskSpace> space =
            MakeRoomForWriteBlocking(p->options.data_dir, ReadDiskSpaceBlocking, p->logger);
        if (!space.ok()) return space.status();
        if (p->options.on_free_disk) p->options.on_free_disk(space->free);
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
  p->mark->PostSynced(opened->last_batch);
  p->readers = std::make_unique<ReaderPool>(p->options.reader_threads);

  const LogWriter::Options writer_options{
      .state_task_wait = p->options.state_task_wait,
      .checkpoint_sync_after = p->options.checkpoint_sync_after};
  LogWriter::Hooks hooks{.events = events, .on_cuts = {}, .on_synced = {}, .on_cleared = {}};
  hooks.on_synced = [p](uint64_t batch) { p->mark->PostSynced(batch); };
  hooks.on_cleared = [p](base::GroupId group) { p->reclaimer->PostCleared(group); };
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
  SpaceReclaimer::Options reclaim;
  reclaim.interval = p->options.reclaim_interval;
  p->reclaimer = std::make_unique<SpaceReclaimer>(p->database.get(), reclaim, &p->counters, logger);
  std::vector<base::GroupId> to_sweep;
  for (const auto& [group, log] : opened->groups) {
    if (!log.stray_generations.empty() || (!log.staging && log.last_body > log.last))
      to_sweep.push_back(group);
  }
  p->writer =
      std::make_unique<LogWriter>(p->database.get(), std::move(opened->groups), opened->last_batch,
                                  writer_options, std::move(hooks), &p->counters, &p->fatal);
  for (const base::GroupId group : to_sweep) p->writer->Submit(Sweep{group});
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
void RocksLogStore::SubmitAll(std::vector<raft::StoreTask>* tasks) {
  parts_->writer->SubmitAll(tasks);
}

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
    base::GroupId group, raft::Index from, raft::Index to, uint64_t bytes_max,
    std::function<void(absl::StatusOr<std::vector<raft::Entry>>)> done) {
  parts_->readers->Post([p = parts_.get(), group, from, to, bytes_max, done = std::move(done)] {
    auto entries = ReadEntriesBlocking(*p->database, group, from, to, bytes_max);
    p->counters.body_reads += entries.ok() ? entries->size() : 1;
    if (!entries.ok()) ++p->counters.read_failures;
    done(std::move(entries));
  });
}

void RocksLogStore::ReadBodyImages(
    base::GroupId group, std::vector<raft::Index> bodies, bool with_bytes,
    std::function<void(std::vector<absl::StatusOr<raft::BodyImage>>)> done) {
  parts_->readers->Post(
      [p = parts_.get(), group, bodies = std::move(bodies), with_bytes, done = std::move(done)] {
        auto images = ReadBodyImagesBlocking(*p->database, group, bodies, with_bytes);
        p->counters.body_reads += images.size();
        for (const auto& image : images) {
          if (!image.ok() && !absl::IsNotFound(image.status())) ++p->counters.read_failures;
        }
        done(std::move(images));
      });
}

void RocksLogStore::ReadCheckpoint(base::GroupId group,
                                   std::function<void(absl::StatusOr<raft::Checkpoint>)> done) {
  parts_->readers->Post([p = parts_.get(), group, done = std::move(done)] {
    done(ReadCheckpointBlocking(*p->database, group));
  });
}

absl::StatusOr<raft::RecoveredGroup> RocksLogStore::RecoverBlocking(base::GroupId group) {
  // A group that was closed a moment ago may have tasks on their way.
  parts_->writer->AwaitWrittenBlocking();
  absl::StatusOr<raft::RecoveredGroup> recovered = RecoverGroupBlocking(*parts_->database, group);
  if (!recovered.ok()) return TellLoss(parts_->options, recovered.status());
  return recovered;
}

const std::vector<base::GroupId>& RocksLogStore::groups() const { return parts_->groups; }

StorageMetrics RocksLogStore::Metrics() const {
  const StorageCounters& counters = parts_->counters;
  StorageMetrics metrics;
  metrics.batches = counters.batches;
  metrics.syncs = counters.syncs;
  const Database::Written written = parts_->database->written();
  metrics.wal_bytes = written.wal;
  metrics.flush_bytes = written.flush;
  metrics.compaction_bytes = written.compaction;
  metrics.last_batch = counters.last_batch;
  metrics.marked_batch = counters.marked_batch;
  metrics.body_reads = counters.body_reads;
  metrics.read_failures = counters.read_failures;
  metrics.bodies_cut = counters.bodies_cut;
  metrics.bodies_left_out = counters.bodies_left_out;
  metrics.sync_p50 = counters.sync_time.Quantile(0.5);
  metrics.sync_p99 = counters.sync_time.Quantile(0.99);
  std::tie(metrics.queue_tasks, metrics.queue_bytes) = parts_->writer->Queued();
  return metrics;
}

}  // namespace pontoon::storage
