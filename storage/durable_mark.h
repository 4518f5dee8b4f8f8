#ifndef PONTOON_STORAGE_DURABLE_MARK_H_
#define PONTOON_STORAGE_DURABLE_MARK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/time.h"
#include "storage/fatal.h"
#include "storage/metrics.h"
#include "storage/records.h"

namespace pontoon::storage {

// [format] The durable mark: the number of a batch that was synced, in a file of its own. RocksDB's
// recovery drops synced records behind a damaged one without a word; a store that recovers less
// than its mark has lost something that this node vouched for (design section 4, Damage). Layout in
// storage/FORMAT.md: two slots that are written in turn, each with its own checksum, so that one
// torn write leaves the other.
struct DurableMark {
  uint64_t sequence = 0;  // Of the mark itself: the higher one of the two slots counts.
  uint64_t batch = 0;
  StoreIdentity identity;
};

inline constexpr uint32_t kMarkVersion = 1;
inline constexpr size_t kMarkSlotBytes = 4096;

// Reads the file's newest mark. NotFound: no such file. DataLoss: neither slot is whole.
// FailedPrecondition: a newer version wrote it. Unavailable: it cannot be read.
absl::StatusOr<DurableMark> ReadMarkBlocking(const std::string& path);

// Makes the file, or replaces it, durably.
absl::Status WriteNewMarkBlocking(const std::string& path, const DurableMark& mark);

// Lets the mark follow what is synced, on a thread of its own: at most one write per interval, none
// while nothing is synced. A failed write or sync ends the process.
class MarkKeeper {
 public:
  // `mark` is what the file holds.
  static absl::StatusOr<std::unique_ptr<MarkKeeper>> OpenBlocking(const std::string& path,
                                                                  const DurableMark& mark,
                                                                  base::Duration interval,
                                                                  StorageCounters* counters,
                                                                  FatalError* fatal);
  ~MarkKeeper();

  // All batches up to `batch` are synced. Any thread; does not wait for the disk.
  void PostSynced(uint64_t batch);
  // Writes the last mark and ends the thread.
  void StopBlocking();

 private:
  MarkKeeper(int fd, std::string path, const DurableMark& mark, base::Duration interval,
             StorageCounters* counters, FatalError* fatal);
  void ThreadMain();
  absl::Status WriteBlocking(uint64_t batch);

  const int fd_;
  const std::string path_;
  const base::Duration interval_;
  StorageCounters* const counters_;
  FatalError* const fatal_;
  DurableMark mark_;  // Of the keeper's thread.

  base::Mutex mutex_;
  base::CondVar wake_;
  uint64_t synced_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_DURABLE_MARK_H_
