#include "storage/keys.h"

#include <cstring>

namespace pontoon::storage {
namespace {

void PutBig32(char* out, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(out, &value, sizeof(value));
}
void PutBig64(char* out, uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(out, &value, sizeof(value));
}
uint32_t GetBig32(const char* in) {
  uint32_t value;
  std::memcpy(&value, in, sizeof(value));
  return __builtin_bswap32(value);
}
uint64_t GetBig64(const char* in) {
  uint64_t value;
  std::memcpy(&value, in, sizeof(value));
  return __builtin_bswap64(value);
}

}  // namespace

ItemKey MakeItemKey(base::GroupId group, uint64_t number) {
  ItemKey key;
  PutBig32(key.data(), group.value);
  PutBig64(key.data() + 4, number);
  return key;
}

std::optional<ParsedItemKey> ParseItemKey(absl::string_view key) {
  if (key.size() != sizeof(ItemKey)) return std::nullopt;
  return ParsedItemKey{{GetBig32(key.data())}, GetBig64(key.data() + 4)};
}

MetaKey MakeMetaKey(base::GroupId group, MetaKind kind) {
  MetaKey key;
  PutBig32(key.data(), group.value);
  key[4] = static_cast<char>(kind);
  return key;
}

std::optional<base::GroupId> ParseGroupKey(absl::string_view key) {
  if (key.size() != sizeof(MetaKey) || key[4] != static_cast<char>(MetaKind::kGroup))
    return std::nullopt;
  const uint32_t group = GetBig32(key.data());
  if (group == kNodeKeyPrefix) return std::nullopt;
  return base::GroupId{group};
}

MetaKey MakeNodeMetaKey(NodeMetaKind kind) {
  MetaKey key;
  PutBig32(key.data(), kNodeKeyPrefix);
  key[4] = static_cast<char>(kind);
  return key;
}

}  // namespace pontoon::storage
