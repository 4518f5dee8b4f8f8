#include "storage/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pontoon::storage {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("writing", path, errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  const Fd in(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0) return FileError("reading", from, errno);
  struct stat info;
  if (fstat(in.get(), &info) != 0) return FileError("reading", from, errno);
  const Fd out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info.st_mode & 0777));
  if (out.get() < 0) return FileError("creating", to, errno);
  std::string buffer(1 << 20, '\0');
  for (;;) {
    const ssize_t n = read(in.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("reading", from, errno);
    if (n == 0) break;
    const absl::string_view got(buffer.data(), static_cast<size_t>(n));
    if (absl::Status status = WriteAll(out.get(), got, to); !status.ok()) return status;
  }
  if (fsync(out.get()) != 0) return FileError("syncing", to, errno);
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::Status FileError(absl::string_view doing, absl::string_view path, int error_number) {
  const std::string text = absl::StrCat(doing, " ", path, " failed: ", std::strerror(error_number));
  switch (error_number) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::StatusOr<std::string> ReadFileBlocking(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return FileError("reading", path, errno);
  std::string content;
  char buffer[8192];
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("reading", path, errno);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
  }
}

absl::Status ReplaceFileBlocking(const std::string& path, absl::string_view content, int mode) {
  const std::string temporary = path + ".new";
  {
    const Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (fd.get() < 0) return FileError("creating", temporary, errno);
    if (fchmod(fd.get(), static_cast<mode_t>(mode)) != 0)
      return FileError("setting the mode of", temporary, errno);
    if (absl::Status status = WriteAll(fd.get(), content, temporary); !status.ok()) return status;
    if (fsync(fd.get()) != 0) return FileError("syncing", temporary, errno);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) return FileError("renaming", temporary, errno);
  return SyncDirectoryBlocking(ParentOf(path));
}

absl::Status SyncDirectoryBlocking(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return FileError("opening", path, errno);
  if (fsync(fd.get()) != 0) return FileError("syncing", path, errno);
  return absl::OkStatus();
}

absl::Status CopyBlocking(const std::string& from, const std::string& to) {
  struct stat info;
  if (stat(from.c_str(), &info) != 0) return FileError("reading", from, errno);
  if (!S_ISDIR(info.st_mode)) return CopyFile(from, to);
  if (mkdir(to.c_str(), info.st_mode & 0777) != 0) return FileError("creating", to, errno);
  absl::StatusOr<std::vector<std::string>> names = ListBlocking(from);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (absl::Status status =
            CopyBlocking(absl::StrCat(from, "/", name), absl::StrCat(to, "/", name));
        !status.ok()) {
      return status;
    }
  }
  return SyncDirectoryBlocking(to);
}

bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

absl::StatusOr<std::vector<std::string>> ListBlocking(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return FileError("listing", path, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pontoon::storage
