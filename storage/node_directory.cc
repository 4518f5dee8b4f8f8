#include "storage/node_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "storage/files.h"

namespace pontoon::storage {
namespace {

constexpr int kFormatVersion = 1;
constexpr absl::string_view kFirstLine = "pontoon data directory, format ";
constexpr absl::string_view kCookieName = ".erlang.cookie";
constexpr int kCookieLetters = 20;

// What may lie in a directory that was never used: what operators and file systems put there, and
// what a first start that was cut off left.
bool MayLieInNewDirectory(const std::string& name) {
  return name == "lock" || name == kCookieName || name == "lost+found" || name == "log" ||
         name == "node.new" || name == absl::StrCat(kCookieName, ".new");
}

bool IsOfAStore(const std::string& name) { return name == "store" || name == "durable.mark"; }

}  // namespace

absl::Status NodeDirectory::CheckBlocking(const std::string& path) {
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(path);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  if (!names.ok()) return names.status();
  if (std::find(names->begin(), names->end(), "node") != names->end()) return absl::OkStatus();
  for (const std::string& name : *names) {
    if (IsOfAStore(name)) {
      return absl::DataLossError(absl::StrCat(path, "/node is missing, though ", path, "/", name,
                                              " is there. Nothing was changed."));
    }
    if (!MayLieInNewDirectory(name)) {
      return absl::FailedPreconditionError(absl::StrCat(
          path, " is not a data directory of Pontoon: it holds ", name, ". Nothing was changed."));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<NodeDirectory>> NodeDirectory::OpenBlocking(const std::string& path,
                                                                           base::Random* random) {
  if (absl::Status status = CheckBlocking(path); !status.ok()) return status;
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return FileError("creating the data directory", path, error.value());
  std::unique_ptr<NodeDirectory> directory(new NodeDirectory());
  directory->path_ = path;
  if (absl::Status status = directory->Lock(); !status.ok()) return status;
  absl::StatusOr<std::string> text = ReadFileBlocking(directory->NodePath());
  if (text.ok()) {
    if (absl::Status status = directory->Read(*text); !status.ok()) return status;
  } else if (absl::IsNotFound(text.status())) {
    directory->identity_.cluster_id = random->Next();
    do {
      directory->identity_.node = {random->Next()};
    } while (directory->identity_.node.value == 0);
    if (absl::Status status = directory->WriteBlocking(); !status.ok()) return status;
  } else {
    return text.status();
  }
  if (absl::Status status = directory->ReadOrMakeCookie(random); !status.ok()) return status;
  return directory;
}

NodeDirectory::~NodeDirectory() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::Status NodeDirectory::Lock() {
  const std::string path = path_ + "/lock";
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_fd_ < 0) return FileError("locking", path, errno);
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError("locking", path, errno);
    absl::StatusOr<std::string> holder = ReadFileBlocking(path);
    return absl::FailedPreconditionError(
        absl::StrCat("The data directory ", path_, " is in use by another server",
                     holder.ok() && !holder->empty()
                         ? absl::StrCat(", process ", absl::StripAsciiWhitespace(*holder))
                         : "",
                     " (", path, ")."));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(lock_fd_, 0) != 0 || pwrite(lock_fd_, pid.data(), pid.size(), 0) < 0) {
    // The lock holds without the number, which only makes the other server's message clearer: a
    // full disk must not keep a node from starting.
    if (errno != ENOSPC && errno != EDQUOT) return FileError("writing", path, errno);
  }
  return absl::OkStatus();
}

absl::Status NodeDirectory::Read(const std::string& text) {
  const auto damaged = [this](absl::string_view why) {
    return absl::DataLossError(absl::StrCat(
        NodePath(), " is damaged (", why, "). Nothing was changed; put back a copy of this file."));
  };
  absl::string_view rest = text;
  int version = 0;
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  absl::string_view first = lines.front();
  if (!absl::ConsumePrefix(&first, kFirstLine) || !absl::SimpleAtoi(first, &version) ||
      version < 1) {
    return damaged("its first line is none of ours");
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(NodePath(), ": the data directory has format ", version,
                     ", written by a newer Pontoon; this one knows up to ", kFormatVersion,
                     ". Nothing was changed."));
  }
  const size_t crc_at = rest.rfind("crc32c ");
  if (crc_at == absl::string_view::npos ||
      rest.substr(crc_at) !=
          absl::StrCat("crc32c ", absl::Hex(base::Crc32c(rest.substr(0, crc_at)), absl::kZeroPad8),
                       "\n")) {
    return damaged("its checksum does not match");
  }
  for (const absl::string_view line : lines) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    if (words.size() != 2) continue;
    bool ok = true;
    if (words[0] == "cluster_id") ok = absl::SimpleHexAtoi(words[1], &identity_.cluster_id);
    if (words[0] == "node_id") ok = absl::SimpleHexAtoi(words[1], &identity_.node.value);
    if (words[0] == "incarnation") ok = absl::SimpleAtoi(words[1], &incarnation_);
    if (words[0] == "boot") ok = absl::SimpleAtoi(words[1], &boot_.value);
    if (words[0] == "store") store_made_ = words[1] == "made";
    if (!ok) return damaged(line);
  }
  if (identity_.node.value == 0) return damaged("no node id");
  return absl::OkStatus();
}

absl::Status NodeDirectory::WriteBlocking() const {
  std::string text = absl::StrCat(kFirstLine, kFormatVersion, "\n");
  absl::StrAppend(&text, "cluster_id ", absl::Hex(identity_.cluster_id, absl::kZeroPad16), "\n");
  absl::StrAppend(&text, "node_id ", absl::Hex(identity_.node.value, absl::kZeroPad16), "\n");
  absl::StrAppend(&text, "incarnation ", incarnation_, "\n");
  absl::StrAppend(&text, "boot ", boot_.value, "\n");
  absl::StrAppend(&text, "store ", store_made_ ? "made" : "none", "\n");
  absl::StrAppend(&text, "crc32c ", absl::Hex(base::Crc32c(text), absl::kZeroPad8), "\n");
  return ReplaceFileBlocking(NodePath(), text, 0644);
}

absl::Status NodeDirectory::ReadOrMakeCookie(base::Random* random) {
  const std::string path = absl::StrCat(path_, "/", kCookieName);
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return FileError("reading", path, errno);
    for (int i = 0; i < kCookieLetters; ++i) cookie_ += static_cast<char>('A' + random->Below(26));
    return ReplaceFileBlocking(path, cookie_, 0600);
  }
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("Cookie file ", path, " must be accessible by owner only (chmod 600)."));
  }
  absl::StatusOr<std::string> cookie = ReadFileBlocking(path);
  if (!cookie.ok()) return cookie.status();
  cookie_ = std::string(absl::StripAsciiWhitespace(*cookie));
  if (cookie_.empty()) return absl::DataLossError(absl::StrCat("Cookie file ", path, " is empty."));
  return absl::OkStatus();
}

absl::Status NodeDirectory::BeginBootBlocking() {
  boot_ = {boot_.value + 1};
  store_made_ = true;
  return WriteBlocking();
}

}  // namespace pontoon::storage
