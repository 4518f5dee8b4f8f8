#include <iterator>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"
#include "raft/node/memory_disk.h"

namespace pontoon::raft {
namespace {

absl::Status Damaged(absl::string_view what, uint64_t number) {
  return absl::DataLossError(absl::StrCat("damaged: ", what, " ", number));
}

absl::Status Missing(absl::string_view what, uint64_t number) {
  return absl::NotFoundError(absl::StrCat("not there: ", what, " ", number));
}

// Its first bit is another.
base::Slice Flipped(const base::Slice& bytes) {
  std::string flipped(bytes.view().data(), bytes.size());
  if (!flipped.empty()) flipped[0] = static_cast<char>(flipped[0] ^ 1);
  return base::Slice::Copy(flipped);
}

}  // namespace

const MemoryDisk::Group* MemoryDisk::Find(GroupId group) const {
  static const Group* const none = new Group();
  const auto it = groups_.find(group);
  return it == groups_.end() ? none : &it->second;
}

absl::StatusOr<RecoveredGroup> MemoryDisk::Recover(GroupId id) const {
  const Group& group = *Find(id);
  if (group.checkpoint_damaged) return Damaged("checkpoint of group", id.value);
  RecoveredGroup recovered{
      .hard_state = group.hard_state,
      .checkpoint = group.checkpoint,
      .entries = {},
      .epoch = group.epoch,
      .quarantined = group.quarantined && !MutantIs(Mutant::kQuarantineForgotten),
      .ended_through = group.ended_through,
      .staging = group.staging};
  const Index covered = group.checkpoint.has_value() ? group.checkpoint->applied.index : Index{0};
  for (auto it = group.headers.upper_bound(covered); it != group.headers.end(); ++it) {
    if (it->second.damaged) return Damaged("log entry", it->first.value);
    recovered.entries.push_back(it->second.entry);
  }
  return recovered;
}

absl::StatusOr<base::Slice> MemoryDisk::ReadBody(GroupId group, const BodyRead& read) const {
  const auto& bodies = Find(group)->bodies;
  const auto body = bodies.find(read.index);
  if (body == bodies.end()) return Missing("body", read.index.value);
  if (body->second.damaged) return Damaged("body", read.index.value);
  for (const BodyExtent& extent : body->second.keep) {
    if (read.offset < extent.offset || read.offset - extent.offset > extent.size) continue;
    if (read.size > extent.size - (read.offset - extent.offset)) continue;
    return body->second.bytes.Sub(read.offset, read.size);
  }
  return Missing("part of body", read.index.value);
}

absl::StatusOr<base::Slice> MemoryDisk::ReadPage(GroupId group, PageId page) const {
  const auto& pages = Find(group)->pages;
  const auto it = pages.find(page);
  if (it == pages.end()) return Missing("page", page.value);
  if (it->second.damaged && MutantIs(Mutant::kReadsUnchecked)) return Flipped(it->second.bytes);
  if (it->second.damaged) return Damaged("page", page.value);
  return it->second.bytes;
}

absl::StatusOr<BodyImage> MemoryDisk::ReadBodyImage(GroupId group, Index index,
                                                    bool with_bytes) const {
  const auto& bodies = Find(group)->bodies;
  const auto it = bodies.find(index);
  if (it == bodies.end()) return Missing("body", index.value);
  const Body& body = it->second;
  if (body.damaged && !MutantIs(Mutant::kReadsUnchecked)) return Damaged("body", index.value);
  BodyImage image{.index = index, .body_bytes = body.body_bytes, .extents = {}, .bytes = {}};
  for (const BodyExtent& extent : body.keep) {
    base::Slice part = body.bytes.Sub(extent.offset, extent.size);
    if (body.damaged) part = Flipped(part);
    image.extents.push_back({extent.offset, extent.size, base::Crc32c(part.view())});
    if (with_bytes) image.bytes.Append(part);
  }
  return image;
}

absl::StatusOr<std::vector<Entry>> MemoryDisk::ReadEntries(GroupId group, Index from, Index to,
                                                           uint64_t bytes_max) const {
  const auto& headers = Find(group)->headers;
  std::vector<Entry> entries;
  uint64_t bytes = 0;
  for (auto it = headers.find(from); it != headers.end() && it->first <= to; ++it) {
    if (it->second.damaged) {
      if (entries.empty()) return Damaged("log entry", it->first.value);
      break;
    }
    Entry entry = it->second.entry;
    if (entry.body_bytes > 0) {
      const absl::StatusOr<BodyImage> body = ReadBodyImage(group, it->first, true);
      if (absl::IsDataLoss(body.status())) {
        if (entries.empty()) return body.status();
        break;
      }
      if (body.ok()) entry.body = body->bytes;
      if (entry.body.size() != entry.body_bytes) {
        auto remains = std::make_shared<BodyRemains>();
        if (body.ok()) {
          for (const BodyImage::Extent& extent : body->extents)
            remains->kept.push_back({extent.offset, extent.size});
        }
        remains->crc = base::Crc32c(entry.body);
        entry.remains = std::move(remains);
      }
    }
    bytes += EntryCost(entry);
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) return Missing("log entry", from.value);
  return entries;
}

absl::StatusOr<Checkpoint> MemoryDisk::ReadCheckpoint(GroupId group) const {
  const Group& found = *Find(group);
  if (!found.checkpoint.has_value()) return Missing("checkpoint of group", group.value);
  if (found.checkpoint_damaged) return Damaged("checkpoint of group", group.value);
  return *found.checkpoint;
}

bool MemoryDisk::DamageBody(GroupId group, Index index) {
  const auto it = groups_[group].bodies.find(index);
  if (it == groups_[group].bodies.end()) return false;
  it->second.damaged = true;
  return true;
}

bool MemoryDisk::DamageHeader(GroupId group, Index index) {
  const auto it = groups_[group].headers.find(index);
  if (it == groups_[group].headers.end()) return false;
  it->second.damaged = true;
  return true;
}

bool MemoryDisk::DamagePage(GroupId group, PageId page) {
  const auto it = groups_[group].pages.find(page);
  if (it == groups_[group].pages.end()) return false;
  it->second.damaged = true;
  return true;
}

bool MemoryDisk::DamageCheckpoint(GroupId group) {
  groups_[group].checkpoint_damaged = groups_[group].checkpoint.has_value();
  return groups_[group].checkpoint_damaged;
}

bool MemoryDisk::HasBody(GroupId group, Index index) const {
  return Find(group)->bodies.contains(index);
}

uint64_t MemoryDisk::body_bytes() const {
  uint64_t total = 0;
  for (const auto& [id, group] : groups_) {
    for (const auto& [index, body] : group.bodies) {
      for (const BodyExtent& extent : body.keep) total += extent.size;
    }
  }
  return total;
}

std::vector<PageId> MemoryDisk::pages(GroupId group) const {
  std::vector<PageId> ids;
  for (const auto& [page, bytes] : Find(group)->pages) ids.push_back(page);
  return ids;
}

std::vector<EntryId> MemoryDisk::headers(GroupId group) const {
  std::vector<EntryId> ids;
  for (const auto& [index, header] : Find(group)->headers) ids.push_back(header.entry.id);
  return ids;
}

std::vector<GroupId> MemoryDisk::groups() const {
  std::vector<GroupId> ids;
  for (const auto& [id, group] : groups_) ids.push_back(id);
  return ids;
}

}  // namespace pontoon::raft
