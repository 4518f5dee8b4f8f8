#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

// The leader's log and how its followers get it: Raft thesis §3.5, pipelined (§10.2.1).

namespace pontoon::raft {
namespace {

// With its whole body, or with the index by which the rest of it had been settled.
bool IsComplete(const Entry& entry) {
  if (MutantIs(Mutant::kFeedsBodiesItLacks)) return true;
  if (entry.remains != nullptr) return entry.remains->ended > Index{0};
  return entry.body.size() == entry.body_bytes;
}

}  // namespace

absl::StatusOr<Index> Core::Propose(Term expected_term, absl::Span<Entry> entries, Room room) {
  if (absl::Status leads = RequireLeaderOf(expected_term); !leads.ok()) return leads;
  if (transfer_target_.has_value())
    return absl::UnavailableError("leadership is being handed over");
  if (entries.empty()) return absl::InvalidArgumentError("nothing to propose");
  uint64_t cost = 0;
  for (const Entry& entry : entries) {
    if (entry.header.size() > kEntryHeaderBytesMax || entry.body.size() > kEntryBodyBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("an entry with a header of ",
                                                     entry.header.size(), " and a body of ",
                                                     entry.body.size(), " bytes"));
    }
    PONTOON_CHECK(entry.kind == EntryKind::kNormal && IsComplete(entry));
    cost += EntryCost(entry);
  }
  const bool has_body = std::any_of(entries.begin(), entries.end(),
                                    [](const Entry& entry) { return !entry.body.empty(); });
  if (room == Room::kBounded && has_body && !MajorityHasRoom())
    return absl::ResourceExhaustedError("the disks of a majority have no room for bodies");
  // What is alone is let in whatever its size, or it would wait for ever.
  if (room == Room::kBounded && uncommitted_bytes_ > 0 &&
      uncommitted_bytes_ + cost > options_.uncommitted_bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(uncommitted_bytes_, " bytes of this group wait to be committed"));
  }
  const Index first = log_.last().index + 1;
  if (!pending_.has_value()) Pending().append.reserve(entries.size());
  for (Entry& entry : entries) AppendOwn(EntryKind::kNormal, std::move(entry));
  return first;
}

void Core::SetRoom(bool has_room) { has_room_ = has_room; }

bool Core::MajorityHasRoom() const {
  if (has_room_ && AllAnswer() &&
      std::none_of(progress_.begin(), progress_.end(),
                   [](const auto& p) { return p.second.no_room; }))
    return true;
  return CountVotes(membership(), [this](const ReplicaId& voter) -> std::optional<bool> {
           if (voter == options_.self) return has_room_;
           const auto progress = progress_.find(voter);
           // One that does not answer gives no room to what has to be committed now.
           return progress != progress_.end() && !progress->second.no_room &&
                  IsHeard(progress->second);
         }) == VoteResult::kWon;
}

void Core::AppendOwn(EntryKind kind, Entry entry) {
  entry.kind = kind;
  entry.id = {term(), log_.last().index + 1};
  if (entry.id.index > term_start_) uncommitted_bytes_ += EntryCost(entry);
  AppendToLog(std::move(entry));
  replicate_ = !progress_.empty();
}

void Core::SyncProgress() {
  const std::vector<ReplicaId> members = AllMembers(membership());
  for (auto it = progress_.begin(); it != progress_.end();) {
    it = std::binary_search(members.begin(), members.end(), it->first) ? std::next(it)
                                                                       : progress_.erase(it);
  }
  CompactLater();
  for (const ReplicaId& member : members) {
    if (member == options_.self || progress_.contains(member)) continue;
    Progress& progress = progress_[member];
    progress.next = log_.last().index + 1;
    progress.heard = now_;
  }
  if (transfer_target_.has_value() && !progress_.contains(*transfer_target_))
    transfer_target_.reset();
}

void Core::Replicate() {
  if (!replicate_) return;
  replicate_ = false;
  if (role_ != Role::kLeader) return;
  for (auto& [peer, progress] : progress_) {
    while (SendAppend(peer, &progress)) {
    }
  }
}

// Sends the next append that `peer` may get now. False: none.
bool Core::SendAppend(const ReplicaId& peer, Progress* progress) {
  if (progress->state == Progress::State::kNeedsSnapshot ||
      progress->state == Progress::State::kQuarantined || progress->reading)
    return false;
  const bool probe = progress->state == Progress::State::kProbe;
  if (probe && progress->waiting) return false;
  const bool spare = progress->no_room && MajorityHasRoom();
  // What is not on the own disk yet cannot be read without its body. To ask takes no room.
  if (spare && !probe &&
      (progress->next > durable_ || !std::exchange(progress->try_without_bodies, false)))
    return false;
  if (!probe && (progress->next > log_.last().index ||
                 progress->in_flight.size() >= options_.inflight_messages_max ||
                 progress->in_flight_bytes >= options_.inflight_bytes_max)) {
    return false;
  }
  if (progress->next <= log_.base().index && !MutantIs(Mutant::kTermOfCompactedIsZero)) {
    progress->state = Progress::State::kNeedsSnapshot;
    OfferSnapshot(peer, progress);
    return false;
  }
  // Who may lack bodies itself asks where the logs agree, and feeds nobody (promise 7).
  const bool may_feed = whole() || MutantIs(Mutant::kFeedsBodiesItLacks);
  if (!probe && !may_feed) return false;
  std::vector<Entry> entries;
  if (may_feed && !spare && progress->next <= log_.last().index) {
    constexpr uint64_t kReservedMax = 64;
    entries.reserve(std::min(log_.last().index.value - progress->next.value + 1, kReservedMax));
  }
  uint64_t bytes = 0;
  for (Index index = progress->next;
       may_feed && !spare && index <= log_.last().index && index >= log_.held_from();
       index = index + 1) {
    const Entry& entry = log_.At(index);
    if (!IsComplete(entry) ||
        (!entries.empty() && bytes + EntryCost(entry) > options_.append_bytes_max))
      break;
    bytes += EntryCost(entry);
    entries.push_back(entry);
  }
  // A probe need not carry anything; where the logs agree is known before anything is read for it.
  if (entries.empty() && !probe) {
    progress->reading = true;
    Out().entry_reads.push_back(
        {term(), peer, progress->next, durable_, options_.append_bytes_max});
    return false;
  }
  SendEntries(peer, progress, std::move(entries));
  return true;
}

// `entries` follow next - 1; without any, the append only asks.
void Core::SendEntries(const ReplicaId& peer, Progress* progress, std::vector<Entry> entries) {
  const Index before = progress->next - 1;
  if (before < log_.base().index && !MutantIs(Mutant::kTermOfCompactedIsZero)) {
    progress->state = Progress::State::kNeedsSnapshot;
    return OfferSnapshot(peer, progress);
  }
  Message message = Make(MessageKind::kAppend, peer);
  message.must_take = !MajorityHasRoom();
  message.log = {log_.TermAt(before).value_or(Term{0}), before};
  message.commit = commit_;
  progress->sent = now_;
  if (progress->state == Progress::State::kProbe) {
    progress->waiting = true;
  } else if (!entries.empty()) {
    uint64_t bytes = 0;
    for (const Entry& entry : entries) bytes += EntryCost(entry);
    progress->in_flight.push_back({entries.back().id.index, bytes});
    progress->in_flight_bytes += bytes;
    progress->next = entries.back().id.index + 1;
  }
  message.entries = std::move(entries);
  Send(std::move(message));
}

void Core::OnEntriesRead(const EntryRead& read, absl::StatusOr<std::vector<Entry>> entries) {
  // Asked in another term, or for a peer that has moved on since: of no use any more.
  const bool other_term = read.term != term() && !MutantIs(Mutant::kEntriesReadInAnotherTerm);
  if (role_ != Role::kLeader || other_term) return;
  const auto it = progress_.find(read.peer);
  if (it == progress_.end()) return;
  if (!it->second.reading && !MutantIs(Mutant::kEntriesReadInAnotherTerm)) return;
  Progress& progress = it->second;
  progress.reading = false;
  replicate_ = true;
  if (progress.state != Progress::State::kReplicate || progress.next != read.from) return;
  std::vector<Entry> complete;
  if (entries.ok()) {
    for (Entry& entry : *entries) {
      if (!log_.Contains(entry.id) && !MutantIs(Mutant::kEntriesReadInAnotherTerm)) break;
      if (entry.id.index != read.from + complete.size() || !IsComplete(entry)) break;
      complete.push_back(std::move(entry));
    }
  }
  if (complete.empty()) {
    // Offered with the next heartbeats only: it may be that the newest checkpoint does not help.
    progress.state = Progress::State::kNeedsSnapshot;
    const bool damaged = read.from > log_.base().index &&
                         (entries.ok() ? !entries->empty() : absl::IsDataLoss(entries.status()));
    if (!damaged) return;
    progress.unreadable = read.from;
    if (MajorityWithoutSelf()) {
      Out().astray.push_back({options_.self, Astray::Why::kDamaged, read.from});
      Quarantine();
    }
    return;
  }
  if (progress.no_room && MajorityHasRoom()) {
    const auto body = std::find_if(complete.begin(), complete.end(),
                                   [](const Entry& entry) { return !entry.body.empty(); });
    complete.erase(body, complete.end());
    if (complete.empty()) return;
  }
  SendEntries(read.peer, &progress, std::move(complete));
}

absl::Status Core::OnAppendReply(const Message& message) {
  const auto it = progress_.find(message.from);
  if (role_ != Role::kLeader || it == progress_.end()) return absl::OkStatus();
  const bool other = !message.refused && message.log.index >= log_.base().index &&
                     message.log.term > Term{0} && !log_.Contains(message.log);
  if (other || message.log.index > log_.last().index ||
      (message.refused && message.probe == Index{0})) {
    return absl::InvalidArgumentError(
        absl::StrCat("an answer about entry ", message.log.index.value, ", which does not exist"));
  }
  Progress& progress = it->second;
  if (message.quarantined) {
    NoteQuarantined(message.from, &progress, Astray::Why::kSaidSo);
    return absl::OkStatus();
  }
  if (progress.state == Progress::State::kQuarantined) return absl::OkStatus();
  NoteAnswer(message, &progress);
  replicate_ = true;
  if (message.refused) {
    if (progress.state == Progress::State::kReplicate) {
      if (progress.no_room) return absl::OkStatus();  // It follows what was left out.
      if (message.probe <= progress.match) return absl::OkStatus();  // Overtaken by a later answer.
      progress.BecomeProbe();
    } else if (progress.state != Progress::State::kProbe || message.probe + 1 != progress.next ||
               message.probe <= progress.match) {
      // Of another probe; or of what it had acknowledged: overtaken, or its disk lost it, and the
      // next heartbeat's answer asks again.
      return absl::OkStatus();
    } else {
      const EntryId agree =
          log_.LastAtMost(std::min(message.log.index, message.probe - 1), message.log.term);
      progress.next = std::max(progress.match, agree.index) + 1;
      progress.waiting = false;
      // They part below what is left of the log.
      if (message.log.index < log_.base().index || agree.term > message.log.term) {
        progress.state = Progress::State::kNeedsSnapshot;
        OfferSnapshot(message.from, &progress);
      }
    }
    return absl::OkStatus();
  }
  progress.Advance(MutantIs(Mutant::kAnyAnswerCountsForAll) ? progress.next - 1
                                                            : message.log.index);
  const bool fetches =
      progress.state == Progress::State::kNeedsSnapshot && progress.match < progress.unreadable;
  if (message.no_room && !fetches) {
    progress.no_room = true;
    progress.BecomeProbe();
    progress.BecomeReplicate();
  } else if (progress.state != Progress::State::kReplicate && !fetches &&
             progress.match >= log_.base().index) {
    progress.BecomeReplicate();
  }
  AdvanceCommit();
  if (role_ != Role::kLeader) return absl::OkStatus();
  ReleaseHeld();
  MaybeHandOver();
  return absl::OkStatus();
}

// Applied entries stay in memory for those who lack them, within bounds; and until they are on the
// own disk, from which they are read afterwards.
void Core::ReleaseHeld() {
  const Index most = std::min(handed_out_, durable_);
  Index to = most;
  for (const auto& [peer, progress] : progress_) {
    if (IsHeard(progress)) to = std::min(to, progress.match);
  }
  log_.ReleaseThrough(to);
  while (log_.held_bytes() > options_.held_bytes_max && log_.held_from() <= most) {
    log_.ReleaseThrough(log_.held_from());
  }
}

}  // namespace pontoon::raft
