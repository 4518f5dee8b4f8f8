#ifndef PONTOON_STORAGE_KEYS_H_
#define PONTOON_STORAGE_KEYS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "base/ids.h"

// [format] Keys of the store (storage/FORMAT.md). Numbers are big-endian, so that the byte order of
// keys is the order of groups, and within a group of indexes.

namespace pontoon::storage {

// Of the families "log" and "body" (`number` is the entry's index) and "page" (`number` is the
// page's id).
using ItemKey = std::array<char, 12>;
ItemKey MakeItemKey(base::GroupId group, uint64_t number);

struct ParsedItemKey {
  base::GroupId group;
  uint64_t number;
};
// nullopt if `key` is none of ours.
std::optional<ParsedItemKey> ParseItemKey(absl::string_view key);

// What the family "meta" keeps per group.
enum class MetaKind : char {
  kGroup = 'g',  // The group exists; its recovery epoch.
  kHardState = 'h',
  kLogStart = 'l',  // Headers below were compacted away.
  kCheckpoint = 'c',
  kQuarantine = 'q',    // This replica was given up; there only if it was.
  kEndedThrough = 'e',  // What bodies lack had been settled by this committed index.
  kStaging = 's',       // A snapshot is on its way in.
};
using MetaKey = std::array<char, 5>;
MetaKey MakeMetaKey(base::GroupId group, MetaKind kind);
// The group of a kGroup key; nullopt for any other.
std::optional<base::GroupId> ParseGroupKey(absl::string_view key);

// What the family "meta" keeps once per node; sorts behind all groups.
inline constexpr uint32_t kNodeKeyPrefix = 0xffffffff;
enum class NodeMetaKind : char {
  kBatchNumber = 'b',  // Number of the newest write batch.
  kIdentity = 'i',     // Whose store this is.
};
MetaKey MakeNodeMetaKey(NodeMetaKind kind);

template <size_t N>
absl::string_view AsView(const std::array<char, N>& bytes) {
  return absl::string_view(bytes.data(), N);
}

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_KEYS_H_
