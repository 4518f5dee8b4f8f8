#include "storage/disk_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/files.h"

namespace pontoon::storage {
namespace {

// Counting what is stored asks for the size of every file: not at each poll.
constexpr int kPollsPerCount = 30;

uint64_t BytesInFolder(const std::string& path) {
  uint64_t bytes = 0;
  const absl::StatusOr<std::vector<std::string>> names = ListBlocking(path);
  if (!names.ok()) return 0;
  for (const std::string& name : *names) {
    struct stat info;
    if (stat(absl::StrCat(path, "/", name).c_str(), &info) == 0)
      bytes += static_cast<uint64_t>(info.st_size);
  }
  return bytes;
}

void GiveUpReserve(const std::string& data_dir, base::Logger* logger) {
  // Several threads may try at once: one of them succeeds, and tells.
  if (unlink(ReservePath(data_dir).c_str()) != 0 || logger == nullptr) return;
  logger->Log(base::LogLevel::kWarning, 0,
              absl::StrCat("The disk of ", data_dir,
                           " is full; the reserve was given up for acknowledgements and "
                           "checkpoints"));
}

}  // namespace

absl::StatusOr<DiskSpace> ReadDiskSpaceBlocking(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return FileError("reading the free space of", path, errno);
  return DiskSpace{.free = uint64_t{info.f_bavail} * info.f_frsize,
                   .total = uint64_t{info.f_blocks} * info.f_frsize};
}

std::string ReservePath(const std::string& data_dir) { return data_dir + "/reserve"; }

uint64_t DiskMonitor::ReserveBytesFor(uint64_t disk_bytes, uint64_t stored_bytes) {
  const uint64_t most = std::clamp<uint64_t>(disk_bytes / 10, 16u << 20, 1u << 30);
  // A flush of all that the buffers of bodies may hold together (StoreSizes), and compactions.
  return std::min(most, (160u << 20) + stored_bytes / 4);
}

uint64_t DiskMonitor::ReleaseBelowBytes(uint64_t disk_bytes) {
  return std::clamp<uint64_t>(disk_bytes / 40, 4u << 20, 64u << 20);
}

DiskMonitor::DiskMonitor(Options options, base::Logger* logger)
    : options_(std::move(options)), logger_(logger), reserve_path_(ReservePath(options_.data_dir)) {
  if (!options_.read_space) options_.read_space = ReadDiskSpaceBlocking;
}

DiskStatus DiskMonitor::PollBlocking() {
  status_.limit_bytes = options_.limit_bytes;
  const absl::StatusOr<DiskSpace> space = options_.read_space(options_.data_dir);
  if (!space.ok()) {
    if (logger_ != nullptr) logger_->Log(base::LogLevel::kWarning, 0, space.status().message());
    return status_;
  }
  const uint64_t reserve = WantedReserve(*space);
  struct stat info;
  const bool reserved = stat(reserve_path_.c_str(), &info) == 0;
  if (reserved && space->free < ReleaseBelowBytes(space->total)) {
    GiveUpReserve(options_.data_dir, logger_);
  } else if (!reserved || static_cast<uint64_t>(info.st_size) < reserve / 2) {
    MakeReserve(*space, reserve);
  }
  const absl::StatusOr<DiskSpace> after = options_.read_space(options_.data_dir);
  status_.free_bytes = after.ok() ? after->free : space->free;
  status_.reserve_released = !Exists(reserve_path_);
  // While the reserve is given up, what is free is for acknowledgements, not for publishes.
  status_.free_for_publishes_bytes = status_.free_bytes;
  if (status_.reserve_released)
    status_.free_for_publishes_bytes -= std::min(status_.free_bytes, reserve);
  status_.alarm = status_.free_for_publishes_bytes < options_.limit_bytes;
  status_.look_again_below_bytes =
      std::max(status_.alarm ? 0 : options_.limit_bytes,
               status_.reserve_released ? 0 : ReleaseBelowBytes(space->total));
  return status_;
}

uint64_t DiskMonitor::WantedReserve(const DiskSpace& space) {
  if (options_.reserve_bytes != 0) return options_.reserve_bytes;
  if (polls_until_count_-- <= 0) {
    polls_until_count_ = kPollsPerCount;
    stored_bytes_ = BytesInFolder(options_.data_dir + "/store");
  }
  return ReserveBytesFor(space.total, stored_bytes_);
}

void DiskMonitor::MakeReserve(const DiskSpace& space, uint64_t bytes) {
  // With as much again left free, so that it is not given up at the next look.
  if (space.free < bytes + 2 * ReleaseBelowBytes(space.total)) return;
  const std::string temporary = reserve_path_ + ".new";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  const bool synced = error == 0 && fsync(fd) == 0;
  close(fd);
  if (!synced || rename(temporary.c_str(), reserve_path_.c_str()) != 0) unlink(temporary.c_str());
}

void MakeRoomForStartBlocking(const std::string& data_dir) {
  const std::string path = ReservePath(data_dir);
  const absl::StatusOr<DiskSpace> space = ReadDiskSpaceBlocking(data_dir);
  if (space.ok() && space->free < DiskMonitor::ReleaseBelowBytes(space->total))
    unlink(path.c_str());
  unlink((path + ".new").c_str());
}

absl::StatusOr<DiskSpace> MakeRoomForWriteBlocking(const std::string& data_dir,
                                                   const ReadSpace& read_space,
                                                   base::Logger* logger) {
  absl::StatusOr<DiskSpace> space = read_space(data_dir);
  if (space.ok() && space->free < DiskMonitor::ReleaseBelowBytes(space->total))
    GiveUpReserve(data_dir, logger);
  return space;
}

}  // namespace pontoon::storage
