#ifndef PONTOON_STORAGE_FAULTY_FILE_SYSTEM_H_
#define PONTOON_STORAGE_FAULTY_FILE_SYSTEM_H_

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pontoon::storage::testing {

// The machine's file system, which fails where a test says so, and can forget what was not synced,
// as a power cut does.
class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Operation { kAppend, kSync };
  // Asked before each operation on a written file; what is not ok is returned instead of doing it.
  using Fault = std::function<rocksdb::IOStatus(Operation, const std::string& file)>;

  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  // One operation asks at a time.
  void SetFault(Fault fault) {
    std::lock_guard<std::mutex> lock(fault_mutex_);
    fault_ = std::move(fault);
  }
  // Called before each sync; other operations go on meanwhile.
  void SetBeforeSync(std::function<void(const std::string& file)> before_sync) {
    std::lock_guard<std::mutex> lock(mutex_);
    before_sync_ = std::move(before_sync);
  }
  // An append that fails has written its first half, as on a disk that becomes full.
  void SetTorn(bool torn) { torn_ = torn; }
  rocksdb::IOStatus Ask(Operation operation, const std::string& file) {
    std::lock_guard<std::mutex> lock(fault_mutex_);
    return fault_ ? fault_(operation, file) : rocksdb::IOStatus::OK();
  }
  // Bytes of each write-ahead log file that were synced.
  std::map<std::string, uint64_t> SyncedBytes() {
    std::lock_guard<std::mutex> lock(mutex_);
    return synced_;
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::IOStatus status = target()->NewWritableFile(name, options, &file, debug);
    if (status.ok()) {
      NoteSynced(name, 0);
      result->reset(new File(this, name, std::move(file), 0));
    }
    return status;
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    uint64_t size = 0;
    rocksdb::IOStatus status = target()->GetFileSize(name, rocksdb::IOOptions(), &size, debug);
    if (status.ok()) status = target()->ReopenWritableFile(name, options, &file, debug);
    if (status.ok()) result->reset(new File(this, name, std::move(file), size));
    return status;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(FaultyFileSystem* fs, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file,
         uint64_t size)
        : FSWritableFileOwnerWrapper(std::move(file)),
          fs_(fs),
          name_(std::move(name)),
          appended_(size) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      if (rocksdb::IOStatus fault = fs_->Ask(Operation::kAppend, name_); !fault.ok()) {
        if (fs_->torn_) {
          const rocksdb::Slice half(data.data(), data.size() / 2);
          if (target()->Append(half, options, debug).ok()) appended_ += half.size();
        }
        return fault;
      }
      rocksdb::IOStatus status = target()->Append(data, options, debug);
      if (status.ok()) appended_ += data.size();
      return status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&,
                             rocksdb::IODebugContext* debug) override {
      return Append(data, options, debug);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      fs_->BeforeSync(name_);
      if (rocksdb::IOStatus fault = fs_->Ask(Operation::kSync, name_); !fault.ok()) return fault;
      rocksdb::IOStatus status = target()->Sync(options, debug);
      if (status.ok()) fs_->NoteSynced(name_, appended_);
      return status;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return Sync(options, debug);
    }

   private:
    FaultyFileSystem* const fs_;
    const std::string name_;
    uint64_t appended_;
  };

  void NoteSynced(const std::string& name, uint64_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (absl::EndsWith(name, ".log")) synced_[name] = bytes;
  }

  void BeforeSync(const std::string& file) {
    std::function<void(const std::string&)> before_sync;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      before_sync = before_sync_;
    }
    if (before_sync) before_sync(file);
  }

  std::mutex fault_mutex_;
  Fault fault_;
  std::atomic<bool> torn_{false};
  std::mutex mutex_;
  std::function<void(const std::string&)> before_sync_;
  std::map<std::string, uint64_t> synced_;
};

}  // namespace pontoon::storage::testing

#endif  // PONTOON_STORAGE_FAULTY_FILE_SYSTEM_H_
