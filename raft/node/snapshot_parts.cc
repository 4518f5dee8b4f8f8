#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "raft/core/mutants.h"
#include "raft/node/snapshot_fetcher.h"

// What the fetcher does with an answer. A peer made it: whatever in it cannot be true makes it
// nothing.

namespace pontoon::raft {
namespace {

// How many to ask for next time, after `answered` of `asked` fitted into one answer.
size_t NextBatch(size_t asked, size_t answered, size_t batch) {
  if (answered < asked) return std::max<size_t>(1, answered);
  return std::min(std::max(batch, 2 * asked), kSnapshotItemsMax);
}

// Whether an image can be a body of `index`, and its bytes are what its checksums say.
bool IsSound(const BodyImage& image, Index index) {
  if (image.index != index || image.body_bytes == 0 || image.body_bytes > kEntryBodyBytesMax ||
      image.extents.empty())
    return false;
  uint64_t end = 0;
  uint64_t bytes = 0;
  for (const BodyImage::Extent& extent : image.extents) {
    if (extent.size == 0 || extent.offset < end) return false;
    end = uint64_t{extent.offset} + extent.size;
    bytes += extent.size;
  }
  if (end > image.body_bytes || bytes != image.bytes.size()) return false;
  size_t at = 0;
  for (const BodyImage::Extent& extent : image.extents) {
    if (base::Crc32c(image.bytes.Sub(at, extent.size)) != extent.crc &&
        !MutantIs(Mutant::kPartsUnchecked))
      return false;
    at += extent.size;
  }
  return true;
}

// What a state machine says that a root holds is checked as if a peer had said it, since a peer
// made the root.
bool IsSound(const StateMachine::Contents& contents, Index applied) {
  for (size_t i = 0; i < contents.pages.size(); ++i) {
    if (contents.pages[i].value > kPageIdMax) return false;
    if (i > 0 && contents.pages[i] <= contents.pages[i - 1]) return false;
  }
  Index end{1};
  for (const IndexRun& run : contents.bodies) {
    if (run.count == 0 || run.first < end || run.first > applied) return false;
    if (run.count - 1 > applied.value - run.first.value) return false;
    end = run.first + run.count;
  }
  return true;
}

}  // namespace

bool SnapshotFetcher::OnPart(const ReplicaId& from, Term term, const SnapshotPart& part) {
  const auto asked = asked_.find(part.request);
  if (from != from_ || asked == asked_.end() || asked->second.request.kind != part.kind) {
    ++counters_.dropped;
    return false;
  }
  if (phase_ == Phase::kParts && host_->AppliedIndex(group_) >= checkpoint_.applied.index) {
    // It got there by the log. Bodies that came now might never be let go.
    ++counters_.dropped;
    Abandon();
    return false;
  }
  const SnapshotPart request = asked->second.request;
  const bool newest = request.checkpoint == EntryId{};
  if (part.gone) {
    if (newest) return true;  // It has none so far: asked again later.
    ++counters_.parts;
    BeginRoot();
    Pump();
    return true;
  }
  bool used = newest || part.checkpoint == request.checkpoint;
  if (used) {
    switch (part.kind) {
      case SnapshotPart::Kind::kRoot:
        used = OnRootPart(request, part);
        break;
      case SnapshotPart::Kind::kPages:
        used = OnPagesPart(request, part);
        break;
      case SnapshotPart::Kind::kBodies:
        used = OnBodiesPart(request, part);
        break;
    }
  }
  if (used) {
    ++counters_.parts;
    term_ = std::max(term_, term);
    progress_ = now_;
    asked_.erase(part.request);
    if (phase_ == Phase::kRoot && root_received_ == root_bytes_) OnRootComplete();
  } else {
    ++counters_.dropped;  // Whatever it was meant to be; the right one may still come.
  }
  Pump();
  return used;
}

bool SnapshotFetcher::OnRootPart(const SnapshotPart& request, const SnapshotPart& part) {
  const bool first = request.checkpoint == EntryId{};
  if (part.offset != request.offset || part.root.size() > 2 * kSnapshotPartBytes ||
      part.root_bytes > kRootBytesMax || part.root_bytes == 0 || part.root.empty() ||
      part.offset > part.root_bytes || part.root.size() > part.root_bytes - part.offset)
    return false;
  if (first) {
    if (part.checkpoint.index == Index{0} || part.checkpoint.index.value > kHighestNumber ||
        part.checkpoint.term.value > kHighestNumber || part.checkpoint < at_least_)
      return false;
    checkpoint_.applied = part.checkpoint;
    checkpoint_.membership = part.membership;
    checkpoint_.page_generation = part.page_generation;
    root_bytes_ = part.root_bytes;
    root_crc_ = part.root_crc;
    root_asked_ = root_stretch_ = part.root.size();
  } else if (part.root_bytes != root_bytes_ || part.root_crc != root_crc_) {
    return false;
  }
  // The sender gives as much as it likes at once; what follows the stretch is asked for beside it.
  const uint64_t asked = first ? part.root.size() : request.root_bytes;
  const uint64_t taken = std::min<uint64_t>(part.root.size(), asked);
  root_received_ += taken;
  root_parts_[part.offset] = part.root.Sub(0, taken);
  if (taken < asked) {
    SnapshotPart rest = request;
    rest.offset += taken;
    rest.root_bytes = asked - taken;
    Ask(std::move(rest));
  }
  return true;
}

void SnapshotFetcher::OnRootComplete() {
  base::SliceChain root;
  for (auto& [offset, part] : std::exchange(root_parts_, {})) root.Append(part);
  absl::StatusOr<StateMachine::Contents> contents = absl::DataLossError("checksum");
  if (base::Crc32c(root) == root_crc_ || MutantIs(Mutant::kPartsUnchecked)) {
    checkpoint_.root.resize(root.size());
    root.AppendTo(checkpoint_.root.data());
    contents = machine_->ListContents(checkpoint_.root);
  }
  if (!contents.ok() || !IsSound(*contents, checkpoint_.applied.index)) {
    ++counters_.damaged_roots;
    BeginRoot();
    return;
  }
  phase_ = Phase::kParts;
  const uint16_t own = host_->PageGeneration(group_);
  const Staging staging{from_, checkpoint_.page_generation, static_cast<uint16_t>(own + 1)};
  const bool any = MutantIs(Mutant::kPagesOfAnotherSender) && staging_.has_value() &&
                   staging_->generation == staging.generation;
  if (staging_ != staging && !any) {
    // Also what an earlier life may have left there.
    StateTask begin;
    begin.drop_generation = staging.generation;
    begin.staging = staging;
    Submit(std::move(begin), 0);
    staging_ = staging;
    staged_.clear();
  }
  named_.clear();
  named_.insert(contents->pages.begin(), contents->pages.end());
  for (const PageId page : contents->pages) {
    if (!staged_.contains(page)) pages_wanted_.push_back(page);
  }
  live_ = std::move(contents->bodies);
  ScanFromTheStart();
}

bool SnapshotFetcher::OnPagesPart(const SnapshotPart& request, const SnapshotPart& part) {
  if (part.page_bytes.empty() || part.page_bytes.size() > request.pages.size()) return false;
  if (MutantIs(Mutant::kShortAnswerCountsAsAll))
    staged_.insert(request.pages.begin(), request.pages.end());
  StateTask task;
  uint64_t bytes = 0;
  for (size_t i = 0; i < part.page_bytes.size(); ++i) {
    bytes += part.page_bytes[i].size();
    staged_.insert(request.pages[i]);
    task.put_pages.emplace_back(StoredPage(staging_->generation, request.pages[i]),
                                part.page_bytes[i]);
  }
  counters_.pages += part.page_bytes.size();
  page_batch_ = NextBatch(request.pages.size(), part.page_bytes.size(), page_batch_);
  if (!MutantIs(Mutant::kShortAnswerCountsAsAll)) TakeBack(request, part.page_bytes.size());
  Submit(std::move(task), bytes);
  return true;
}

bool SnapshotFetcher::OnBodiesPart(const SnapshotPart& request, const SnapshotPart& part) {
  if (part.body_answers.empty() || part.body_answers.size() > request.bodies.size()) return false;
  for (size_t i = 0; i < part.body_answers.size(); ++i) {
    const BodyAnswer& answer = part.body_answers[i];
    const BodyWanted& wanted = request.bodies[i];
    if (answer.index != wanted.index || answer.ended.value > kHighestNumber) return false;
    switch (answer.kind) {
      case BodyAnswer::Kind::kSame:
        if (wanted.fingerprint == 0) return false;
        break;
      case BodyAnswer::Kind::kBytes:
        if (!IsSound(answer.image, wanted.index)) return false;
        break;
      case BodyAnswer::Kind::kEnded:
        if (answer.ended < checkpoint_.applied.index) return false;
        break;
    }
  }
  StateTask task;
  uint64_t bytes = 0;
  for (size_t i = 0; i < part.body_answers.size(); ++i) {
    const BodyAnswer& answer = part.body_answers[i];
    ended_through_ = std::max(ended_through_, answer.ended);
    if (answer.kind == BodyAnswer::Kind::kEnded) {
      ++counters_.bodies_ended;
      ended_.Add(answer.index);
      continue;
    }
    have_.Add(answer.index);
    if (answer.kind == BodyAnswer::Kind::kSame) {
      ++counters_.bodies_same;
      continue;
    }
    ++counters_.bodies;
    // The log here may get to need what the sender has cut off.
    if (request.bodies[i].fingerprint != 0 && !IsWhole(answer.image)) {
      cut_.push_back(answer.image);
      continue;
    }
    bytes += answer.image.bytes.size();
    put_.Add(answer.index);
    task.put_bodies.push_back(answer.image);
  }
  body_batch_ = NextBatch(request.bodies.size(), part.body_answers.size(), body_batch_);
  TakeBack(request, part.body_answers.size());
  if (!task.put_bodies.empty()) Submit(std::move(task), bytes);
  return true;
}

// What a request asked for beyond the first `answered` items is wanted still.
void SnapshotFetcher::TakeBack(const SnapshotPart& request, size_t answered) {
  pages_wanted_.insert(pages_wanted_.begin(),
                       request.pages.begin() + std::min(answered, request.pages.size()),
                       request.pages.end());
  bodies_wanted_.insert(bodies_wanted_.begin(),
                        request.bodies.begin() + std::min(answered, request.bodies.size()),
                        request.bodies.end());
}

}  // namespace pontoon::raft
