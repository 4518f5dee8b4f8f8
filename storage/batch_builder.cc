#include "storage/batch_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/keys.h"
#include "storage/records.h"

namespace pontoon::storage {
namespace {

// Above this the batch's buffer is given back after use.
constexpr size_t kBatchBytesKept = 4u << 20;

}  // namespace

GroupLog& BatchBuilder::LogOf(base::GroupId group) {
  PONTOON_CHECK(group.value != kNodeKeyPrefix);
  const auto [it, is_new] = groups_.try_emplace(group);
  if (is_new) {
    const MetaKey key = MakeMetaKey(group, MetaKind::kGroup);
    PutMeta(AsView(key), EncodeNumber(AsView(key), it->second.epoch.value));
  }
  return it->second;
}

void BatchBuilder::PutMeta(absl::string_view key, const std::string& value) {
  batch_.Put(database_->meta(), ToRocks(key), value);
}

void BatchBuilder::Put(rocksdb::ColumnFamilyHandle* family, absl::string_view key,
                       absl::string_view prefix, const base::SliceChain& bytes) {
  parts_.clear();
  parts_.push_back(ToRocks(prefix));
  for (const base::Slice& slice : bytes.slices()) parts_.push_back(ToRocks(slice.view()));
  const rocksdb::Slice key_slice = ToRocks(key);
  batch_.Put(family, rocksdb::SliceParts(&key_slice, 1),
             rocksdb::SliceParts(parts_.data(), static_cast<int>(parts_.size())));
}

void BatchBuilder::DropBody(base::GroupId group, raft::Index index) {
  if (!cuts_.empty()) cuts_.erase({group, index});
  batch_.Delete(database_->body(), ToRocks(MakeItemKey(group, index.value)));
  ++counters_->body_deletes;
}

void BatchBuilder::AddEntry(base::GroupId group, const GroupLog& log, const raft::Entry& entry) {
  const ItemKey key = MakeItemKey(group, entry.id.index.value);
  const EntryPrefix prefix = EncodeEntryPrefix(AsView(key), entry, log.epoch);
  Put(database_->log(), AsView(key), AsView(prefix), entry.header);
  if (entry.body.empty()) return;
  PONTOON_CHECK_MSG(entry.body.size() == entry.body_bytes, "a body is stored whole or left out");
  if (!cuts_.empty()) cuts_.erase({group, entry.id.index});
  ++counters_->body_puts;
  counters_->body_put_bytes += entry.body_bytes;
  // A body arrives with its checksum: nothing is computed here.
  const StoredExtent whole{0, entry.body_bytes, entry.body_crc};
  Put(database_->body(), AsView(key), EncodeBodyPrefix(AsView(key), entry.body_bytes, {&whole, 1}),
      entry.body);
}

void BatchBuilder::Add(const raft::StorageTask& task) {
  GroupLog& log = LogOf(task.group);
  if (task.hard_state) {
    const MetaKey key = MakeMetaKey(task.group, MetaKind::kHardState);
    PutMeta(AsView(key), EncodeHardState(AsView(key), *task.hard_state));
  }
  if (task.truncate_from && *task.truncate_from <= log.last) {
    PONTOON_CHECK_MSG(*task.truncate_from >= log.first, "what a checkpoint covers is committed");
    for (raft::Index index = *task.truncate_from; index <= log.last; index = index + 1) {
      batch_.Delete(database_->log(), ToRocks(MakeItemKey(task.group, index.value)));
      DropBody(task.group, index);
    }
    log.last = *task.truncate_from - 1;
  }
  for (const raft::Entry& entry : task.append) {
    PONTOON_CHECK_MSG(entry.id.index == log.last + 1, "headers are contiguous");
    AddEntry(task.group, log, entry);
    log.last = entry.id.index;
  }
  if (task.compact_to && *task.compact_to >= log.first) {
    const raft::Index last_deleted = std::min(*task.compact_to, log.last);
    for (raft::Index index = log.first; index <= last_deleted; index = index + 1) {
      batch_.Delete(database_->log(), ToRocks(MakeItemKey(task.group, index.value)));
    }
    log.first = *task.compact_to + 1;
    log.last = std::max(log.last, *task.compact_to);
    const MetaKey key = MakeMetaKey(task.group, MetaKind::kLogStart);
    PutMeta(AsView(key), EncodeNumber(AsView(key), log.first.value));
  }
  must_sync_ |= task.must_sync;
  const auto same_group = [&](const auto& done) { return done.first == task.group; };
  // Few groups ride in one batch, and mostly the last one again.
  const auto it = std::find_if(report_.done.rbegin(), report_.done.rend(), same_group);
  if (it == report_.done.rend()) {
    report_.done.emplace_back(task.group, task.seq);
  } else {
    PONTOON_CHECK_MSG(it->second < task.seq, "sequence numbers of storage tasks rise");
    it->second = task.seq;
  }
}

void BatchBuilder::Add(raft::StateTask task) {
  LogOf(task.group);
  for (const auto& [page, bytes] : task.put_pages) {
    const ItemKey key = MakeItemKey(task.group, page.value);
    Put(database_->page(), AsView(key), AsView(EncodePagePrefix(AsView(key), bytes)), bytes);
  }
  for (const raft::PageId page : task.drop_pages) {
    batch_.Delete(database_->page(), ToRocks(MakeItemKey(task.group, page.value)));
  }
  for (const raft::Index index : task.drop_bodies) DropBody(task.group, index);
  for (raft::BodyCut& cut : task.cut_bodies) {
    const uint64_t token = next_token_++;
    cuts_[{task.group, cut.index}] = token;
    report_.cuts.push_back({task.group, std::move(cut), token});
  }
  if (task.checkpoint) {
    const MetaKey key = MakeMetaKey(task.group, MetaKind::kCheckpoint);
    PutMeta(AsView(key), EncodeCheckpoint(AsView(key), *task.checkpoint));
    report_.checkpoints.emplace_back(task.group, task.checkpoint->applied);
  }
}

void BatchBuilder::Add(const CutResult& result) {
  const auto it = cuts_.find({result.group, result.index});
  if (it == cuts_.end() || it->second != result.token) return;
  cuts_.erase(it);
  if (result.value.empty()) return;
  batch_.Put(database_->body(), ToRocks(MakeItemKey(result.group, result.index.value)),
             result.value);
}

rocksdb::WriteBatch* BatchBuilder::Finish(uint64_t batch_number) {
  const MetaKey key = MakeNodeMetaKey(NodeMetaKind::kBatchNumber);
  PutMeta(AsView(key), EncodeNumber(AsView(key), batch_number));
  return &batch_;
}

void BatchBuilder::Clear() {
  if (batch_.GetDataSize() > kBatchBytesKept) {
    batch_ = rocksdb::WriteBatch();
  } else {
    batch_.Clear();
  }
  must_sync_ = false;
}

}  // namespace pontoon::storage
