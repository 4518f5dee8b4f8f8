#include "storage/flush_watch.h"

#include <chrono>
#include <optional>

namespace pontoon::storage {

void FlushWatch::OnFull(const std::string& family) {
  base::MutexLock lock(&mutex_);
  ++full_[family];
}

void FlushWatch::OnFlushed() {
  base::MutexLock lock(&mutex_);
  ++flushes_;
  changed_.NotifyAll();
}

uint64_t FlushWatch::Flushes() {
  base::MutexLock lock(&mutex_);
  return flushes_;
}

uint64_t FlushWatch::Full(rocksdb::ColumnFamilyHandle* family) {
  base::MutexLock lock(&mutex_);
  return full_[family->GetName()];
}

bool FlushWatch::IsFlushed(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, uint64_t through) {
  // In this order: a buffer that becomes full in between counts as one that is still to be flushed.
  const uint64_t full = Full(family);
  uint64_t left = 0;
  db->GetIntProperty(family, rocksdb::DB::Properties::kNumImmutableMemTable, &left);
  return full >= through + left;
}

rocksdb::Status FlushWatch::FlushBlocking(
    rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& families) {
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;  // Not to wait here either.
  struct Wanted {
    rocksdb::ColumnFamilyHandle* family;
    std::optional<uint64_t> through;  // Full buffers, once it was asked for.
  };
  std::vector<Wanted> wanted;
  for (rocksdb::ColumnFamilyHandle* family : families) wanted.push_back({family, {}});
  for (;;) {
    uint64_t seen = Flushes();
    for (Wanted& one : wanted) {
      const rocksdb::Status status = db->Flush(options, one.family);
      if (status.IsTryAgain()) continue;  // No buffer is left: others are being flushed.
      if (!status.ok()) return status;
      if (!one.through) one.through = Full(one.family);
    }
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds(ask_again_after_.nanos);
    for (bool ask_again = false; !ask_again;) {
      bool all_asked = true;
      for (size_t i = 0; i < wanted.size();) {
        all_asked = all_asked && wanted[i].through;
        if (wanted[i].through && IsFlushed(db, wanted[i].family, *wanted[i].through)) {
          wanted.erase(wanted.begin() + static_cast<ptrdiff_t>(i));
        } else {
          ++i;
        }
      }
      if (wanted.empty()) return rocksdb::Status::OK();
      base::MutexLock lock(&mutex_);
      while (flushes_ == seen && !ask_again) {
        const auto left = until - std::chrono::steady_clock::now();
        ask_again = left.count() <= 0 || !changed_.WaitFor(&mutex_, left);
      }
      ask_again = ask_again || !all_asked;
      seen = flushes_;
    }
  }
}

}  // namespace pontoon::storage
