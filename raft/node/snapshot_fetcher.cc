#include "raft/node/snapshot_fetcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/membership.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {
namespace {

constexpr size_t kFirstPageBatch = 4;
constexpr size_t kFirstBodyBatch = 64;
// Own bodies compared at once; so many wait to be asked for at most, and as many again.
constexpr size_t kCompareBatch = kSnapshotItemsMax;

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

void SnapshotFetcher::Start(const ReplicaId& from, EntryId at_least, bool must_take) {
  heard_ = now_;
  at_least_ = at_least;
  must_take_ = must_take;
  if (phase_ == Phase::kIdle) phase_ = Phase::kQueued;
  if (std::exchange(leader_, from) != from) AskAnother(from);
  Pump();
}

void SnapshotFetcher::AskAnother(const ReplicaId& from) {
  from_ = from;
  progress_ = now_;
  if (phase_ == Phase::kRoot || (phase_ == Phase::kParts && !PagesComplete())) {
    root_begun_.reset();
    BeginRoot();
  } else {
    // Any replica that has applied as much can say what became of the bodies.
    for (auto& [number, asked] : std::exchange(asked_, {})) TakeBack(asked.request, 0);
  }
}

// The one after it among the members, in a circle; the leader is in it, although the checkpoint may
// be older than its membership.
void SnapshotFetcher::AskNextSender() {
  std::vector<ReplicaId> members = AllMembers(checkpoint_.membership);
  const auto place = std::lower_bound(members.begin(), members.end(), leader_);
  if (place == members.end() || *place != leader_) members.insert(place, leader_);
  std::erase(members, host_->Self(group_));
  if (members.empty()) return;
  const auto next = std::upper_bound(members.begin(), members.end(), from_);
  ++counters_.next_senders;
  AskAnother(next == members.end() ? members.front() : *next);
}

void SnapshotFetcher::Tick(base::MonotonicTime now) {
  now_ = now;
  if (phase_ == Phase::kIdle || phase_ == Phase::kReady) return;
  if (phase_ != Phase::kQueued && !MayAsk()) {
    // Nobody else is to blame: what was received stays for as long as it is wanted.
    if (now_ - heard_ > kGiveUpAfter) return Abandon();
    progress_ = now_;
    return Pump();
  }
  const bool stalled = phase_ != Phase::kQueued && now_ - progress_ > kGiveUpAfter;
  if (now_ - std::max(heard_, progress_) > kGiveUpAfter || (stalled && budget_->contended())) {
    Abandon();
    return;
  }
  if (phase_ == Phase::kParts && PagesComplete() && !asked_.empty() &&
      now_ - progress_ > kNextSenderAfter)
    AskNextSender();
  for (auto& [number, asked] : asked_) {
    if (now_ - asked.at < kRequestTimeout) continue;
    asked.at = now_;
    ++counters_.requests;
    host_->SendRequest(group_, from_, asked.request);
  }
  Pump();
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
  std::erase_if(cut_, [from](const BodyImage& body) { return body.index >= from; });
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
  host_->ReadOwnBodies(group_, indexes,
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
    if (images[i].ok() && (indexes[i] <= commit || MutantIs(Mutant::kOwnBodiesByIndex))) {
      have_.Add(indexes[i]);
    } else {
      bodies_wanted_.push_back({indexes[i], images[i].ok() ? FingerprintOf(*images[i]) : 0});
    }
  }
  Pump();
}

// While it pauses others have its turn.
bool SnapshotFetcher::MayAsk() {
  if (must_take_ || host_->HasRoom()) return budget_->Take(group_);
  budget_->Release(group_);
  return false;
}

void SnapshotFetcher::Pump() {
  if (phase_ == Phase::kIdle || phase_ == Phase::kReady) return;
  const bool may_ask = MayAsk();
  if (phase_ == Phase::kQueued) {
    if (!may_ask) return;
    progress_ = now_;
    BeginRoot();
  }
  while (may_ask && asked_.size() < kRequestsMax && unwritten_bytes_ < kUnwrittenBytesMax &&
         AskNext()) {
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
    request.root_bytes = std::min(root_stretch_, root_bytes_ - root_asked_);
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

void SnapshotFetcher::Ask(SnapshotPart request, Send send) {
  ++counters_.asked;
  request.request = MutantIs(Mutant::kLateAnswerTaken) ? counters_.asked : host_->NextRequest();
  if (send == Send::kNow) {
    ++counters_.requests;
    host_->SendRequest(group_, from_, request);
  }
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
  from_ = leader_;  // Others may be behind themselves.
  ++counters_.roots;
  asked_.clear();
  checkpoint_ = {};
  root_bytes_ = root_asked_ = root_stretch_ = root_received_ = 0;
  root_crc_ = 0;
  root_parts_.clear();
  named_.clear();
  pages_wanted_.clear();
  live_.clear();
  bodies_wanted_.clear();
  ++scan_;
  comparing_ = false;
  // A sender whose root is beyond us, or whose pages are gone, is not asked without a pause.
  const bool pause = root_begun_.has_value() && now_ - *root_begun_ < kRequestTimeout;
  root_begun_ = now_;
  SnapshotPart newest;
  newest.kind = SnapshotPart::Kind::kRoot;
  Ask(std::move(newest), pause ? Send::kAfterTimeout : Send::kNow);
}

bool SnapshotFetcher::PagesComplete() const {
  if (MutantIs(Mutant::kInstallsBeforeAllArrived)) return pages_wanted_.empty();
  return std::includes(staged_.begin(), staged_.end(), named_.begin(), named_.end());
}

void SnapshotFetcher::MaybeReady() {
  const bool waits = !asked_.empty() && !MutantIs(Mutant::kInstallsBeforeAllArrived);
  if (phase_ != Phase::kParts || comparing_ || run_ < live_.size() || waits ||
      !pages_wanted_.empty() || !bodies_wanted_.empty() || !unwritten_.empty())
    return;
  StateTask orphans;  // Named by an earlier root of this sender, and not by this one.
  for (const PageId page : staged_) {
    if (!named_.contains(page))
      orphans.drop_pages.push_back(StoredPage(staging_->generation, page));
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
      if (MutantIs(Mutant::kLiveBodiesOffByOne) && index == end &&
          --install->live_bodies.back().count == 0)
        install->live_bodies.pop_back();
    }
  }
  install->old_page_generation = host_->PageGeneration(group_);
  install->ended_through = ended_through_;
  install->term = term_;
  for (const BodyImage& body : cut_) {
    const bool lives = std::any_of(
        install->live_bodies.begin(), install->live_bodies.end(), [&body](const IndexRun& run) {
          return body.index >= run.first && body.index < run.first + run.count;
        });
    if (lives) install->cut_bodies.push_back(body);
  }
  return install;
}

void SnapshotFetcher::OnInstalled() {
  staging_.reset();  // It is the group's own generation now.
  Reset();
}

void SnapshotFetcher::Abandon() {
  if (phase_ == Phase::kIdle) return;
  StateTask drop;
  // Bodies that this replica had settled itself by now. What is not applied yet settles its own.
  const Index applied = host_->AppliedIndex(group_);
  for (Index index = put_.NextPresent(Index{0}, applied + 1); index <= applied;
       index = put_.NextPresent(index + 1, applied + 1)) {
    if (!machine_->NeedsBody(index)) drop.drop_bodies.push_back(index);
  }
  if (!drop.drop_bodies.empty()) drop.ended_through = applied;
  if (staging_.has_value()) {
    drop.drop_generation = staging_->generation;
    staging_.reset();
  }
  if (drop.drop_generation.has_value() || !drop.drop_bodies.empty()) Submit(std::move(drop), 0);
  Reset();
}

void SnapshotFetcher::Reset() {
  phase_ = Phase::kIdle;
  leader_ = from_ = {};
  at_least_ = {};
  root_begun_.reset();
  asked_.clear();
  checkpoint_ = {};
  root_parts_.clear();
  named_.clear();
  staged_.clear();
  pages_wanted_.clear();
  live_.clear();
  have_.clear();
  put_.clear();
  cut_.clear();
  ended_.clear();
  ended_through_ = {};
  bodies_wanted_.clear();
  ++scan_;
  comparing_ = false;
  budget_->Release(group_);
}

}  // namespace pontoon::raft
