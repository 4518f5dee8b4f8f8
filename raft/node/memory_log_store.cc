#include "raft/node/memory_log_store.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {
namespace {

// What a task takes of a disk that is full.
uint64_t BytesOf(const StorageTask& task) {
  uint64_t bytes = kEntryOverheadBytes;
  for (const Entry& entry : task.append) bytes += EntryCost(entry);
  if (task.install != nullptr) bytes += task.install->checkpoint.root.size();
  return bytes;
}

uint64_t BytesOf(const StateTask& task) {
  uint64_t bytes = kEntryOverheadBytes;
  for (const auto& [page, content] : task.put_pages) bytes += content.size();
  for (const BodyImage& image : task.put_bodies) bytes += image.bytes.size();
  if (task.checkpoint.has_value()) bytes += task.checkpoint->root.size();
  return bytes;
}

}  // namespace

void MemoryLogStore::Submit(StorageTask task) {
  if (failed_) return;
  IoSeq& last = submitted_[task.group];
  PONTOON_CHECK_MSG(task.seq > last, "a task's number must be higher than the one before");
  last = task.seq;
  queue_.emplace_back(std::move(task));
}

void MemoryLogStore::Submit(StateTask task) {
  if (!failed_) queue_.emplace_back(std::move(task));
}

void MemoryLogStore::Write(size_t count) {
  count = std::min(count, queue_.size());
  const auto must_sync = [](const Task& task) {
    const auto* storage = std::get_if<StorageTask>(&task);
    return storage != nullptr && storage->must_sync;
  };
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  WriteBatch(count, std::any_of(queue_.begin(), end, must_sync));
}

void MemoryLogStore::WriteBatch(size_t count, bool sync) {
  if (failed_) return;
  count = std::min(count, queue_.size());
  if (count > 0 && (std::exchange(fail_next_, false) || !Fits(count))) return Fail();
  if (count > 0) ++last_batch_;
  for (; count > 0; --count) {
    history_.push_back({std::move(queue_.front()), last_batch_, synced_batch_});
    queue_.pop_front();
    disk_.Write(history_.back().task);
    NoteWritten(history_.back().task);
  }
  if (!sync) return;
  synced_ = history_.size();
  synced_batch_ = last_batch_;
  for (const auto& [group, applied] : std::exchange(written_checkpoints_, {}))
    checkpointed_[group] = applied;
  if (!mark_lags_) WriteMark();
}

void MemoryLogStore::NoteWritten(const Task& task) {
  if (const auto* storage = std::get_if<StorageTask>(&task)) {
    done_[storage->group] = storage->seq;
    return;
  }
  const auto& state = std::get<StateTask>(task);
  if (state.checkpoint.has_value()) written_checkpoints_[state.group] = state.checkpoint->applied;
  if (state.ticket != 0) written_tickets_.emplace_back(state.group, state.ticket);
}

bool MemoryLogStore::Fits(size_t count) {
  if (!full_) return true;
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; ++i)
    bytes += std::visit([](const auto& task) { return BytesOf(task); }, queue_[i]);
  if (bytes > reserve_bytes_) return false;
  reserve_bytes_ -= bytes;
  return true;
}

void MemoryLogStore::FillUp(uint64_t reserve_bytes) {
  full_ = true;
  reserve_bytes_ = reserve_bytes;
}

void MemoryLogStore::Fail() {
  failed_ = true;
  done_.clear();
  written_checkpoints_.clear();
  checkpointed_.clear();
  written_tickets_.clear();
  if (on_fatal_) on_fatal_();
}

bool MemoryLogStore::has_report() const {
  return !done_.empty() || !checkpointed_.empty() || !written_tickets_.empty();
}

void MemoryLogStore::Report() {
  const auto done = std::exchange(done_, {});
  const auto checkpointed = std::exchange(checkpointed_, {});
  const auto tickets = std::exchange(written_tickets_, {});
  for (const auto& [group, seq] : done) events_->OnStorageDone(group, seq);
  for (const auto& [group, applied] : checkpointed) events_->OnCheckpointDurable(group, applied);
  for (const auto& [group, ticket] : tickets) events_->OnStateWritten(group, ticket);
}

void MemoryLogStore::WriteMark() {
  for (; synced_ > 0; --synced_) {
    base_.Write(history_.front().task);
    history_.pop_front();
  }
}

void MemoryLogStore::CutHistory(size_t count) {
  if (count == history_.size()) return;
  history_.resize(count);
  synced_ = std::min(synced_, count);
  disk_ = base_;
  for (const Written& written : history_) disk_.Write(written.task);
}

void MemoryLogStore::Crash(base::Random* random, StorageEvents* events, LogDamage damage) {
  // Whatever was written or about to be may be on the disk, in order and in whole batches.
  if (MutantIs(Mutant::kGapAccepted) && queue_.size() > 1)
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(random->Below(queue_.size())));
  const uint64_t unsynced = history_.size() - synced_ + queue_.size();
  uint64_t kept = synced_ + (damage == LogDamage::kEnd ? 0 : random->Below(unsynced + 1));
  if (kept < history_.size()) {
    while (kept > synced_ && history_[kept].batch == history_[kept - 1].batch) --kept;
    CutHistory(kept);
    queue_.clear();
  }
  failed_ = false;
  full_ = false;
  fail_next_ = false;
  if (kept > history_.size()) WriteBatch(kept - history_.size(), /*sync=*/false);
  if (damage == LogDamage::kEnd) CutHistory(synced_);
  Die(events);
  if (damage == LogDamage::kBelowMark && MutantIs(Mutant::kMiddleCutAsTorn)) {
    CutHistory(random->Below(history_.size() + 1));
  } else if (damage == LogDamage::kBelowMark) {
    lost_ = true;
  }
  if (damage == LogDamage::kAboveMark && !history_.empty()) {
    size_t at = random->Below(history_.size());
    const uint64_t batch = history_[at].batch;
    if (history_.back().synced_before >= batch) {
      lost_ = true;
    } else {
      while (at > 0 && history_[at - 1].batch == batch) --at;
      CutHistory(at);
    }
  }
  if (damage == LogDamage::kEnd && !history_.empty()) {
    const uint64_t told = history_.back().synced_before;
    size_t at = history_.size();
    while (at > 0 && history_[at - 1].batch > told) --at;
    CutHistory(at);
  }
  disk_.Sweep();
  // A start vouches for all that it finds.
  base_ = disk_;
  history_.clear();
  synced_ = 0;
  synced_batch_ = last_batch_;
}

void MemoryLogStore::Die(StorageEvents* events) {
  queue_.clear();
  submitted_.clear();
  done_.clear();
  written_checkpoints_.clear();
  checkpointed_.clear();
  written_tickets_.clear();
  reads_.clear();
  failed_ = false;
  fail_next_ = false;
  full_ = false;
  events_ = events;
}

void MemoryLogStore::AcceptLoss(base::Random* random) {
  PONTOON_CHECK(lost_);
  lost_ = false;
  disk_.LoseTails(random);
  base_ = disk_;
}

void MemoryLogStore::Wipe(StorageEvents* events) { PutBack(MemoryDisk(), events); }

void MemoryLogStore::Drop(GroupId group) {
  PONTOON_CHECK(queue_.empty() && history_.empty());
  disk_.Drop(group);
  base_.Drop(group);
}

std::shared_ptr<const MemoryDisk> MemoryLogStore::Copy() const {
  auto copy = std::make_shared<MemoryDisk>(base_);
  for (size_t i = 0; i < synced_; ++i) copy->Write(history_[i].task);
  return copy;
}

void MemoryLogStore::PutBack(const MemoryDisk& copy, StorageEvents* events) {
  Die(events);
  history_.clear();
  synced_ = 0;
  synced_batch_ = last_batch_;
  lost_ = false;
  disk_ = copy;
  disk_.Sweep();
  base_ = disk_;
}

bool MemoryLogStore::DamageBody(GroupId group, Index index) {
  base_.DamageBody(group, index);
  return disk_.DamageBody(group, index);
}
bool MemoryLogStore::DamageHeader(GroupId group, Index index) {
  base_.DamageHeader(group, index);
  return disk_.DamageHeader(group, index);
}
bool MemoryLogStore::DamagePage(GroupId group, PageId page) {
  base_.DamagePage(group, page);
  return disk_.DamagePage(group, page);
}
bool MemoryLogStore::DamageCheckpoint(GroupId group) {
  base_.DamageCheckpoint(group);
  return disk_.DamageCheckpoint(group);
}

absl::StatusOr<RecoveredGroup> MemoryLogStore::RecoverBlocking(GroupId group) {
  PONTOON_CHECK_MSG(queue_.empty(), "recovers only what a crash has left");
  if (lost_) return absl::DataLossError("the log is damaged below the durable mark");
  return disk_.Recover(group);
}

void MemoryLogStore::ReadBodies(
    GroupId group, std::vector<BodyRead> reads,
    std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) {
  reads_.push_back([this, group, reads = std::move(reads), done = std::move(done)] {
    std::vector<absl::StatusOr<base::Slice>> slices;
    for (const BodyRead& read : reads) slices.push_back(disk_.ReadBody(group, read));
    done(std::move(slices));
  });
}

void MemoryLogStore::ReadPage(GroupId group, PageId page,
                              std::function<void(absl::StatusOr<base::Slice>)> done) {
  reads_.push_back(
      [this, group, page, done = std::move(done)] { done(disk_.ReadPage(group, page)); });
}

void MemoryLogStore::ReadEntries(GroupId group, Index from, Index to, uint64_t bytes_max,
                                 std::function<void(absl::StatusOr<std::vector<Entry>>)> done) {
  reads_.push_back([this, group, from, to, bytes_max, done = std::move(done)] {
    done(disk_.ReadEntries(group, from, to, bytes_max));
  });
}

void MemoryLogStore::ReadBodyImages(
    GroupId group, std::vector<Index> bodies, bool with_bytes,
    std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) {
  reads_.push_back([this, group, bodies = std::move(bodies), with_bytes, done = std::move(done)] {
    std::vector<absl::StatusOr<BodyImage>> images;
    for (const Index index : bodies)
      images.push_back(disk_.ReadBodyImage(group, index, with_bytes));
    done(std::move(images));
  });
}

void MemoryLogStore::ReadCheckpoint(GroupId group,
                                    std::function<void(absl::StatusOr<Checkpoint>)> done) {
  reads_.push_back([this, group, done = std::move(done)] { done(disk_.ReadCheckpoint(group)); });
}

void MemoryLogStore::AnswerReads() {
  const auto reads = std::exchange(reads_, {});
  for (const auto& read : reads) read();
}

}  // namespace pontoon::raft
