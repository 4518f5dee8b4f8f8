#ifndef PONTOON_STORAGE_TEST_SUPPORT_H_
#define PONTOON_STORAGE_TEST_SUPPORT_H_

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/logger.h"
#include "base/mutex.h"
#include "storage/rocks_log_store.h"

// For the tests of this room: a folder that goes away, events that can be awaited, entries that are
// easy to make.

namespace pontoon::storage::testing {

// In memory where there is room, unless TMPDIR says otherwise: faults come from under RocksDB's
// file system, so nothing depends on a real disk's syncs, of which opening a store takes dozens.
class TempDir {
 public:
  TempDir() {
    const char* root = std::getenv("TMPDIR");
    if (root == nullptr) root = HasRoom("/dev/shm") ? "/dev/shm" : "/tmp";
    path_ = absl::StrCat(root, "/pontoon-storage-XXXXXX");
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

 private:
  // The largest test takes less than 100 MiB, and a few programs run at once.
  static bool HasRoom(const char* folder) {
    struct statvfs space {};
    return access(folder, W_OK) == 0 && statvfs(folder, &space) == 0 &&
           space.f_bavail * space.f_frsize >= (uint64_t{512} << 20);
  }
  std::string path_;
};

class CapturingLogger final : public base::Logger {
 public:
  void Log(base::LogLevel level, uint64_t, absl::string_view text) override {
    base::MutexLock lock(&mutex_);
    lines_.emplace_back(level, std::string(text));
  }
  std::vector<std::string> Lines(base::LogLevel at_least) {
    base::MutexLock lock(&mutex_);
    std::vector<std::string> out;
    for (const auto& [level, text] : lines_) {
      if (level >= at_least) out.push_back(text);
    }
    return out;
  }

 private:
  base::Mutex mutex_;
  std::vector<std::pair<base::LogLevel, std::string>> lines_;
};

// What the store reported, in order.
class RecordingEvents final : public raft::StorageEvents {
 public:
  void OnStorageDone(base::GroupId group, raft::IoSeq seq) override {
    base::MutexLock lock(&mutex_);
    done_.emplace_back(group.value, seq.value);
    changed_.NotifyAll();
  }
  void OnBatchDone(absl::Span<const std::pair<base::GroupId, raft::IoSeq>> done) override {
    base::MutexLock lock(&mutex_);
    batches_.emplace_back();
    for (const auto& [group, seq] : done) {
      done_.emplace_back(group.value, seq.value);
      batches_.back().push_back(done_.back());
    }
    changed_.NotifyAll();
  }
  void OnCheckpointDurable(base::GroupId group, raft::EntryId applied) override {
    base::MutexLock lock(&mutex_);
    checkpoints_.emplace_back(group.value, applied.index.value);
    changed_.NotifyAll();
  }
  bool AwaitDone(uint32_t group, uint64_t seq,
                 std::chrono::seconds timeout = std::chrono::seconds(20)) {
    return Await(&done_, group, seq, timeout);
  }
  bool AwaitCheckpoint(uint32_t group, uint64_t index,
                       std::chrono::seconds timeout = std::chrono::seconds(20)) {
    return Await(&checkpoints_, group, index, timeout);
  }
  void Forget() {
    base::MutexLock lock(&mutex_);
    done_.clear();
    checkpoints_.clear();
  }
  std::vector<std::pair<uint32_t, uint64_t>> done() {
    base::MutexLock lock(&mutex_);
    return done_;
  }
  // Of those, what was reported together.
  std::vector<std::vector<std::pair<uint32_t, uint64_t>>> batches() {
    base::MutexLock lock(&mutex_);
    return batches_;
  }
  std::vector<std::pair<uint32_t, uint64_t>> checkpoints() {
    base::MutexLock lock(&mutex_);
    return checkpoints_;
  }

 private:
  bool Await(std::vector<std::pair<uint32_t, uint64_t>>* list, uint32_t group, uint64_t number,
             std::chrono::seconds timeout) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    base::MutexLock lock(&mutex_);
    for (;;) {
      for (const auto& [g, n] : *list) {
        if (g == group && n >= number) return true;
      }
      if (std::chrono::steady_clock::now() >= until) return false;
      changed_.WaitFor(&mutex_, until - std::chrono::steady_clock::now());
    }
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::pair<uint32_t, uint64_t>> done_;
  std::vector<std::vector<std::pair<uint32_t, uint64_t>>> batches_;
  std::vector<std::pair<uint32_t, uint64_t>> checkpoints_;
};

inline raft::Entry MakeEntry(uint64_t term, uint64_t index, absl::string_view header,
                             absl::string_view body = "") {
  raft::Entry entry;
  entry.id = {{term}, {index}};
  if (!header.empty()) entry.header = base::SliceChain(base::Slice::Copy(header));
  if (!body.empty()) entry.body = base::SliceChain(base::Slice::Copy(body));
  entry.header_crc = base::Crc32c(header);
  entry.body_bytes = static_cast<uint32_t>(body.size());
  entry.body_crc = base::Crc32c(body);
  return entry;
}

inline raft::StorageTask Append(uint32_t group, uint64_t seq, std::vector<raft::Entry> entries) {
  raft::StorageTask task;
  task.group = {group};
  task.seq = {seq};
  task.append = std::move(entries);
  return task;
}

inline RocksLogStoreOptions TestOptions(const std::string& dir) {
  RocksLogStoreOptions options;
  options.data_dir = dir;
  options.identity = {0xc1, {0x17}};
  options.sizes = StoreSizes::ForDisk(0);
  options.checkpoint_sync_after = base::Millis(50);
  options.mark_interval = base::Millis(10);
  // What lies on the disk is the test's doing, however long it takes.
  options.reclaim_interval = base::Seconds(3600);
  return options;
}

inline std::vector<absl::StatusOr<base::Slice>> Read(raft::LogStore* store, uint32_t group,
                                                     std::vector<raft::BodyRead> reads) {
  std::promise<std::vector<absl::StatusOr<base::Slice>>> promise;
  auto future = promise.get_future();
  store->ReadBodies({group}, std::move(reads),
                    [&promise](auto results) { promise.set_value(std::move(results)); });
  return future.get();
}

inline absl::StatusOr<base::Slice> ReadPage(raft::LogStore* store, uint32_t group, uint64_t page) {
  std::promise<absl::StatusOr<base::Slice>> promise;
  auto future = promise.get_future();
  store->ReadPage({group}, {page},
                  [&promise](auto result) { promise.set_value(std::move(result)); });
  return future.get();
}

}  // namespace pontoon::storage::testing

#endif  // PONTOON_STORAGE_TEST_SUPPORT_H_
