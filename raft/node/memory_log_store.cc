#include "raft/node/memory_log_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

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
    } else if (const auto& state = std::get<StateTask>(queue_.front());
               state.checkpoint.has_value()) {
      checkpointed_[state.group] = state.checkpoint->applied;
    }
    queue_.pop_front();
  }
}

void MemoryLogStore::Report() {
  const auto done = std::exchange(done_, {});
  const auto checkpointed = std::exchange(checkpointed_, {});
  for (const auto& [group, seq] : done) events_->OnStorageDone(group, seq);
  for (const auto& [group, applied] : checkpointed) events_->OnCheckpointDurable(group, applied);
}

void MemoryLogStore::Crash(base::Random* random, StorageEvents* events) {
  const uint64_t kept = random->Below(queue_.size() + 1);
  Sync(kept);
  queue_.clear();
  submitted_.clear();
  done_.clear();
  checkpointed_.clear();
  reads_.clear();
  events_ = events;
}

void MemoryLogStore::Write(const StorageTask& task) {
  Disk& disk = disk_[task.group];
  if (task.hard_state.has_value()) {
    PONTOON_CHECK(task.hard_state->term >= disk.hard_state.term);
    disk.hard_state = *task.hard_state;
  }
  if (task.truncate_from.has_value()) {
    PONTOON_CHECK(!disk.checkpoint.has_value() ||
                  *task.truncate_from > disk.checkpoint->applied.index);
    disk.headers.erase(disk.headers.lower_bound(*task.truncate_from), disk.headers.end());
    disk.bodies.erase(disk.bodies.lower_bound(*task.truncate_from), disk.bodies.end());
  }
  for (const Entry& entry : task.append) {
    Index last;
    if (disk.checkpoint.has_value()) last = disk.checkpoint->applied.index;
    if (!disk.headers.empty()) last = std::prev(disk.headers.end())->first;
    PONTOON_CHECK_MSG(entry.id.index == last + 1, "the log has no holes");
    Entry header = entry;
    header.body.Clear();
    disk.headers.emplace(entry.id.index, std::move(header));
    if (entry.body.empty()) continue;
    const uint32_t size = static_cast<uint32_t>(entry.body.size());
    disk.bodies[entry.id.index] = {.keep = {{0, size}}, .bytes = entry.body.Flatten()};
  }
  if (task.compact_to.has_value()) {
    PONTOON_CHECK_MSG(
        disk.checkpoint.has_value() && disk.checkpoint->applied.index >= *task.compact_to,
        "headers go only where a durable checkpoint covers them");
    disk.headers.erase(disk.headers.begin(), disk.headers.upper_bound(*task.compact_to));
  }
}

void MemoryLogStore::Write(const StateTask& task) {
  Disk& disk = disk_[task.group];
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
      .hard_state = disk.hard_state, .checkpoint = disk.checkpoint, .entries = {}};
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
