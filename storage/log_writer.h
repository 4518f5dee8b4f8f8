#ifndef PONTOON_STORAGE_LOG_WRITER_H_
#define PONTOON_STORAGE_LOG_WRITER_H_

#include <functional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/time.h"
#include "raft/core/log_store.h"
#include "storage/batch_builder.h"
#include "storage/database.h"
#include "storage/fatal.h"
#include "storage/metrics.h"

namespace pontoon::storage {

// The one thread that writes to RocksDB (design section 4). It takes whatever all groups have
// ready, writes it as one batch with at most one sync, and reports per group what that made
// durable. While it writes, the next batch gathers: no timer delays a lone task.
//
// 1. Batches are numbered without gaps, over all starts; batch N+1 is on the disk only if N is.
// [LogWriterTest]
// 2. A task that must be synced is reported after the sync that covers it; a checkpoint likewise.
// [LogWriterTest]
// 3. After a failed write or sync nothing is reported and nothing more is written. [StoreFaultTest]
class LogWriter {
 public:
  struct Options {
    base::Duration state_task_wait;
    base::Duration checkpoint_sync_after;
    size_t batch_bytes_max = size_t{8}
                             << 20;  // Beyond, the rest of the queue rides in the next batch.
  };
  struct Hooks {
    raft::StorageEvents* events;                       // On the writer's thread.
    std::function<void(std::vector<CutJob>)> on_cuts;  // Likewise.
    std::function<void(uint64_t)>
        on_synced;  // Likewise: all batches up to this number are on the disk.
    // Likewise: much of the group was removed at one stroke; its space is worth getting back.
    std::function<void(base::GroupId)> on_cleared;
  };

  // `last_batch`: the newest that the database holds, synced like all before. Everything passed
  // must outlive the writer.
  LogWriter(const Database* database, absl::btree_map<base::GroupId, GroupLog> groups,
            uint64_t last_batch, Options options, Hooks hooks, StorageCounters* counters,
            FatalError* fatal);
  // Stops.
  ~LogWriter();

  // Any thread; never blocks on the disk.
  void Submit(raft::StorageTask task);
  void Submit(raft::StateTask task);
  void Submit(CutResult result);
  void Submit(Sweep sweep);
  // See LogStore.
  void SubmitAll(std::vector<raft::StoreTask>* tasks);

  // Writes and syncs what was submitted, reports it and ends the thread. Nothing may be submitted
  // afterwards.
  void StopBlocking();

  // Until what was submitted before is in the database (not necessarily synced), or writing has
  // failed. Not on the writer's thread.
  void AwaitWrittenBlocking();

  // Tasks and their bytes that wait to be taken. Any thread.
  std::pair<uint64_t, uint64_t> Queued();

 private:
  using Task = std::variant<raft::StorageTask, raft::StateTask, CutResult, Sweep>;
  struct QueuedTask {
    Task task;
    size_t bytes;
  };

  void EnqueueOne(QueuedTask task);
  // True: the writer may be asleep, and has to be woken.
  bool Enqueue(QueuedTask task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ThreadMain();
  // Waits until there is something to do. False: stopped, and nothing is left.
  bool AwaitWork(std::vector<QueuedTask>* taken);
  void WriteTasks(std::vector<QueuedTask>* tasks);
  // False: failed, and reported as such.
  bool WriteBatch(rocksdb::WriteBatch* batch, bool sync);
  void SyncLog();
  void ReportSynced();

  const Database* const database_;
  const Options options_;
  const Hooks hooks_;
  StorageCounters* const counters_;
  FatalError* const fatal_;

  base::Mutex mutex_;
  base::CondVar wake_;
  std::vector<QueuedTask> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queue_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool urgent_ ABSL_GUARDED_BY(mutex_) = false;  // The queue holds a task that somebody waits for.
  base::MonotonicTime lazy_since_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t submitted_ ABSL_GUARDED_BY(mutex_) = 0;  // Tasks in all.
  uint64_t written_ ABSL_GUARDED_BY(mutex_) = 0;    // Of them; also those that were thrown away.
  base::CondVar written_changed_;

  // Of the writer's thread alone.
  BatchBuilder builder_;
  uint64_t last_batch_;
  uint64_t synced_batch_;
  std::vector<std::pair<base::GroupId, raft::EntryId>> unsynced_checkpoints_;
  base::MonotonicTime unsynced_since_;
  bool unsynced_ = false;

  std::thread thread_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_LOG_WRITER_H_
