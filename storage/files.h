#ifndef PONTOON_STORAGE_FILES_H_
#define PONTOON_STORAGE_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Small files of the data directory, read and replaced whole. All functions may block on the disk.

namespace pontoon::storage {

// What failed, on which file, and the system's reason. NotFound for ENOENT, PermissionDenied for
// EACCES, EPERM and EROFS, ResourceExhausted for ENOSPC and EDQUOT, Unavailable for the rest.
absl::Status FileError(absl::string_view doing, absl::string_view path, int error_number);

absl::StatusOr<std::string> ReadFileBlocking(const std::string& path);

// After a crash at any instant the file holds either what it held before or all of `content`.
absl::Status ReplaceFileBlocking(const std::string& path, absl::string_view content, int mode);

absl::Status SyncDirectoryBlocking(const std::string& path);

// Copies a file or a whole folder and syncs the copy; `to` must not exist.
absl::Status CopyBlocking(const std::string& from, const std::string& to);

bool Exists(const std::string& path);

// Names in a folder, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListBlocking(const std::string& path);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_FILES_H_
