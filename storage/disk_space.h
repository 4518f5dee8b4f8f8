#ifndef PONTOON_STORAGE_DISK_SPACE_H_
#define PONTOON_STORAGE_DISK_SPACE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "base/logger.h"

namespace pontoon::storage {

// Of the file system that holds a path, in bytes; `free` is what this process may still use.
struct DiskSpace {
  uint64_t free = 0;
  uint64_t total = 0;
};
absl::StatusOr<DiskSpace> ReadDiskSpaceBlocking(const std::string& path);
// ReadDiskSpaceBlocking, or numbers of a test's.
using ReadSpace = std::function<absl::StatusOr<DiskSpace>(const std::string& path)>;

// RabbitMQ's default of disk_free_limit.
inline constexpr uint64_t kDiskFreeLimitDefault = 50'000'000;

// What an operator sees of the disk, and whether publishers must wait.
struct DiskStatus {
  uint64_t free_bytes = 0;
  // Of them for publishers: without what a reserve that was given up has promised to
  // acknowledgements.
  uint64_t free_for_publishes_bytes = 0;
  uint64_t limit_bytes = 0;
  bool alarm = false;  // Free space is below the limit: publishes stop, everything else goes on.
  bool reserve_released = false;  // It got so low that the reserve was given up.
  // With fewer bytes free than this the next look has something to do, so that it should be now.
  uint64_t look_again_below_bytes = 0;
};

// Watches the data directory's disk. Beside RabbitMQ's limit, at which publishes stop, it keeps a
// preallocated file (the reserve), which is given up when the space behind the limit runs out as
// well: acknowledgements, checkpoints, compactions and a restart of all that is stored still fit
// then. It is made again once there is room. Only a write that fails in spite of it ends the
// process (RocksLogStore).
//
// Polls alone come too late when the disk fills fast: the store gives the reserve up as well, right
// before the write that might need it (MakeRoomForWriteBlocking), and has its owner told what it
// saw, so that publishers are stopped without waiting for the next poll.
//
// One thread (polled by its owner, several times a second, and at once when less than
// `look_again_below_bytes` is free).
class DiskMonitor {
 public:
  struct Options {
    std::string data_dir;
    uint64_t limit_bytes = kDiskFreeLimitDefault;
    // Bytes of the reserve; 0: ReserveBytesFor the disk and what is stored.
    uint64_t reserve_bytes = 0;
    ReadSpace read_space;  // Default: ReadDiskSpaceBlocking.
  };

  DiskMonitor(Options options, base::Logger* logger);

  // Reads the free space, and gives up or makes the reserve as it demands. If the space cannot be
  // read, the alarm stays as it was.
  DiskStatus PollBlocking();
  const DiskStatus& status() const { return status_; }

  // disk_free_limit can be changed while the node runs.
  void set_limit(uint64_t bytes) { options_.limit_bytes = bytes; }

  // A quarter of what is stored and 64 MiB, but no more than a tenth of the disk or 1 GiB, and no
  // less than 16 MiB: more than the write buffers that may still have to be flushed (small on a
  // small disk, StoreSizes::ForDisk) and the input of a few compactions.
  static uint64_t ReserveBytesFor(uint64_t disk_bytes, uint64_t stored_bytes);
  // Below this the reserve is given up: a batch and a file's metadata still fit.
  static uint64_t ReleaseBelowBytes(uint64_t disk_bytes);

 private:
  uint64_t WantedReserve(const DiskSpace& space);
  void MakeReserve(const DiskSpace& space, uint64_t bytes);

  Options options_;
  base::Logger* const logger_;
  const std::string reserve_path_;
  DiskStatus status_;
  uint64_t stored_bytes_ = 0;
  int polls_until_count_ = 0;
};

std::string ReservePath(const std::string& data_dir);

// Before a store is opened on a full disk: gives the reserve up if what is free would not do for a
// start.
void MakeRoomForStartBlocking(const std::string& data_dir);

// Before a write to the store: gives the reserve up if what is free might not do for the write.
// What was free before that. Any thread; about a microsecond while there is room.
absl::StatusOr<DiskSpace> MakeRoomForWriteBlocking(const std::string& data_dir,
                                                   const ReadSpace& read_space,
                                                   base::Logger* logger);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_DISK_SPACE_H_
