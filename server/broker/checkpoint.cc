#include <algorithm>

#include "absl/status/status.h"
#include "server/broker/replica.h"

// The image of a shard: a root with all that is small, and pages for the middle of deep queues,
// which are written once. The layout is in FORMAT.md.

namespace pontoon::broker {
namespace {

constexpr uint8_t kRootVersion = 1;

}  // namespace

void Replica::MakeCheckpoint() {
  for (const auto& [id, queue] : queues_) {
    for (const auto& [number, segment] : queue->segments()) {
      if (segment->page() == 0 && segment->full() && segment->live() >= Segment::kSlots / 2) {
        PageOut(queue.get(), number, segment.get());
      }
    }
  }

  std::string root;
  Encoder out(&root);
  out.U8(kRootVersion);
  out.U32(group_.value);
  out.U64(digest_);
  out.U64(static_cast<uint64_t>(log_time_nanos_));
  out.Varint(next_page_);
  sessions_.Encode(&out);
  out.Varint(queues_.size());
  for (const auto& [id, queue] : queues_) queue->Encode(&out);
  out.Varint(orphans_.size());
  for (const auto& [page, segment] : orphans_) segment->Encode(&out);
  ledger_.Encode(&out);
  sweeper_.Add(ledger_.TakeSparse(), ledger_);
  sweeper_.Encode(&out);
  // Pages that are dropped once this is durable; the drop itself may be lost in a crash.
  if (!retired_.empty()) {
    std::vector<uint64_t>& waiting = awaiting_[applied_];
    waiting.insert(waiting.end(), retired_.begin(), retired_.end());
    retired_.clear();
  }
  uint64_t waiting_pages = 0;
  for (const auto& [applied, pages] : awaiting_) waiting_pages += pages.size();
  out.Varint(waiting_pages);
  for (const auto& [applied, pages] : awaiting_) {
    for (const uint64_t page : pages) out.Varint(page);
  }

  state_.has_checkpoint = true;
  state_.applied = applied_;
  state_.root = std::move(root);
  checkpoint_page_ = next_page_;
  FlushState();
  // Checkpoints are made when there is much to reclaim, or nothing else to do.
  sweep_wanted_ = true;
  if (sweeper_.waiting_bytes() != 0) environment_->WantTurn();
}

bool Replica::RestoreRoot(Decoder* in) {
  digest_ = in->U64();
  log_time_nanos_ = static_cast<int64_t>(in->U64());
  next_page_ = checkpoint_page_ = in->Varint();
  if (!sessions_.Restore(in)) return false;
  const uint64_t queues = in->Bounded(in->left());
  for (uint64_t i = 0; i < queues && in->ok(); ++i) {
    auto queue = std::make_unique<QueueState>(QueueId());
    if (!queue->Restore(in)) return false;
    for (const auto& [number, segment] : queue->segments()) {
      if (segment->owes()) debts_[segment->page()] = {queue->id(), number};
    }
    const QueueId id = queue->id();
    queues_[id] = std::move(queue);
  }
  const uint64_t orphans = in->Bounded(in->left());
  for (uint64_t i = 0; i < orphans && in->ok(); ++i) {
    auto segment = std::make_unique<Segment>();
    if (!segment->Restore(in) || segment->page() == 0) return false;
    const uint64_t page = segment->page();
    orphans_[page] = std::move(segment);
  }
  if (!ledger_.Restore(in) || !sweeper_.Restore(in, ledger_)) return false;
  const uint64_t pages = in->Bounded(in->left());
  for (uint64_t i = 0; i < pages && in->ok(); ++i) state_.drop_pages.push_back(in->Varint());
  return in->ok() && in->done();
}

absl::Status Replica::Restore(uint64_t applied, absl::string_view root) {
  Decoder in(root);
  const uint8_t version = in.U8();
  if (version > kRootVersion)
    return absl::FailedPreconditionError("the checkpoint of a shard is of a newer version");
  if (version != kRootVersion || in.U32() != group_.value || !RestoreRoot(&in)) {
    return absl::DataLossError("the checkpoint of a shard is damaged");
  }
  applied_ = applied;
  return absl::OkStatus();
}

CheckpointContents Replica::Contents() const {
  CheckpointContents contents;
  for (const auto& [id, queue] : queues_) {
    for (const auto& [number, segment] : queue->segments()) {
      if (segment->page() != 0) contents.pages.push_back(segment->page());
    }
  }
  for (const auto& [page, segment] : orphans_) contents.pages.push_back(page);
  std::sort(contents.pages.begin(), contents.pages.end());
  ledger_.ListRuns(&contents.bodies);
  return contents;
}

absl::StatusOr<CheckpointContents> ListCheckpoint(GroupId group, absl::string_view root) {
  Replica replica(group, nullptr);
  if (absl::Status restored = replica.Restore(0, root); !restored.ok()) return restored;
  CheckpointContents contents = replica.Contents();
  for (size_t i = 1; i < contents.pages.size(); ++i) {
    if (contents.pages[i] == contents.pages[i - 1])
      return absl::DataLossError("the checkpoint of a shard names a page twice");
  }
  return contents;
}

}  // namespace pontoon::broker
