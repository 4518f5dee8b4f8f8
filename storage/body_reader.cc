#include "storage/body_reader.h"

#include <cstring>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/keys.h"
#include "storage/records.h"

namespace pontoon::storage {
namespace {

absl::Status Named(const absl::Status& status, base::GroupId group, absl::string_view what,
                   uint64_t number) {
  return absl::Status(status.code(), absl::StrCat("group ", group.value, ", ", what, " ", number,
                                                  ": ", status.message()));
}

// Copies the parts out of one body's value into one block, which the results share.
void CopyParts(base::GroupId group, absl::string_view key, absl::string_view value,
               const std::vector<raft::BodyRead>& reads, const std::vector<size_t>& which,
               std::vector<absl::StatusOr<base::Slice>>* results) {
  const uint64_t index = reads[which.front()].index.value;
  absl::StatusOr<BodyView> body = BodyView::Parse(key, value);
  if (!body.ok()) {
    for (const size_t i : which) (*results)[i] = Named(body.status(), group, "body", index);
    return;
  }
  size_t total = 0;
  std::vector<std::pair<size_t, absl::string_view>> parts;
  for (const size_t i : which) {
    absl::StatusOr<absl::string_view> part = body->Part(reads[i].offset, reads[i].size);
    if (!part.ok()) {
      (*results)[i] = Named(part.status(), group, "body", index);
      continue;
    }
    parts.emplace_back(i, *part);
    total += part->size();
  }
  if (parts.empty()) return;
  base::Block* const block = base::Block::New(total);
  const base::Slice whole(block, block->data(), total);
  size_t used = 0;
  for (const auto& [i, part] : parts) {
    std::memcpy(block->data() + used, part.data(), part.size());
    (*results)[i] = whole.Sub(used, part.size());
    used += part.size();
  }
}

}  // namespace

std::vector<absl::StatusOr<base::Slice>> ReadBodiesBlocking(
    const Database& database, base::GroupId group, const std::vector<raft::BodyRead>& reads) {
  std::vector<absl::StatusOr<base::Slice>> results(reads.size(),
                                                   absl::StatusOr<base::Slice>(base::Slice()));
  absl::btree_map<raft::Index, std::vector<size_t>> by_index;
  for (size_t i = 0; i < reads.size(); ++i) by_index[reads[i].index].push_back(i);
  std::vector<ItemKey> keys;
  for (const auto& [index, which] : by_index) keys.push_back(MakeItemKey(group, index.value));
  std::vector<rocksdb::Slice> key_slices;
  for (const ItemKey& key : keys) key_slices.push_back(ToRocks(key));
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  database.db()->MultiGet(rocksdb::ReadOptions(), database.body(), keys.size(), key_slices.data(),
                          values.data(), statuses.data(), /*sorted_input=*/true);
  size_t n = 0;
  for (const auto& [index, which] : by_index) {
    if (statuses[n].ok()) {
      CopyParts(group, AsView(keys[n]), FromRocks(values[n]), reads, which, &results);
    } else {
      const absl::Status status =
          Named(FromRocks(statuses[n], "reading"), group, "body", index.value);
      for (const size_t i : which) results[i] = status;
    }
    values[n].Reset();
    ++n;
  }
  return results;
}

absl::StatusOr<base::Slice> ReadPageBlocking(const Database& database, base::GroupId group,
                                             raft::PageId page) {
  const ItemKey key = MakeItemKey(group, page.value);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      database.db()->Get(rocksdb::ReadOptions(), database.page(), ToRocks(key), &value);
  if (!status.ok()) return Named(FromRocks(status, "reading"), group, "page", page.value);
  absl::StatusOr<absl::string_view> bytes = DecodePage(AsView(key), FromRocks(value));
  if (!bytes.ok()) return Named(bytes.status(), group, "page", page.value);
  return base::Slice::Copy(*bytes);
}

absl::StatusOr<CutResult> CutBlocking(const Database& database, const CutJob& job) {
  CutResult result{.group = job.group, .index = job.cut.index, .token = job.token, .value = {}};
  const ItemKey key = MakeItemKey(job.group, job.cut.index.value);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      database.db()->Get(rocksdb::ReadOptions(), database.body(), ToRocks(key), &value);
  if (status.IsNotFound()) return result;
  if (!status.ok())
    return Named(FromRocks(status, "reading"), job.group, "body", job.cut.index.value);
  absl::StatusOr<BodyView> body = BodyView::Parse(AsView(key), FromRocks(value));
  if (!body.ok()) return Named(body.status(), job.group, "body", job.cut.index.value);
  absl::StatusOr<std::string> cut = body->Cut(AsView(key), job.cut.keep);
  if (!cut.ok()) return Named(cut.status(), job.group, "body", job.cut.index.value);
  if (cut->size() < value.size()) result.value = *std::move(cut);
  return result;
}

}  // namespace pontoon::storage
