#include "raft/node/snapshot_fetcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace pontoon::raft {
namespace {

constexpr size_t kFirstPageBatch = 4;
constexpr size_t kFirstBodyBatch = 64;
// Own bodies compared at once; so many wait to be asked for at most, and as many again.
constexpr size_t kCompareBatch = kSnapshotItemsMax;

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
    if (base::Crc32c(image.bytes.Sub(at, extent.size)) != extent.crc) return false;
    at += extent.size;
  }
  return true;
}

// What a state machine says that a root holds is checked as if a peer had said it, since a peer
// made the root.
bool IsSound(const StateMachine::Contents& contents, Index applied) {
  PageId last_page;
  for (const PageId page : contents.pages) {
    if (page <= last_page && last_page.value != 0) return false;
    if (page.value > kPageIdMax) return false;
    last_page = page;
  }
  Index end;
  for (const IndexRun& run : contents.bodies) {
    if (run.count == 0 || run.first <= end || run.first > applied) return false;
    if (run.count - 1 > applied.value - run.first.value) return false;
    end = run.first + run.count;
  }
  return true;
}

}  // namespace

SnapshotFetcher::SnapshotFetcher(GroupId group, Host* host, const StateMachine* machine,
                                 SnapshotBudget* budget, uint64_t first_ticket)
    : group_(group),
      host_(host),
      machine_(machine),
      budget_(budget),
      next_ticket_(first_ticket),
      page_batch_(kFirstPageBatch),
      body_batch_(kFirstBodyBatch) {}

SnapshotFetcher::~SnapshotFetcher() { budget_->Release(group_); }

void SnapshotFetcher::Start(const ReplicaId& from, EntryId at_least) {
  heard_ = now_;
  at_least_ = std::max(at_least_, at_least);
  const bool switched = from != from_;
  from_ = from;
  if (phase_ == Phase::kIdle) phase_ = Phase::kQueued;
  if (switched && (phase_ == Phase::kRoot || phase_ == Phase::kParts)) {
    if (phase_ == Phase::kRoot || !PagesComplete()) {
      BeginRoot();
    } else {
      // Any replica that has applied as much can say what became of the bodies.
      for (auto& [number, asked] : std::exchange(asked_, {})) TakeBack(asked.request, 0);
    }
  }
  Pump();
}

void SnapshotFetcher::Tick(base::MonotonicTime now) {
  now_ = now;
  if (phase_ == Phase::kIdle || phase_ == Phase::kReady) return;
  if (now_ - heard_ > kGiveUpAfter) {
    Abandon();
    return;
  }
  for (auto& [number, asked] : asked_) {
    if (now_ - asked.at < kRequestTimeout) continue;
    asked.at = now_;
    ++counters_.requests;
    host_->SendRequest(group_, from_, asked.request);
  }
  Pump();
}

void SnapshotFetcher::OnPart(const ReplicaId& from, const SnapshotPart& part) {
  const auto asked = asked_.find(part.request);
  if (from != from_ || asked == asked_.end() || asked->second.request.kind != part.kind) {
    ++counters_.dropped;
    return;
  }
  const SnapshotPart request = asked->second.request;
  const bool newest = request.checkpoint == EntryId{};
  if (part.gone) {
    if (newest) return;  // It has none so far: asked again later.
    ++counters_.parts;
    BeginRoot();
    Pump();
    return;
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
    heard_ = now_;
    asked_.erase(part.request);
    if (phase_ == Phase::kRoot && root_received_ == root_bytes_) OnRootComplete();
  } else {
    ++counters_.dropped;  // Whatever it was meant to be; the right one may still come.
  }
  Pump();
}

bool SnapshotFetcher::OnRootPart(const SnapshotPart& request, const SnapshotPart& part) {
  const bool first = request.checkpoint == EntryId{};
  if (part.offset != request.offset || part.root.size() > 2 * kSnapshotPartBytes ||
      part.root_bytes > kRootBytesMax || part.root_bytes == 0 || part.root.empty() ||
      part.offset > part.root_bytes || part.root.size() > part.root_bytes - part.offset)
    return false;
  if (first) {
    if (part.checkpoint.index == Index{0} || part.checkpoint < at_least_) return false;
    checkpoint_.applied = part.checkpoint;
    checkpoint_.membership = part.membership;
    checkpoint_.page_generation = part.page_generation;
    root_bytes_ = part.root_bytes;
    root_crc_ = part.root_crc;
    root_asked_ = part.root.size();
  } else if (part.root_bytes != root_bytes_ || part.root_crc != root_crc_ ||
             part.root.size() > request.root_bytes) {
    return false;
  }
  root_received_ += part.root.size();
  root_parts_[part.offset] = part.root;
  if (const uint64_t asked = first ? part.root.size() : request.root_bytes;
      part.root.size() < asked) {
    // The rest of this stretch.
    SnapshotPart rest = request;
    rest.offset += part.root.size();
    rest.root_bytes = asked - part.root.size();
    Ask(std::move(rest));
  }
  return true;
}

void SnapshotFetcher::OnRootComplete() {
  base::SliceChain root;
  for (auto& [offset, part] : std::exchange(root_parts_, {})) root.Append(part);
  absl::StatusOr<StateMachine::Contents> contents = absl::DataLossError("checksum");
  if (base::Crc32c(root) == root_crc_) {
    checkpoint_.root.resize(root.size());
    root.AppendTo(checkpoint_.root.data());
    contents = machine_->ListContents(checkpoint_.root);
  }
  if (!contents.ok() || !IsSound(*contents, checkpoint_.applied.index)) {
    // Asked for again when the request for the beginning, which stands as if unanswered, is
    // repeated: a sender whose root is beyond us is not asked without a pause.
    ++counters_.damaged_roots;
    BeginRoot();
    return;
  }
  phase_ = Phase::kParts;
  const uint16_t own = host_->PageGeneration(group_);
  const Staging staging{from_, checkpoint_.page_generation, static_cast<uint16_t>(own + 1)};
  if (staging_ != staging) {
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
  TakeBack(request, part.page_bytes.size());
  Submit(std::move(task), bytes);
  return true;
}

bool SnapshotFetcher::OnBodiesPart(const SnapshotPart& request, const SnapshotPart& part) {
  if (part.body_answers.empty() || part.body_answers.size() > request.bodies.size()) return false;
  for (size_t i = 0; i < part.body_answers.size(); ++i) {
    const BodyAnswer& answer = part.body_answers[i];
    const BodyWanted& wanted = request.bodies[i];
    if (answer.index != wanted.index) return false;
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
  for (const BodyAnswer& answer : part.body_answers) {
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
    bytes += answer.image.bytes.size();
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

void SnapshotFetcher::OnStateWritten(uint64_t ticket) {
  while (!unwritten_.empty() && unwritten_.front().first <= ticket) {
    unwritten_bytes_ -= unwritten_.front().second;
    unwritten_.pop_front();
  }
  Pump();
}

void SnapshotFetcher::OnLogChanged(Index from) {
  if (phase_ == Phase::kIdle) return;
  have_.RemoveFrom(from);
  if (phase_ != Phase::kParts && phase_ != Phase::kReady) return;
  if (live_.empty() || live_.back().first + live_.back().count <= from) return;
  phase_ = Phase::kParts;
  // What is under way was asked with fingerprints of what was there before.
  for (auto it = asked_.begin(); it != asked_.end();) {
    const std::vector<BodyWanted>& bodies = it->second.request.bodies;
    it = !bodies.empty() && bodies.back().index >= from ? asked_.erase(it) : std::next(it);
  }
  ScanFromTheStart();
  Pump();
}

void SnapshotFetcher::ScanFromTheStart() {
  bodies_wanted_.clear();
  ++scan_;
  comparing_ = false;
  run_ = 0;
  index_ = {};
  scan_after_ = next_ticket_;
  Submit(StateTask(), 0);  // A mark behind all that was submitted so far.
}

// Goes on through the live bodies: which of them does the own store have?
void SnapshotFetcher::Scan() {
  if (phase_ != Phase::kParts || comparing_ || bodies_wanted_.size() > kCompareBatch) return;
  if (!unwritten_.empty() && unwritten_.front().first <= scan_after_) return;
  std::vector<Index> indexes = NextToCompare();
  if (indexes.empty()) return;
  comparing_ = true;
  host_->ReadOwnBodies(
      group_, indexes,
      [this, alive = std::weak_ptr<bool>(alive_), scan = scan_,
       indexes](std::vector<absl::StatusOr<BodyImage>> images) {
        if (alive.lock() != nullptr) OnOwnBodies(scan, indexes, std::move(images));
      });
}

std::vector<Index> SnapshotFetcher::NextToCompare() {
  std::vector<Index> indexes;
  while (run_ < live_.size() && indexes.size() < kCompareBatch) {
    const IndexRun& run = live_[run_];
    Index index = std::max(index_, run.first);
    for (Index next = index;; index = next) {
      next = ended_.NextMissing(have_.NextMissing(index));
      if (next == index) break;
    }
    if (index >= run.first + run.count) {
      ++run_;
    } else {
      indexes.push_back(index);
      index_ = index + 1;
    }
  }
  return indexes;
}

void SnapshotFetcher::OnOwnBodies(uint64_t scan, const std::vector<Index>& indexes,
                                  std::vector<absl::StatusOr<BodyImage>> images) {
  if (scan != scan_ || phase_ != Phase::kParts) return;
  PONTOON_CHECK(images.size() == indexes.size());
  comparing_ = false;
  const Index commit = host_->CommitIndex(group_);
  for (size_t i = 0; i < indexes.size(); ++i) {
    // What is left of the body of a committed entry is what was not settled when this group
    // applied, or was told, what it has by now.
    if (images[i].ok() && indexes[i] <= commit) {
      have_.Add(indexes[i]);
    } else {
      bodies_wanted_.push_back({indexes[i], images[i].ok() ? FingerprintOf(*images[i]) : 0});
    }
  }
  Pump();
}

void SnapshotFetcher::Pump() {
  if (phase_ == Phase::kQueued && budget_->Take(group_)) BeginRoot();
  if (phase_ != Phase::kRoot && phase_ != Phase::kParts) return;
  while (asked_.size() < kRequestsMax && unwritten_bytes_ < kUnwrittenBytesMax && AskNext()) {
  }
  Scan();
  MaybeReady();
}

// False if there is nothing to ask for.
bool SnapshotFetcher::AskNext() {
  SnapshotPart request;
  request.checkpoint = checkpoint_.applied;
  if (phase_ == Phase::kRoot) {
    if (checkpoint_.applied == EntryId{} || root_asked_ == root_bytes_) return false;
    request.kind = SnapshotPart::Kind::kRoot;
    request.offset = root_asked_;
    request.root_bytes = std::min(kSnapshotPartBytes, root_bytes_ - root_asked_);
    root_asked_ += request.root_bytes;
  } else if (!pages_wanted_.empty()) {
    request.kind = SnapshotPart::Kind::kPages;
    const auto end = pages_wanted_.begin() + std::min(page_batch_, pages_wanted_.size());
    request.pages.assign(pages_wanted_.begin(), end);
    pages_wanted_.erase(pages_wanted_.begin(), end);
  } else if (!bodies_wanted_.empty()) {
    request.kind = SnapshotPart::Kind::kBodies;
    const auto end = bodies_wanted_.begin() + std::min(body_batch_, bodies_wanted_.size());
    request.bodies.assign(bodies_wanted_.begin(), end);
    bodies_wanted_.erase(bodies_wanted_.begin(), end);
  } else {
    return false;
  }
  Ask(std::move(request));
  return true;
}

void SnapshotFetcher::Ask(SnapshotPart request) {
  request.request = next_request_++;
  ++counters_.requests;
  host_->SendRequest(group_, from_, request);
  const uint64_t number = request.request;
  asked_.emplace(number, Asked{std::move(request), now_});
}

void SnapshotFetcher::Submit(StateTask task, uint64_t bytes) {
  task.group = group_;
  task.ticket = next_ticket_++;
  unwritten_.emplace_back(task.ticket, bytes);
  unwritten_bytes_ += bytes;
  host_->SubmitFetched(std::move(task));
}

void SnapshotFetcher::BeginRoot() {
  phase_ = Phase::kRoot;
  ++counters_.roots;
  asked_.clear();
  checkpoint_ = {};
  root_bytes_ = root_asked_ = root_received_ = 0;
  root_crc_ = 0;
  root_parts_.clear();
  named_.clear();
  pages_wanted_.clear();
  live_.clear();
  bodies_wanted_.clear();
  ++scan_;
  comparing_ = false;
  Ask({.kind = SnapshotPart::Kind::kRoot});
}

bool SnapshotFetcher::PagesComplete() const {
  return std::includes(staged_.begin(), staged_.end(), named_.begin(), named_.end());
}

void SnapshotFetcher::MaybeReady() {
  if (phase_ != Phase::kParts || comparing_ || run_ < live_.size() || !asked_.empty() ||
      !pages_wanted_.empty() || !bodies_wanted_.empty() || !unwritten_.empty())
    return;
  StateTask orphans;  // Named by an earlier root of this sender, and not by this one.
  for (const PageId page : staged_) {
    if (!named_.contains(page)) orphans.drop_pages.push_back(StoredPage(staging_->generation, page));
  }
  if (!orphans.drop_pages.empty()) {
    staged_ = named_;
    Submit(std::move(orphans), 0);
    return;
  }
  phase_ = Phase::kReady;
}

std::shared_ptr<const Install> SnapshotFetcher::MakeInstall() const {
  PONTOON_CHECK(ready());
  auto install = std::make_shared<Install>();
  install->checkpoint = checkpoint_;
  install->checkpoint.page_generation = staging_->generation;
  for (const IndexRun& run : live_) {
    const Index end = run.first + run.count;
    for (Index index = run.first; index < end;) {
      const Index first = ended_.NextMissing(index);
      if (first >= end) break;
      index = ended_.NextPresent(first, end);
      install->live_bodies.push_back({first, index.value - first.value});
    }
  }
  install->old_page_generation = host_->PageGeneration(group_);
  install->ended_through = ended_through_;
  return install;
}

void SnapshotFetcher::OnInstalled() {
  staging_.reset();  // It is the group's own generation now.
  Reset();
}

void SnapshotFetcher::Abandon() {
  if (phase_ == Phase::kIdle) return;
  if (staging_.has_value()) {
    StateTask drop;
    drop.drop_generation = staging_->generation;
    Submit(std::move(drop), 0);
    staging_.reset();
  }
  Reset();
}

void SnapshotFetcher::Reset() {
  phase_ = Phase::kIdle;
  from_ = {};
  at_least_ = {};
  asked_.clear();
  checkpoint_ = {};
  root_parts_.clear();
  named_.clear();
  staged_.clear();
  pages_wanted_.clear();
  live_.clear();
  have_.clear();
  ended_.clear();
  ended_through_ = {};
  bodies_wanted_.clear();
  ++scan_;
  comparing_ = false;
  budget_->Release(group_);
}

}  // namespace pontoon::raft
