#include "storage/durable_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "storage/bytes.h"
#include "storage/files.h"

namespace pontoon::storage {
namespace {

constexpr absl::string_view kMagic = "PontMark";
constexpr size_t kContentBytes = 48;  // Up to the checksum.

std::string EncodeSlot(const DurableMark& mark) {
  std::string slot(kMagic);
  AppendLittle<uint32_t>(&slot, kMarkVersion);
  AppendLittle<uint32_t>(&slot, 0);
  AppendLittle<uint64_t>(&slot, mark.sequence);
  AppendLittle<uint64_t>(&slot, mark.batch);
  AppendLittle<uint64_t>(&slot, mark.identity.cluster_id);
  AppendLittle<uint64_t>(&slot, mark.identity.node.value);
  AppendLittle<uint32_t>(&slot, base::Crc32c(slot));
  slot.resize(kMarkSlotBytes);
  return slot;
}

absl::StatusOr<DurableMark> DecodeSlot(absl::string_view slot) {
  if (slot.size() < kContentBytes + 4 || slot.substr(0, 8) != kMagic ||
      base::Crc32c(slot.substr(0, kContentBytes)) !=
          GetLittle<uint32_t>(slot.data() + kContentBytes)) {
    return absl::DataLossError("damaged slot");
  }
  LittleReader reader(slot.substr(8));
  const auto version = reader.Take<uint32_t>();
  if (version > kMarkVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("format version ", version, ", written by a newer Pontoon"));
  }
  reader.Take<uint32_t>();
  DurableMark mark;
  mark.sequence = reader.Take<uint64_t>();
  mark.batch = reader.Take<uint64_t>();
  mark.identity.cluster_id = reader.Take<uint64_t>();
  mark.identity.node = {reader.Take<uint64_t>()};
  return mark;
}

}  // namespace

absl::StatusOr<DurableMark> ReadMarkBlocking(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFileBlocking(path);
  if (!bytes.ok()) return bytes.status();
  std::optional<DurableMark> newest;
  for (size_t slot = 0; slot < 2; ++slot) {
    if (bytes->size() < slot * kMarkSlotBytes) break;
    absl::StatusOr<DurableMark> mark =
        DecodeSlot(absl::string_view(*bytes).substr(slot * kMarkSlotBytes, kMarkSlotBytes));
    if (absl::IsFailedPrecondition(mark.status())) {
      return absl::FailedPreconditionError(absl::StrCat(path, ": ", mark.status().message()));
    }
    if (mark.ok() && (!newest || mark->sequence > newest->sequence)) newest = *mark;
  }
  if (!newest)
    return absl::DataLossError(
        absl::StrCat(path, " is damaged: neither of its two marks is whole"));
  return *newest;
}

absl::Status WriteNewMarkBlocking(const std::string& path, const DurableMark& mark) {
  // Both slots, so that a later torn write leaves one.
  DurableMark older = mark;
  older.sequence = mark.sequence == 0 ? 0 : mark.sequence - 1;
  const bool first_is_newer = mark.sequence % 2 == 0;
  const std::string newer_slot = EncodeSlot(mark);
  const std::string older_slot = EncodeSlot(older);
  return ReplaceFileBlocking(
      path, first_is_newer ? newer_slot + older_slot : older_slot + newer_slot, 0644);
}

absl::StatusOr<std::unique_ptr<MarkKeeper>> MarkKeeper::OpenBlocking(const std::string& path,
                                                                     const DurableMark& mark,
                                                                     base::Duration interval,
                                                                     StorageCounters* counters,
                                                                     FatalError* fatal) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return FileError("opening", path, errno);
  return std::unique_ptr<MarkKeeper>(new MarkKeeper(fd, path, mark, interval, counters, fatal));
}

MarkKeeper::MarkKeeper(int fd, std::string path, const DurableMark& mark, base::Duration interval,
                       StorageCounters* counters, FatalError* fatal)
    : fd_(fd),
      path_(std::move(path)),
      interval_(interval),
      counters_(counters),
      fatal_(fatal),
      mark_(mark),
      synced_(mark.batch),
      thread_([this] { ThreadMain(); }) {}

MarkKeeper::~MarkKeeper() {
  StopBlocking();
  close(fd_);
}

void MarkKeeper::PostSynced(uint64_t batch) {
  base::MutexLock lock(&mutex_);
  synced_ = batch;
  wake_.NotifyOne();
}

void MarkKeeper::StopBlocking() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void MarkKeeper::ThreadMain() {
  bool stopping = false;
  while (!stopping) {
    uint64_t batch = 0;
    {
      base::MutexLock lock(&mutex_);
      while (!stopping_ && synced_ == mark_.batch) wake_.Wait(&mutex_);
      stopping = stopping_;
      batch = synced_;
    }
    if (batch != mark_.batch && !fatal_->reported()) {
      if (absl::Status status = WriteBlocking(batch); !status.ok()) {
        fatal_->Report(status);
      } else {
        counters_->marked_batch = batch;
      }
    }
    base::MutexLock lock(&mutex_);
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(interval_.nanos);
    while (!stopping_ && std::chrono::steady_clock::now() < until) {
      wake_.WaitFor(&mutex_, until - std::chrono::steady_clock::now());
    }
  }
}

absl::Status MarkKeeper::WriteBlocking(uint64_t batch) {
  ++mark_.sequence;
  mark_.batch = batch;
  const std::string slot = EncodeSlot(mark_);
  const off_t offset = static_cast<off_t>((mark_.sequence % 2) * kMarkSlotBytes);
  const ssize_t written = pwrite(fd_, slot.data(), slot.size(), offset);
  if (written != static_cast<ssize_t>(slot.size()))
    return FileError("writing", path_, written < 0 ? errno : ENOSPC);
  if (fdatasync(fd_) != 0) return FileError("syncing", path_, errno);
  return absl::OkStatus();
}

}  // namespace pontoon::storage
