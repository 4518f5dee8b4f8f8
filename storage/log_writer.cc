#include "storage/log_writer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "storage/negative_controls.h"

namespace pontoon::storage {
namespace {

// A list that grew beyond this for one burst is given back.
constexpr size_t kKeptTasksMax = 1024;

base::MonotonicTime Now() { return base::SystemClock().Now(); }

}  // namespace

LogWriter::LogWriter(const Database* database, absl::btree_map<base::GroupId, GroupLog> groups,
                     uint64_t last_batch, Options options, Hooks hooks, StorageCounters* counters,
                     FatalError* fatal)
    : database_(database),
      options_(options),
      hooks_(std::move(hooks)),
      counters_(counters),
      fatal_(fatal),
      builder_(database, std::move(groups), counters),
      last_batch_(last_batch),
      synced_batch_(last_batch),
      thread_([this] { ThreadMain(); }) {}

LogWriter::~LogWriter() { StopBlocking(); }

void LogWriter::Submit(raft::StorageTask task) {
  const size_t bytes = raft::BytesToWrite(task);
  EnqueueOne({std::move(task), bytes});
}

void LogWriter::Submit(raft::StateTask task) {
  const size_t bytes = raft::BytesToWrite(task);
  EnqueueOne({std::move(task), bytes});
}

void LogWriter::Submit(CutResult result) {
  const size_t bytes = 64 + result.value.size();
  EnqueueOne({std::move(result), bytes});
}

void LogWriter::Submit(Sweep sweep) { EnqueueOne({sweep, 64}); }

void LogWriter::SubmitAll(std::vector<raft::StoreTask>* tasks) {
  {
    base::MutexLock lock(&mutex_);
    bool wake = false;
    for (raft::StoreTask& task : *tasks) {
      const size_t bytes = raft::BytesToWrite(task);
      wake |= std::visit([&](auto& one) { return Enqueue({std::move(one), bytes}); }, task);
    }
    if (wake) wake_.NotifyOne();
  }
  tasks->clear();
}

void LogWriter::EnqueueOne(QueuedTask task) {
  base::MutexLock lock(&mutex_);
  if (Enqueue(std::move(task))) wake_.NotifyOne();
}

bool LogWriter::Enqueue(QueuedTask task) {
  const bool was_empty = queue_.empty();
  if (was_empty) lazy_since_ = Now();
  queue_bytes_ += task.bytes;
  // State tasks are not urgent, unless they pile up: what they hold is memory.
  const bool urgent = std::holds_alternative<raft::StorageTask>(task.task) ||
                      queue_bytes_ >= options_.batch_bytes_max / 2;
  queue_.push_back(std::move(task));
  ++submitted_;
  const bool wake = was_empty || (urgent && !urgent_);
  urgent_ |= urgent;
  return wake;
}

void LogWriter::StopBlocking() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void LogWriter::AwaitWrittenBlocking() {
  base::MutexLock lock(&mutex_);
  const uint64_t before = submitted_;
  urgent_ = urgent_ || !queue_.empty();
  wake_.NotifyOne();
  while (written_ < before) written_changed_.Wait(&mutex_);
}

std::pair<uint64_t, uint64_t> LogWriter::Queued() {
  base::MutexLock lock(&mutex_);
  return {queue_.size(), queue_bytes_};
}

bool LogWriter::AwaitWork(std::vector<QueuedTask>* taken) {
  base::MutexLock lock(&mutex_);
  while (!urgent_ && !stopping_) {
    if (queue_.empty() && !unsynced_) {
      wake_.Wait(&mutex_);
      continue;
    }
    base::MonotonicTime due = unsynced_since_ + options_.checkpoint_sync_after;
    if (!queue_.empty()) {
      const base::MonotonicTime lazy_due = lazy_since_ + options_.state_task_wait;
      due = unsynced_ ? std::min(due, lazy_due) : lazy_due;
    }
    const base::Duration left = due - Now();
    if (left.nanos <= 0) break;
    wake_.WaitFor(&mutex_, std::chrono::nanoseconds(left.nanos));
  }
  if (stopping_ && queue_.empty()) return false;
  std::swap(*taken, queue_);
  queue_bytes_ = 0;
  urgent_ = false;
  return true;
}

void LogWriter::ThreadMain() {
  std::vector<QueuedTask> tasks;
  while (AwaitWork(&tasks)) {
    if (tasks.empty()) {
      if (!fatal_->reported()) SyncLog();
    } else {
      if (!fatal_->reported()) WriteTasks(&tasks);
      base::MutexLock lock(&mutex_);
      written_ += tasks.size();
      written_changed_.NotifyAll();
    }
    tasks.clear();
    if (tasks.capacity() > kKeptTasksMax) std::vector<QueuedTask>().swap(tasks);
    if (fatal_->reported()) continue;
    if (unsynced_ && unsynced_since_ + options_.checkpoint_sync_after <= Now()) SyncLog();
  }
  if (unsynced_) SyncLog();
}

void LogWriter::WriteTasks(std::vector<QueuedTask>* tasks) {
  for (size_t i = 0; i < tasks->size() && !fatal_->reported();) {
    BatchBuilder::Report report;
    for (; i < tasks->size() && builder_.bytes() < options_.batch_bytes_max; ++i) {
      std::visit(
          [&](auto&& task) {
            using T = std::decay_t<decltype(task)>;
            if constexpr (std::is_same_v<T, raft::StateTask>) {
              builder_.Add(std::move(task));
            } else {
              builder_.Add(std::as_const(task));
            }
          },
          std::move((*tasks)[i].task));
      // The batch holds its own copy: buffers go back at once.
      (*tasks)[i].task = CutResult{};
    }
    rocksdb::WriteBatch* const batch =
        builder_.Finish({.number = last_batch_ + 1, .synced = synced_batch_});
    const bool sync = builder_.must_sync();
    const bool early = negative_controls::ReportBeforeSync();
    if (early) {
      report = builder_.TakeReport();
      hooks_.events->OnBatchDone(report.done);
      negative_controls::DawdleBeforeSync();
    }
    if (!WriteBatch(batch, sync)) return;
    if (!early) report = builder_.TakeReport();
    builder_.Clear();

    unsynced_checkpoints_.insert(unsynced_checkpoints_.end(), report.checkpoints.begin(),
                                 report.checkpoints.end());
    if (sync) {
      ReportSynced();
    } else if (!unsynced_ && !unsynced_checkpoints_.empty()) {
      unsynced_ = true;
      unsynced_since_ = Now();
    }
    if (!early && !report.done.empty()) hooks_.events->OnBatchDone(report.done);
    for (const auto& [group, ticket] : report.tickets) hooks_.events->OnStateWritten(group, ticket);
    for (const base::GroupId group : report.cleared) hooks_.on_cleared(group);
    if (!report.cuts.empty()) hooks_.on_cuts(std::move(report.cuts));
  }
}

bool LogWriter::WriteBatch(rocksdb::WriteBatch* batch, bool sync) {
  database_->unflushed_bodies()->OnBatch(last_batch_ + 1, builder_.body_notes());
  rocksdb::WriteOptions options;
  options.sync = sync && !negative_controls::SkipSync();
  const base::MonotonicTime begin = Now();
  const rocksdb::Status status = database_->db()->Write(options, batch);
  const base::MonotonicTime end = Now();
  if (!status.ok()) {
    fatal_->Report(FromRocks(status, sync ? "writing and syncing a batch" : "writing a batch"));
    return false;
  }
  ++last_batch_;
  counters_->last_batch = last_batch_;
  ++counters_->batches;
  counters_->wal_bytes += batch->GetDataSize();
  if (sync) {
    ++counters_->syncs;
    counters_->sync_time.Add(end - begin);
  }
  return true;
}

void LogWriter::SyncLog() {
  if (!negative_controls::SkipSync()) {
    const rocksdb::Status status = database_->db()->SyncWAL();
    if (!status.ok()) {
      fatal_->Report(FromRocks(status, "syncing the write-ahead log"));
      unsynced_ = false;
      return;
    }
  }
  ++counters_->syncs;
  ReportSynced();
}

void LogWriter::ReportSynced() {
  unsynced_ = false;
  synced_batch_ = last_batch_;
  hooks_.on_synced(last_batch_);
  for (const auto& [group, applied] : unsynced_checkpoints_)
    hooks_.events->OnCheckpointDurable(group, applied);
  unsynced_checkpoints_.clear();
}

}  // namespace pontoon::storage
