#include "server/broker/body_sweeper.h"

#include <algorithm>

namespace pontoon::broker {
namespace {

// Bodies of one round: bounds its memory.
constexpr size_t kEntriesPerRound = 16384;
// Segments of one step that are looked into, and that are passed over.
constexpr int kVisitsPerStep = 32;
constexpr int kSegmentsPerStep = 8192;
// Storage keeps a limited number of parts of a body.
constexpr size_t kExtentsMax = 4096;

}  // namespace

void BodySweeper::Add(const std::vector<uint64_t>& entries, const BodyLedger& ledger) {
  for (const uint64_t entry : entries) {
    if (ledger.BytesOf(entry) != 0 && waiting_.insert(entry).second)
      waiting_bytes_ += ledger.BytesOf(entry);
  }
}

void BodySweeper::Encode(Encoder* out) const {
  out->Varint(waiting_.size() + found_.size());
  uint64_t last = 0;
  const auto write = [&](uint64_t entry) {
    out->Signed(static_cast<int64_t>(entry - last));
    last = entry;
  };
  for (const uint64_t entry : waiting_) write(entry);
  for (const auto& [entry, found] : found_) write(entry);
}

bool BodySweeper::Restore(Decoder* in, const BodyLedger& ledger) {
  std::vector<uint64_t> entries;
  uint64_t entry = 0;
  for (uint64_t n = in->Bounded(in->left()); n != 0 && in->ok(); --n) {
    entry += static_cast<uint64_t>(in->Signed());
    entries.push_back(entry);
  }
  if (in->ok()) Add(entries, ledger);
  return in->ok();
}

void BodySweeper::Start() {
  running_ = true;
  page_pending_ = false;
  waiting_bytes_ = 0;
  while (!waiting_.empty() && found_.size() < kEntriesPerRound) {
    found_[*waiting_.begin()];
    waiting_.erase(waiting_.begin());
  }
  queue_ = QueueId();
  segment_ = 0;
}

void BodySweeper::Visit(const Segment& segment, absl::string_view page) {
  const auto wanted = [this](uint64_t first, uint64_t last) {
    const auto it = found_.lower_bound(first);
    return it != found_.end() && it->first <= last;
  };
  segment.VisitLive(page, wanted, [this](const Reference& reference) {
    const auto it = found_.find(reference.entry);
    if (it == found_.end()) return;
    Found& found = it->second;
    ++found.references;
    const uint32_t size = reference.first_piece == 0 ? static_cast<uint32_t>(reference.bytes())
                                                     : reference.envelope_bytes;
    if (!found.extents.empty() &&
        found.extents.back().first + found.extents.back().second == reference.offset) {
      found.extents.back().second += size;
    } else {
      found.extents.emplace_back(reference.offset, size);
    }
  });
}

BodySweeper::PageNeeded BodySweeper::Step(const Queues& queues, const BodyLedger& ledger,
                                          std::vector<BodyKeep>* cuts) {
  if (page_pending_) return {};
  const uint64_t first = found_.empty() ? 0 : found_.begin()->first;
  const uint64_t last = found_.empty() ? 0 : found_.rbegin()->first;
  int visits = kVisitsPerStep;
  int passes = kSegmentsPerStep;
  for (auto queue = queues.lower_bound(queue_); queue != queues.end(); ++queue) {
    if (queue->first != queue_) segment_ = 0;
    queue_ = queue->first;
    const QueueState::Segments& segments = queue->second->segments();
    for (auto it = segments.lower_bound(segment_); it != segments.end(); ++it) {
      segment_ = it->first;
      if (visits == 0 || passes-- == 0) return {};
      if (!it->second->MayTouch(first, last)) continue;
      --visits;
      if (!it->second->loaded()) {
        page_pending_ = true;
        return {it->second->page(), queue_, segment_};
      }
      Visit(*it->second, {});
    }
    segment_ = ~uint64_t{0};
    if (passes-- == 0) return {};
  }
  Finish(ledger, cuts);
  return {};
}

void BodySweeper::OnPage(const Queues& queues, const PageNeeded& needed, absl::string_view page) {
  page_pending_ = false;
  segment_ = needed.segment + 1;
  const auto queue = queues.find(needed.queue);
  if (queue == queues.end()) return;
  const auto segment = queue->second->segments().find(needed.segment);
  if (segment == queue->second->segments().end()) return;
  if (page.empty() && !segment->second->loaded())
    return;  // Its bodies are found to lack references, and kept whole.
  Visit(*segment->second, page);
}

void BodySweeper::Finish(const BodyLedger& ledger, std::vector<BodyKeep>* cuts) {
  running_ = false;
  for (auto& [entry, found] : found_) {
    const uint32_t references = ledger.ReferencesOf(entry);
    if (references == 0) continue;
    // Messages that are settled and not yet released (their page was not read), or a page that
    // could not be read.
    if (found.references < references) continue;
    std::sort(found.extents.begin(), found.extents.end());
    BodyKeep keep;
    keep.index = entry;
    uint64_t kept = 0;
    for (const auto& [offset, size] : found.extents) {
      if (!keep.extents.empty() &&
          keep.extents.back().first + keep.extents.back().second >= offset) {
        const uint32_t end =
            std::max(keep.extents.back().first + keep.extents.back().second, offset + size);
        keep.extents.back().second = end - keep.extents.back().first;
      } else if (size != 0) {
        keep.extents.emplace_back(offset, size);
      }
    }
    for (const auto& [offset, size] : keep.extents) kept += size;
    if (kept * 2 > ledger.BytesOf(entry) || keep.extents.size() > kExtentsMax) continue;
    cuts->push_back(std::move(keep));
  }
  found_.clear();
}

}  // namespace pontoon::broker
