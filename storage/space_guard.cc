#include "storage/space_guard.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <string>
#include <utility>

namespace pontoon::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

using FreeBytes = std::function<absl::StatusOr<uint64_t>()>;

// The look before a write; shared by all files. Any thread.
class Guard {
 public:
  Guard(uint64_t keep_free_bytes, base::Duration pause, FreeBytes free_bytes)
      : keep_free_bytes_(keep_free_bytes), pause_(pause), free_bytes_(std::move(free_bytes)) {}

  // What is under way for clients is always tried: there is nobody to refuse it to.
  void BeforeWrite() { free_bytes_().status().IgnoreError(); }
  bool MayCompactionWrite(uint64_t size) {
    const base::MonotonicTime now = base::SystemClock().Now();
    if (now.nanos < refused_until_nanos_) return false;
    const absl::StatusOr<uint64_t> free = free_bytes_();
    if (!free.ok() || *free >= keep_free_bytes_ + size) return true;
    refused_until_nanos_ = (now + pause_).nanos;
    return false;
  }

 private:
  const uint64_t keep_free_bytes_;
  const base::Duration pause_;
  const FreeBytes free_bytes_;
  std::atomic<int64_t> refused_until_nanos_{0};
};

// A file that is written. RocksDB gives the data files of compactions a low priority before it
// writes, and no other file.
class GuardedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  GuardedFile(std::unique_ptr<rocksdb::FSWritableFile> file, Guard* guard)
      : FSWritableFileOwnerWrapper(std::move(file)), guard_(guard) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    if (IOStatus status = Look(data.size()); !status.ok()) return status;
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    if (IOStatus status = Look(data.size()); !status.ok()) return status;
    return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  // What a compaction allocates ahead is nobody's until it is written.
  void PrepareWrite(size_t offset, size_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    if (!IsOfCompaction()) FSWritableFileOwnerWrapper::PrepareWrite(offset, size, options, debug);
  }
  IOStatus Allocate(uint64_t offset, uint64_t size, const IOOptions& options,
                    IODebugContext* debug) override {
    return IsOfCompaction() ? IOStatus::OK()
                            : FSWritableFileOwnerWrapper::Allocate(offset, size, options, debug);
  }

 private:
  bool IsOfCompaction() { return GetIOPriority() == rocksdb::Env::IO_LOW; }
  IOStatus Look(uint64_t size) {
    if (!IsOfCompaction()) {
      guard_->BeforeWrite();
    } else if (!guard_->MayCompactionWrite(size)) {
      return IOStatus::NoSpace(std::string(kNoRoomForCompaction));
    }
    return IOStatus::OK();
  }

  Guard* const guard_;
};

class GuardedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  GuardedFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base, uint64_t keep_free_bytes,
                    base::Duration pause, FreeBytes free_bytes)
      : FileSystemWrapper(base), guard_(keep_free_bytes, pause, std::move(free_bytes)) {}
  const char* Name() const override { return "PontoonGuardedFileSystem"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, result, debug);
    if (status.ok()) *result = std::make_unique<GuardedFile>(std::move(*result), &guard_);
    return status;
  }

 private:
  Guard guard_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> MakeSpaceGuard(rocksdb::Env* base, uint64_t keep_free_bytes,
                                             base::Duration pause, FreeBytes free_bytes) {
  if (base == nullptr) base = rocksdb::Env::Default();
  return rocksdb::NewCompositeEnv(std::make_shared<GuardedFileSystem>(
      base->GetFileSystem(), keep_free_bytes, pause, std::move(free_bytes)));
}

}  // namespace pontoon::storage
