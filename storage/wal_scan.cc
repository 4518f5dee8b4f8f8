#include "storage/wal_scan.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/crc32c.h"
#include "storage/bytes.h"
#include "storage/files.h"
#include "storage/keys.h"
#include "storage/records.h"

namespace pontoon::storage {
namespace {

constexpr size_t kBlockBytes = 32768;
constexpr size_t kFragmentHeaderBytes = 7;  // Masked checksum, length, type.
enum FragmentType : uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// Every batch ends with the put of its mark: value tag of a family, family 1 ("meta"), key and
// value with their lengths. The mark of an early version 1 is shorter.
constexpr size_t kMarkBytes = 24;
constexpr size_t kShortMarkBytes = 16;
constexpr size_t kMarkPutHeaderBytes = 1 + 1 + 1 + sizeof(MetaKey) + 1;
constexpr size_t kMarkPutBytes = kMarkPutHeaderBytes + kMarkBytes;

std::optional<BatchMark> MarkAtEnd(absl::string_view tail) {
  const MetaKey key = MakeNodeMetaKey(NodeMetaKind::kBatchNumber);
  for (const size_t size : {kMarkBytes, kShortMarkBytes}) {
    if (tail.size() < kMarkPutHeaderBytes + size) continue;
    const absl::string_view put = tail.substr(tail.size() - kMarkPutHeaderBytes - size);
    const std::string expected = absl::StrCat(absl::string_view("\x05\x01\x05", 3), AsView(key),
                                              std::string(1, static_cast<char>(size)));
    if (put.substr(0, expected.size()) != expected) continue;
    const absl::StatusOr<BatchMark> mark =
        DecodeBatchMark(AsView(key), put.substr(expected.size()));
    if (mark.ok()) return *mark;
  }
  return std::nullopt;
}

bool ChecksumMatches(const char* fragment, size_t length) {
  const uint32_t crc = base::Crc32c(absl::string_view(fragment + 6, 1 + length));
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  return masked == GetLittle<uint32_t>(fragment);
}

class Mapping {
 public:
  static absl::StatusOr<Mapping> Map(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FileError("reading", path, errno);
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      close(fd);
      return FileError("reading", path, errno);
    }
    Mapping mapping;
    mapping.size_ = static_cast<size_t>(info.st_size);
    if (mapping.size_ > 0) {
      void* const at = mmap(nullptr, mapping.size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (at == MAP_FAILED) {
        close(fd);
        return FileError("reading", path, errno);
      }
      madvise(at, mapping.size_, MADV_SEQUENTIAL);
      mapping.data_ = static_cast<const char*>(at);
    }
    close(fd);
    return mapping;
  }
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  }
  absl::string_view bytes() const { return absl::string_view(data_, size_); }

 private:
  Mapping() = default;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Adds the end of a fragment to the end of its record.
void AddToTail(absl::string_view payload, std::string* tail) {
  payload = payload.substr(payload.size() - std::min(payload.size(), kMarkPutBytes));
  tail->append(payload.data(), payload.size());
}

// Looks for whole batches from `at` on, whatever lies between them, and what they prove.
void LookForProof(absl::string_view bytes, size_t at, WalContents* contents) {
  std::string tail;
  while (at + kFragmentHeaderBytes <= bytes.size()) {
    const size_t left_in_block = kBlockBytes - at % kBlockBytes;
    const char* const fragment = bytes.data() + at;
    const size_t length = GetLittle<uint16_t>(fragment + 4);
    const auto type = static_cast<uint8_t>(fragment[6]);
    const bool fits = left_in_block >= kFragmentHeaderBytes && type >= kFull && type <= kLast &&
                      length <= left_in_block - kFragmentHeaderBytes &&
                      length <= bytes.size() - at - kFragmentHeaderBytes;
    if (!fits) {
      at += left_in_block;
      continue;
    }
    at += kFragmentHeaderBytes + length;
    if (!ChecksumMatches(fragment, length)) continue;
    if (type == kFull || type == kFirst) tail.clear();
    AddToTail(absl::string_view(fragment + kFragmentHeaderBytes, length), &tail);
    if (type != kFull && type != kLast) continue;
    const std::optional<BatchMark> mark = MarkAtEnd(tail);
    if (mark) contents->proved_synced = std::max(contents->proved_synced, mark->synced);
  }
}

// Reads one file's records; each must carry the number behind the last one.
void ScanFile(const std::string& path, absl::string_view bytes, WalContents* contents) {
  const auto trouble = [&](size_t at, absl::string_view why) {
    LookForProof(bytes, at, contents);
    contents->trouble = absl::StrCat(path, ", byte ", at, ": ", why);
  };
  // Only so if nothing follows: the length may be what is damaged.
  const auto cut_short = [&](size_t at) { LookForProof(bytes, at, contents); };
  std::string tail;  // The end of the record so far.
  bool in_record = false;
  for (size_t at = 0; at < bytes.size();) {
    const size_t left_in_block = kBlockBytes - at % kBlockBytes;
    if (left_in_block < kFragmentHeaderBytes) {
      at += left_in_block;
      continue;
    }
    if (bytes.size() - at < kFragmentHeaderBytes) return cut_short(at);
    const char* const fragment = bytes.data() + at;
    const size_t length = GetLittle<uint16_t>(fragment + 4);
    const auto type = static_cast<uint8_t>(fragment[6]);
    if (type == kZero && length == 0) return trouble(at, "zeros where a record should begin");
    if (type > kLast) return trouble(at, "a record of an unknown type");
    if (length > left_in_block - kFragmentHeaderBytes)
      return trouble(at, "a record with a wrong length");
    if (bytes.size() - at < kFragmentHeaderBytes + length) return cut_short(at);
    if (!ChecksumMatches(fragment, length))
      return trouble(at, "the checksum of a record does not match");
    const bool begins = type == kFull || type == kFirst;
    if (begins == in_record) return trouble(at, "a record out of place");
    if (begins) tail.clear();
    AddToTail(absl::string_view(fragment + kFragmentHeaderBytes, length), &tail);
    in_record = type == kFirst || type == kMiddle;
    if (!in_record) {
      const std::optional<BatchMark> mark = MarkAtEnd(tail);
      if (!mark) return trouble(at, "a batch without a number");
      if (contents->last_batch != 0 && mark->number != contents->last_batch + 1) {
        return trouble(
            at, absl::StrCat("batch ", mark->number, " follows batch ", contents->last_batch));
      }
      if (contents->first_batch == 0) contents->first_batch = mark->number;
      contents->last_batch = mark->number;
    }
    at += kFragmentHeaderBytes + length;
  }
}

}  // namespace

absl::StatusOr<WalContents> ScanWalBlocking(const std::string& store_path) {
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(store_path);
  if (!names.ok()) return names.status();
  std::vector<std::pair<uint64_t, std::string>> files;
  for (const std::string& name : *names) {
    uint64_t number = 0;
    if (absl::EndsWith(name, ".log") &&
        absl::SimpleAtoi(name.substr(0, name.size() - 4), &number)) {
      files.emplace_back(number, absl::StrCat(store_path, "/", name));
    }
  }
  std::sort(files.begin(), files.end());
  WalContents contents;
  for (const auto& [number, path] : files) {
    absl::StatusOr<Mapping> mapping = Mapping::Map(path);
    if (!mapping.ok()) return mapping.status();
    if (contents.trouble.empty()) {
      ScanFile(path, mapping->bytes(), &contents);
    } else {
      LookForProof(mapping->bytes(), 0, &contents);
    }
  }
  return contents;
}

}  // namespace pontoon::storage
