#include "storage/batch_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace pontoon::storage {
namespace {

// Above this the batch's buffer is given back after use.
constexpr size_t kBatchBytesKept = 4u << 20;

// Up to so many keys of a range are deleted one by one: many small range deletions in a write
// buffer make every read slow.
constexpr uint64_t kPointDeletesMax = 64;
// The same of headers that a checkpoint covers, which go all the time.
constexpr uint64_t kPointDeletesOfHeadersMax = 1024;

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

void BatchBuilder::Note(BodyNote::Kind kind, base::GroupId group, raft::Index from,
                        raft::Index to) {
  if (!notes_.empty()) {
    BodyNote* const last = &notes_.back();
    if (last->kind == kind && last->group == group && from.value == last->to + 1) {
      last->to = to.value;
      return;
    }
  }
  notes_.push_back({group, from.value, to.value, kind});
}

void BatchBuilder::DropBody(base::GroupId group, raft::Index index) {
  if (!cuts_.empty()) cuts_.erase({group, index});
  Note(BodyNote::Kind::kDropped, group, index, index);
  batch_.Delete(database_->body(), ToRocks(MakeItemKey(group, index.value)));
  ++counters_->body_deletes;
}

void BatchBuilder::PutNumber(base::GroupId group, MetaKind kind, uint64_t number) {
  const MetaKey key = MakeMetaKey(group, kind);
  PutMeta(AsView(key), EncodeNumber(AsView(key), number));
}

void BatchBuilder::DeleteMeta(base::GroupId group, MetaKind kind) {
  batch_.Delete(database_->meta(), ToRocks(MakeMetaKey(group, kind)));
}

void BatchBuilder::DropRange(rocksdb::ColumnFamilyHandle* family, base::GroupId group,
                             uint64_t from, uint64_t to, uint64_t point_deletes_max) {
  if (from > to) return;
  if (to - from < point_deletes_max) {
    for (uint64_t number = from; number <= to; ++number)
      batch_.Delete(family, ToRocks(MakeItemKey(group, number)));
    return;
  }
  const ItemKey end =
      to == UINT64_MAX ? MakeItemKey({group.value + 1}, 0) : MakeItemKey(group, to + 1);
  batch_.DeleteRange(family, ToRocks(MakeItemKey(group, from)), ToRocks(end));
}

void BatchBuilder::DropBodies(base::GroupId group, raft::Index from, raft::Index to) {
  if (from > to) return;
  Note(BodyNote::Kind::kDropped, group, from, to);
  DropRange(database_->body(), group, from.value, to.value, kPointDeletesMax);
  cuts_.erase(cuts_.lower_bound({group, from}), cuts_.upper_bound({group, to}));
}

void BatchBuilder::DropGeneration(base::GroupId group, uint16_t generation) {
  DropRange(database_->page(), group, raft::StoredPage(generation, {0}).value,
            raft::StoredPage(generation, {raft::kPageIdMax}).value, kPointDeletesMax);
  report_.cleared.push_back(group);
}

void BatchBuilder::AddBody(base::GroupId group, raft::Index index, uint32_t body_bytes,
                           absl::Span<const StoredExtent> extents, const base::SliceChain& bytes) {
  if (!cuts_.empty()) cuts_.erase({group, index});
  Note(BodyNote::Kind::kPut, group, index, index);
  const ItemKey key = MakeItemKey(group, index.value);
  ++counters_->body_puts;
  counters_->body_put_bytes += bytes.size();
  Put(database_->body(), AsView(key), EncodeBodyPrefix(AsView(key), body_bytes, extents), bytes);
}

void BatchBuilder::AddEntry(base::GroupId group, const GroupLog& log, const raft::Entry& entry) {
  const ItemKey key = MakeItemKey(group, entry.id.index.value);
  const EntryPrefix prefix = EncodeEntryPrefix(AsView(key), entry, log.epoch);
  Put(database_->log(), AsView(key), AsView(prefix), entry.header);
  if (entry.body.empty()) {
    if (entry.id.index <= log.last_body) DropBody(group, entry.id.index);
    return;
  }
  if (entry.remains == nullptr) {
    PONTOON_CHECK_MSG(entry.body.size() == entry.body_bytes, "a body is stored whole or cut");
    // A body arrives with its checksum: nothing is computed here.
    const StoredExtent whole{0, entry.body_bytes, entry.body_crc};
    return AddBody(group, entry.id.index, entry.body_bytes, {&whole, 1}, entry.body);
  }
  std::vector<StoredExtent> extents;
  size_t at = 0;
  for (const raft::BodyExtent& kept : entry.remains->kept) {
    PONTOON_CHECK(kept.size <= entry.body.size() - at);
    extents.push_back({kept.offset, kept.size, base::Crc32c(entry.body.Sub(at, kept.size))});
    at += kept.size;
  }
  PONTOON_CHECK_MSG(at == entry.body.size(), "the bytes of a body are those of its parts");
  AddBody(group, entry.id.index, entry.body_bytes, extents, entry.body);
}

void BatchBuilder::NoteEnded(base::GroupId group, GroupLog* log, raft::Index ended_through) {
  if (ended_through <= log->ended_through) return;
  log->ended_through = ended_through;
  PutNumber(group, MetaKind::kEndedThrough, ended_through.value);
}

void BatchBuilder::AddInstall(base::GroupId group, GroupLog* log, const raft::Install& install) {
  const raft::Index applied = install.checkpoint.applied.index;
  NoteEnded(group, log, install.ended_through);
  const raft::Index end = std::max({log->last, log->last_body, applied});
  raft::Index from{0};
  for (const raft::IndexRun& run : install.live_bodies) {
    if (run.count == 0) continue;
    PONTOON_CHECK_MSG(run.first >= from && run.first + run.count <= applied + 1,
                      "live bodies ascend, up to the checkpoint");
    if (run.first > from) DropBodies(group, from, run.first - 1);
    from = run.first + run.count;
  }
  DropBodies(group, from, end);
  DropRange(database_->log(), group, log->first.value, log->last.value, kPointDeletesMax);
  log->last = applied;
  log->last_body = applied;
  for (const raft::BodyImage& image : install.cut_bodies)
    AddBody(group, image.index, image.body_bytes, image.extents, image.bytes);
  log->first = applied + 1;
  PutNumber(group, MetaKind::kLogStart, log->first.value);
  const MetaKey key = MakeMetaKey(group, MetaKind::kCheckpoint);
  PutMeta(AsView(key), EncodeCheckpoint(AsView(key), install.checkpoint));
  log->page_generation = install.checkpoint.page_generation;
  if (install.old_page_generation != log->page_generation)
    DropGeneration(group, install.old_page_generation);
  DeleteMeta(group, MetaKind::kStaging);
  log->staging = false;
  report_.cleared.push_back(group);
}

void BatchBuilder::Add(const raft::StorageTask& task) {
  GroupLog& log = LogOf(task.group);
  if (task.hard_state) {
    const MetaKey key = MakeMetaKey(task.group, MetaKind::kHardState);
    PutMeta(AsView(key), EncodeHardState(AsView(key), *task.hard_state));
  }
  if (task.epoch) {
    PONTOON_CHECK_MSG(*task.epoch > log.epoch, "a recovery epoch never comes back");
    log.epoch = *task.epoch;
    PutNumber(task.group, MetaKind::kGroup, log.epoch.value);
    DeleteMeta(task.group, MetaKind::kQuarantine);
    log.ended_through = task.ended_through;
    PutNumber(task.group, MetaKind::kEndedThrough, log.ended_through.value);
  }
  if (task.quarantine) PutNumber(task.group, MetaKind::kQuarantine, 1);
  NoteEnded(task.group, &log, task.ended_through);
  if (task.install != nullptr) AddInstall(task.group, &log, *task.install);
  if (task.truncate_from && *task.truncate_from <= log.last) {
    PONTOON_CHECK_MSG(*task.truncate_from >= log.first, "what a checkpoint covers is committed");
    // Bodies behind the last header stay: they may be of a snapshot that is on its way in.
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
    DropRange(database_->log(), task.group, log.first.value,
              std::min(*task.compact_to, log.last).value, kPointDeletesOfHeadersMax);
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
  GroupLog& log = LogOf(task.group);
  NoteEnded(task.group, &log, task.ended_through);
  if (task.drop_generation) DropGeneration(task.group, *task.drop_generation);
  if (task.staging) {
    const MetaKey key = MakeMetaKey(task.group, MetaKind::kStaging);
    PutMeta(AsView(key), EncodeStaging(AsView(key), *task.staging));
    log.staging = true;
  }
  for (const raft::BodyImage& image : task.put_bodies) {
    AddBody(task.group, image.index, image.body_bytes, image.extents, image.bytes);
    log.last_body = std::max(log.last_body, image.index);
  }
  for (const auto& [page, bytes] : task.put_pages) {
    const ItemKey key = MakeItemKey(task.group, page.value);
    Put(database_->page(), AsView(key), AsView(EncodePagePrefix(AsView(key), bytes)), bytes);
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
    log.page_generation = task.checkpoint->page_generation;
    report_.checkpoints.emplace_back(task.group, task.checkpoint->applied);
  }
  for (const raft::PageId page : task.drop_pages) {
    batch_.Delete(database_->page(), ToRocks(MakeItemKey(task.group, page.value)));
  }
  if (task.ticket != 0) report_.tickets.emplace_back(task.group, task.ticket);
}

void BatchBuilder::Add(const Sweep& sweep) {
  GroupLog& log = LogOf(sweep.group);
  for (const uint16_t generation : std::exchange(log.stray_generations, {}))
    DropGeneration(sweep.group, generation);
  if (!log.staging && log.last_body > log.last) {
    DropBodies(sweep.group, log.last + 1, log.last_body);
    log.last_body = log.last;
  }
}

void BatchBuilder::Add(const CutResult& result) {
  const auto it = cuts_.find({result.group, result.index});
  if (it == cuts_.end() || it->second != result.token) return;
  cuts_.erase(it);
  if (result.value.empty()) return;
  Note(BodyNote::Kind::kPut, result.group, result.index, result.index);
  batch_.Put(database_->body(), ToRocks(MakeItemKey(result.group, result.index.value)),
             result.value);
}

rocksdb::WriteBatch* BatchBuilder::Finish(const BatchMark& mark) {
  const MetaKey key = MakeNodeMetaKey(NodeMetaKind::kBatchNumber);
  PutMeta(AsView(key), EncodeBatchMark(AsView(key), mark));
  return &batch_;
}

void BatchBuilder::Clear() {
  if (batch_.GetDataSize() > kBatchBytesKept) {
    batch_ = rocksdb::WriteBatch();
  } else {
    batch_.Clear();
  }
  notes_.clear();
  must_sync_ = false;
}

}  // namespace pontoon::storage
