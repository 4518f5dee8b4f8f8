#include <algorithm>
#include <utility>

#include "server/broker/replica.h"

// What a replica keeps on disk beside the log: pages that are written, read and dropped, bodies
// that are dropped and cut.

namespace pontoon::broker {
namespace {

// Pages that are read at once to release what they owe.
constexpr size_t kDebtReadsMax = 4;
// Mostly settled bodies are looked at in rounds: when there is much to win, else at most so often.
constexpr uint64_t kSweepBytes = 16 << 20;
constexpr base::Duration kSweepPause = base::Seconds(10);

}  // namespace

void Replica::PageOutBehind(QueueState* queue, uint64_t tail_before) {
  // The segment before the one that just became full, unless the queue begins there or it is mostly
  // gone already: then it will be empty soon.
  const uint64_t full = tail_before / Segment::kSlots;
  if (full == 0) return;
  const auto it = queue->segments().find(full - 1);
  if (it == queue->segments().end() || it == queue->segments().begin()) return;
  Segment* segment = it->second.get();
  if (segment->page() != 0 || !segment->full() || segment->live() < Segment::kSlots / 2) return;
  PageOut(queue, full - 1, segment);
}

void Replica::PageOut(QueueState* queue, uint64_t number, Segment* segment) {
  segment->set_page(next_page_++);
  state_.put_pages.emplace_back(segment->page(),
                                base::SliceChain(base::Slice::Copy(segment->EncodePage())));
  if (listener_ == nullptr || !listener_->WantsLoaded(*queue, number)) segment->Unload();
}

void Replica::RetirePage(uint64_t page) {
  if (page >= checkpoint_page_) {
    state_.drop_pages.push_back(page);
  } else {
    retired_.push_back(page);
  }
}

void Replica::OnCheckpointDurable(uint64_t applied) {
  while (!awaiting_.empty() && awaiting_.begin()->first <= applied) {
    const std::vector<uint64_t>& pages = awaiting_.begin()->second;
    state_.drop_pages.insert(state_.drop_pages.end(), pages.begin(), pages.end());
    awaiting_.erase(awaiting_.begin());
  }
  FlushState();
}

void Replica::OnTurn(base::MonotonicTime now) {
  if (!sweeper_.running()) {
    const uint64_t bytes = sweeper_.waiting_bytes();
    if (bytes == 0 || (!sweep_wanted_ && bytes < kSweepBytes && now - swept_ < kSweepPause)) return;
    sweep_wanted_ = false;
    swept_ = now;
    sweeper_.Start();
  }
  const BodySweeper::PageNeeded needed = sweeper_.Step(queues_, ledger_, &state_.cut_bodies);
  if (needed.page != 0) {
    sweep_pages_[ReadPageOf(needed.page, needed.queue, needed.segment)] = needed;
  } else if (sweeper_.running() && sweep_pages_.empty()) {
    environment_->WantTurn();
  }
}

void Replica::FlushState() {
  ReadDebts();
  sweeper_.Add(ledger_.TakeSparse(), ledger_);
  std::vector<uint64_t> dropped = ledger_.TakeDropped();
  if (state_.drop_bodies.empty()) {
    state_.drop_bodies = std::move(dropped);
  } else {
    state_.drop_bodies.insert(state_.drop_bodies.end(), dropped.begin(), dropped.end());
  }
  if (state_.put_pages.empty() && state_.drop_pages.empty() && state_.drop_bodies.empty() &&
      state_.cut_bodies.empty() && !state_.has_checkpoint) {
    return;
  }
  environment_->SubmitState(std::exchange(state_, {}));
}

size_t Replica::memory_bytes() const {
  size_t bytes = ledger_.memory_bytes() + orphans_.size() * sizeof(Segment);
  for (const auto& [id, queue] : queues_) bytes += queue->memory_bytes();
  return bytes;
}

void Replica::WantSegment(QueueState* queue, uint64_t number) {
  const auto it = queue->segments().find(number);
  if (it == queue->segments().end() || it->second->loaded()) return;
  const uint64_t page = it->second->page();
  if (reading_.contains(page)) return;
  if (unreadable_.contains(page)) {
    if (listener_ != nullptr) listener_->OnSegmentUnreadable(queue, number);
    return;
  }
  ReadPageOf(page, queue->id(), number);
}

uint64_t Replica::ReadPageOf(uint64_t page, QueueId queue, uint64_t segment) {
  const uint64_t read = next_read_++;
  page_reads_[read] = {page, queue, segment};
  reading_[page] = read;
  environment_->ReadPage(read, page);
  return read;
}

void Replica::ReadDebts() {
  for (auto it = debts_.begin(); it != debts_.end() && page_reads_.size() < kDebtReadsMax; ++it) {
    if (unreadable_.contains(it->first)) continue;
    if (QueueState* queue = FindQueue(it->second.queue)) WantSegment(queue, it->second.segment);
  }
  for (auto it = orphans_.begin(); it != orphans_.end() && page_reads_.size() < kDebtReadsMax;
       ++it) {
    if (reading_.contains(it->first) || unreadable_.contains(it->first)) continue;
    ReadPageOf(it->first, QueueId(), 0);
  }
}

void Replica::OnUnreadable(const PageRead& read) {
  unreadable_[read.page] = true;
  QueueState* queue = FindQueue(read.queue);
  if (queue == nullptr || listener_ == nullptr) return;
  const auto it = queue->segments().find(read.segment);
  if (it == queue->segments().end() || it->second->page() != read.page || it->second->loaded())
    return;
  listener_->OnSegmentUnreadable(queue, read.segment);
}

bool Replica::OnPage(uint64_t read, const absl::StatusOr<base::Slice>& bytes) {
  if (const auto sweep = sweep_pages_.find(read); sweep != sweep_pages_.end()) {
    sweeper_.OnPage(queues_, sweep->second, bytes.ok() ? bytes->view() : absl::string_view());
    sweep_pages_.erase(sweep);
    environment_->WantTurn();
  }
  const auto it = page_reads_.find(read);
  if (it == page_reads_.end()) return false;
  const PageRead want = it->second;
  page_reads_.erase(it);
  reading_.erase(want.page);
  if (!bytes.ok()) {
    OnUnreadable(want);
    return true;
  }
  const auto released = [this](const Reference& reference, uint64_t n) {
    ReleaseReference(reference, n);
  };
  if (const auto orphan = orphans_.find(want.page); orphan != orphans_.end()) {
    if (!orphan->second->Load(bytes->view(), released)) {
      unreadable_[want.page] = true;
      return true;
    }
    orphans_.erase(orphan);
    RetirePage(want.page);
    FlushState();
    return true;
  }
  QueueState* queue = FindQueue(want.queue);
  const auto segment =
      queue == nullptr ? QueueState::Segments::iterator() : queue->segments().find(want.segment);
  if (queue == nullptr || segment == queue->segments().end() ||
      segment->second->page() != want.page || segment->second->loaded()) {
    return true;  // It went meanwhile.
  }
  const uint64_t bytes_before = queue->totals().bytes;
  if (!queue->LoadSegment(want.segment, bytes->view(), released)) {
    OnUnreadable(want);
    return true;
  }
  debts_.erase(want.page);
  if (listener_ != nullptr)
    listener_->OnSettled(queue, SettleReason::kAcknowledged, 0,
                         bytes_before - queue->totals().bytes);
  if (listener_ == nullptr || !listener_->WantsLoaded(*queue, want.segment)) {
    segment->second->Unload();
  } else {
    listener_->OnSegmentLoaded(queue, want.segment);
  }
  FlushState();
  return true;
}

}  // namespace pontoon::broker
