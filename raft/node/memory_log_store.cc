#include "raft/node/memory_log_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"

namespace pontoon::raft {

void MemoryLogStore::Submit(StorageTask task) {
  IoSeq& last = submitted_[task.group];
  PONTOON_CHECK_MSG(task.seq > last, "a task's number must be higher than the one before");
  last = task.seq;
  queue_.emplace_back(std::move(task));
}

void MemoryLogStore::Submit(StateTask task) { queue_.emplace_back(std::move(task)); }

void MemoryLogStore::Sync(size_t count) {
  for (; count > 0 && !queue_.empty(); --count) {
    std::visit([this](const auto& task) { Write(task); }, queue_.front());
    if (const auto* task = std::get_if<StorageTask>(&queue_.front())) {
      done_[task->group] = task->seq;
    } else {
      const auto& state = std::get<StateTask>(queue_.front());
      if (state.checkpoint.has_value()) checkpointed_[state.group] = state.checkpoint->applied;
      if (state.ticket != 0) written_[state.group] = state.ticket;
    }
    queue_.pop_front();
  }
}

void MemoryLogStore::Report() {
  const auto done = std::exchange(done_, {});
  const auto checkpointed = std::exchange(checkpointed_, {});
  const auto written = std::exchange(written_, {});
  for (const auto& [group, seq] : done) events_->OnStorageDone(group, seq);
  for (const auto& [group, applied] : checkpointed) events_->OnCheckpointDurable(group, applied);
  for (const auto& [group, ticket] : written) events_->OnStateWritten(group, ticket);
}

void MemoryLogStore::Crash(base::Random* random, StorageEvents* events) {
  const uint64_t kept = random->Below(queue_.size() + 1);
  Sync(kept);
  queue_.clear();
  submitted_.clear();
  done_.clear();
  checkpointed_.clear();
  written_.clear();
  reads_.clear();
  events_ = events;
}

void MemoryLogStore::Write(const StorageTask& task) {
  Disk& disk = disk_[task.group];
  if (task.hard_state.has_value()) {
    PONTOON_CHECK(task.hard_state->term >= disk.hard_state.term);
    disk.hard_state = *task.hard_state;
  }
  if (task.epoch.has_value()) disk.epoch = *task.epoch;
  disk.quarantined = disk.quarantined || task.quarantine;
  disk.ended_through = std::max(disk.ended_through, task.ended_through);
  if (task.install != nullptr) Write(*task.install, &disk);
  if (task.truncate_from.has_value()) {
    PONTOON_CHECK(!disk.checkpoint.has_value() ||
                  *task.truncate_from > disk.checkpoint->applied.index);
    // Bodies of a snapshot that is on its way in may lie behind the last header, and stay.
    for (auto it = disk.headers.lower_bound(*task.truncate_from); it != disk.headers.end();
         it = disk.headers.erase(it)) {
      disk.bodies.erase(it->first);
    }
  }
  for (const Entry& entry : task.append) {
    Index last;
    if (disk.checkpoint.has_value()) last = disk.checkpoint->applied.index;
    if (!disk.headers.empty()) last = std::prev(disk.headers.end())->first;
    PONTOON_CHECK_MSG(entry.id.index == last + 1, "the log has no holes");
    Entry header = entry;
    header.body.Clear();
    header.remains.reset();
    disk.headers.emplace(entry.id.index, std::move(header));
    PutBody(entry, &disk);
  }
  if (task.compact_to.has_value()) {
    PONTOON_CHECK_MSG(
        disk.checkpoint.has_value() && disk.checkpoint->applied.index >= *task.compact_to,
        "headers go only where a durable checkpoint covers them");
    disk.headers.erase(disk.headers.begin(), disk.headers.upper_bound(*task.compact_to));
  }
}

void MemoryLogStore::PutBody(const Entry& entry, Disk* disk) {
  disk->bodies.erase(entry.id.index);
  if (entry.body.empty()) return;
  Body body{.body_bytes = entry.body_bytes, .keep = {}, .bytes = {}};
  if (entry.remains == nullptr) {
    body.keep = {{0, entry.body_bytes}};
    body.bytes = entry.body.Flatten();
  } else {
    std::string whole(entry.body_bytes, '\0');
    const std::string kept(entry.body.Flatten().view());
    size_t at = 0;
    for (const BodyExtent& extent : entry.remains->kept) {
      whole.replace(extent.offset, extent.size, kept, at, extent.size);
      at += extent.size;
    }
    body.keep = entry.remains->kept;
    body.bytes = base::Slice::Copy(whole);
  }
  disk->bodies[entry.id.index] = std::move(body);
}

void MemoryLogStore::DropGeneration(uint16_t generation, Disk* disk) {
  disk->pages.erase(disk->pages.lower_bound(StoredPage(generation, {0})),
                    disk->pages.upper_bound(StoredPage(generation, {kPageIdMax})));
}

void MemoryLogStore::Write(const Install& install, Disk* disk) {
  const EntryId applied = install.checkpoint.applied;
  PONTOON_CHECK_MSG(!disk->checkpoint.has_value() || disk->checkpoint->applied < applied,
                    "a snapshot older than what it replaces");
  std::map<Index, Body> live;
  for (const IndexRun& run : install.live_bodies) {
    for (Index index = run.first; index < run.first + run.count; index = index + 1) {
      const auto body = disk->bodies.find(index);
      if (body != disk->bodies.end()) live.insert(disk->bodies.extract(body));
    }
  }
  if (install.keep_tail) {
    const auto header = disk->headers.find(applied.index);
    PONTOON_CHECK_MSG(header != disk->headers.end() && header->second.id == applied,
                      "the tail of another log");
    disk->headers.erase(disk->headers.begin(), std::next(header));
    disk->bodies.erase(disk->bodies.begin(), disk->bodies.upper_bound(applied.index));
    disk->bodies.merge(live);
  } else {
    disk->headers.clear();
    disk->bodies = std::move(live);
  }
  if (install.old_page_generation != install.checkpoint.page_generation)
    DropGeneration(install.old_page_generation, disk);
  disk->checkpoint = install.checkpoint;
  disk->staging.reset();
}

void MemoryLogStore::Write(const StateTask& task) {
  Disk& disk = disk_[task.group];
  disk.ended_through = std::max(disk.ended_through, task.ended_through);
  if (task.drop_generation.has_value()) DropGeneration(*task.drop_generation, &disk);
  if (task.staging.has_value()) disk.staging = task.staging;
  for (const BodyImage& image : task.put_bodies) {
    Body body{.body_bytes = image.body_bytes, .keep = {}, .bytes = {}};
    std::string whole(image.body_bytes, '\0');
    const std::string kept(image.bytes.Flatten().view());
    size_t at = 0;
    for (const BodyImage::Extent& extent : image.extents) {
      body.keep.push_back({extent.offset, extent.size});
      whole.replace(extent.offset, extent.size, kept, at, extent.size);
      at += extent.size;
    }
    body.bytes = base::Slice::Copy(whole);
    disk.bodies[image.index] = std::move(body);
  }
  for (const auto& [page, bytes] : task.put_pages) disk.pages[page] = bytes.Flatten();
  for (const Index index : task.drop_bodies) disk.bodies.erase(index);
  for (const BodyCut& cut : task.cut_bodies) {
    if (const auto body = disk.bodies.find(cut.index); body != disk.bodies.end())
      body->second.keep = cut.keep;
  }
  if (task.checkpoint.has_value()) {
    const EntryId applied = task.checkpoint->applied;
    PONTOON_CHECK_MSG(!disk.checkpoint.has_value() || disk.checkpoint->applied <= applied,
                      "a checkpoint older than the one it replaces");
    const auto header = disk.headers.find(applied.index);
    PONTOON_CHECK_MSG((header != disk.headers.end() && header->second.id == applied) ||
                          (disk.checkpoint.has_value() && disk.checkpoint->applied == applied),
                      "a checkpoint is never ahead of the log");
    disk.checkpoint = task.checkpoint;
  }
  for (const PageId page : task.drop_pages) disk.pages.erase(page);
}

absl::StatusOr<RecoveredGroup> MemoryLogStore::RecoverBlocking(GroupId group) {
  PONTOON_CHECK_MSG(queue_.empty(), "recovers only what a crash has left");
  const Disk& disk = disk_[group];
  RecoveredGroup recovered{
      .hard_state = disk.hard_state,
      .checkpoint = disk.checkpoint,
      .entries = {},
      .epoch = disk.epoch,
      .quarantined = disk.quarantined,
      .ended_through = disk.ended_through,
      .staging = disk.staging};
  const Index covered = disk.checkpoint.has_value() ? disk.checkpoint->applied.index : Index{0};
  for (auto it = disk.headers.upper_bound(covered); it != disk.headers.end(); ++it) {
    recovered.entries.push_back(it->second);
  }
  return recovered;
}

absl::StatusOr<base::Slice> MemoryLogStore::ReadBody(GroupId group, const BodyRead& read) const {
  const auto missing = [&read] {
    return absl::NotFoundError(absl::StrCat("bytes ", read.offset, "+", read.size,
                                            " of the body of entry ", read.index.value));
  };
  const auto disk = disk_.find(group);
  if (disk == disk_.end()) return missing();
  const auto body = disk->second.bodies.find(read.index);
  if (body == disk->second.bodies.end()) return missing();
  if (body->second.damaged)
    return absl::DataLossError(absl::StrCat("the body of entry ", read.index.value));
  for (const BodyExtent& extent : body->second.keep) {
    if (read.offset < extent.offset || read.offset - extent.offset > extent.size) continue;
    if (read.size > extent.size - (read.offset - extent.offset)) continue;
    return body->second.bytes.Sub(read.offset, read.size);
  }
  return missing();
}

void MemoryLogStore::ReadBodies(
    GroupId group, std::vector<BodyRead> reads,
    std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) {
  reads_.push_back([this, group, reads = std::move(reads), done = std::move(done)] {
    std::vector<absl::StatusOr<base::Slice>> slices;
    for (const BodyRead& read : reads) slices.push_back(ReadBody(group, read));
    done(std::move(slices));
  });
}

void MemoryLogStore::ReadPage(GroupId group, PageId page,
                              std::function<void(absl::StatusOr<base::Slice>)> done) {
  reads_.push_back([this, group, page, done = std::move(done)] {
    const auto disk = disk_.find(group);
    if (disk != disk_.end()) {
      if (const auto it = disk->second.pages.find(page); it != disk->second.pages.end())
        return done(it->second);
    }
    done(absl::NotFoundError(absl::StrCat("page ", page.value)));
  });
}

absl::StatusOr<std::vector<Entry>> MemoryLogStore::ReadLog(GroupId group, Index from, Index to,
                                                           uint64_t bytes_max) const {
  std::vector<Entry> entries;
  const auto disk = disk_.find(group);
  uint64_t bytes = 0;
  for (Index index = from; disk != disk_.end() && index <= to; index = index + 1) {
    const auto header = disk->second.headers.find(index);
    if (header == disk->second.headers.end()) break;
    Entry entry = header->second;
    const absl::StatusOr<BodyImage> body = ReadImage(group, index, true);
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
    bytes += EntryCost(entry);
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) return absl::NotFoundError(absl::StrCat("entry ", from.value));
  return entries;
}

absl::StatusOr<BodyImage> MemoryLogStore::ReadImage(GroupId group, Index index,
                                                    bool with_bytes) const {
  const auto disk = disk_.find(group);
  if (disk == disk_.end()) return absl::NotFoundError("no such group");
  const auto it = disk->second.bodies.find(index);
  if (it == disk->second.bodies.end())
    return absl::NotFoundError(absl::StrCat("the body of entry ", index.value));
  const Body& body = it->second;
  if (body.damaged) return absl::DataLossError(absl::StrCat("the body of entry ", index.value));
  BodyImage image{.index = index, .body_bytes = body.body_bytes, .extents = {}, .bytes = {}};
  for (const BodyExtent& extent : body.keep) {
    const base::Slice part = body.bytes.Sub(extent.offset, extent.size);
    image.extents.push_back({extent.offset, extent.size, base::Crc32c(part.view())});
    if (with_bytes) image.bytes.Append(part);
  }
  return image;
}

void MemoryLogStore::ReadEntries(GroupId group, Index from, Index to, uint64_t bytes_max,
                                 std::function<void(absl::StatusOr<std::vector<Entry>>)> done) {
  reads_.push_back([this, group, from, to, bytes_max, done = std::move(done)] {
    done(ReadLog(group, from, to, bytes_max));
  });
}

void MemoryLogStore::ReadBodyImages(
    GroupId group, std::vector<Index> bodies, bool with_bytes,
    std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) {
  reads_.push_back([this, group, bodies = std::move(bodies), with_bytes, done = std::move(done)] {
    std::vector<absl::StatusOr<BodyImage>> images;
    for (const Index index : bodies) images.push_back(ReadImage(group, index, with_bytes));
    done(std::move(images));
  });
}

void MemoryLogStore::ReadCheckpoint(GroupId group,
                                    std::function<void(absl::StatusOr<Checkpoint>)> done) {
  reads_.push_back([this, group, done = std::move(done)] {
    const auto disk = disk_.find(group);
    if (disk == disk_.end() || !disk->second.checkpoint.has_value())
      return done(absl::NotFoundError("no checkpoint"));
    done(*disk->second.checkpoint);
  });
}

void MemoryLogStore::AnswerReads() {
  const auto reads = std::exchange(reads_, {});
  for (const auto& read : reads) read();
}

void MemoryLogStore::DamageBody(GroupId group, Index index) {
  const auto body = disk_[group].bodies.find(index);
  PONTOON_CHECK(body != disk_[group].bodies.end());
  body->second.damaged = true;
}

bool MemoryLogStore::HasBody(GroupId group, Index index) const {
  const auto disk = disk_.find(group);
  return disk != disk_.end() && disk->second.bodies.contains(index);
}

uint64_t MemoryLogStore::body_bytes() const {
  uint64_t total = 0;
  for (const auto& [group, disk] : disk_) {
    for (const auto& [index, body] : disk.bodies) {
      for (const BodyExtent& extent : body.keep) total += extent.size;
    }
  }
  return total;
}

std::vector<PageId> MemoryLogStore::pages(GroupId group) const {
  std::vector<PageId> ids;
  if (const auto disk = disk_.find(group); disk != disk_.end()) {
    for (const auto& [page, bytes] : disk->second.pages) ids.push_back(page);
  }
  return ids;
}

std::vector<EntryId> MemoryLogStore::headers(GroupId group) const {
  std::vector<EntryId> ids;
  if (const auto disk = disk_.find(group); disk != disk_.end()) {
    for (const auto& [index, entry] : disk->second.headers) ids.push_back(entry.id);
  }
  return ids;
}

}  // namespace pontoon::raft
