#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/core.h"
#include "raft/core/mutants.h"

// Taking over the leader's log: Raft thesis §3.5.

namespace pontoon::raft {
namespace {

// What is carried of the body matches its checksum, and is where it says.
bool BodyIsSound(const Entry& entry) {
  if (entry.remains == nullptr)
    return entry.body.size() == entry.body_bytes && base::Crc32c(entry.body) == entry.body_crc;
  uint64_t end = 0;
  uint64_t bytes = 0;
  for (const BodyExtent& extent : entry.remains->kept) {
    if (extent.size == 0 || extent.offset < end) return false;
    end = uint64_t{extent.offset} + extent.size;
    bytes += extent.size;
  }
  return end <= entry.body_bytes && bytes == entry.body.size() &&
         entry.remains->ended >= entry.id.index &&  // By itself, if it refuses what it carries.
         base::Crc32c(entry.body) == entry.remains->crc;
}

}  // namespace

bool Core::ContradictsCommitted(EntryId id) const {
  return id.index <= commit_ && id.index >= log_.base().index && !log_.Contains(id);
}

// Whether an append can be true, before it changes anything.
absl::Status Core::CheckAppend(const Message& message) const {
  const auto wrong = [](auto... what) {
    return absl::InvalidArgumentError(absl::StrCat("an append with ", what...));
  };
  if (((message.log.index == Index{0}) != (message.log.term == Term{0}) &&
       !MutantIs(Mutant::kTermOfCompactedIsZero)) ||
      message.log.term > message.term) {
    return wrong("an impossible predecessor");
  }
  if (ContradictsCommitted(message.log))
    return wrong("a predecessor ", message.log.index.value, " against what is committed");
  EntryId before = message.log;
  for (const Entry& entry : message.entries) {
    if (entry.id.index != before.index + 1 || entry.id.term < before.term ||
        entry.id.term > message.term) {
      return wrong("entry ", entry.id.index.value, " out of order");
    }
    before = entry.id;
    if (ContradictsCommitted(entry.id))
      return wrong("entry ", entry.id.index.value, " against what is committed");
    if (entry.kind > EntryKind::kConfig || entry.header.size() > kEntryHeaderBytesMax ||
        entry.body.size() > kEntryBodyBytesMax || entry.body_bytes > kEntryBodyBytesMax) {
      return wrong("an impossible entry ", entry.id.index.value);
    }
    if (!MutantIs(Mutant::kEntriesUnchecked) &&
        (base::Crc32c(entry.header) != entry.header_crc || !BodyIsSound(entry))) {
      return wrong("a damaged entry ", entry.id.index.value);
    }
    if (entry.remains != nullptr && entry.remains->ended > message.commit) {
      return wrong("a body left out of entry ", entry.id.index.value, " for what is not committed");
    }
    if (entry.kind == EntryKind::kConfig && !DecodeMembership(entry.header.Flatten().view()).ok()) {
      return wrong("a damaged membership ", entry.id.index.value);
    }
  }
  return absl::OkStatus();
}

void Core::OnAppend(Message message) {
  BecomeFollower(term(), message.from);
  leader_heard_ = now_;
  ResetElectionTimer();
  Message reply = Make(MessageKind::kAppendReply, message.from);
  reply.stamp = message.stamp;
  reply.probe = message.log.index;
  if (quarantined_) {
    reply.refused = reply.quarantined = true;
    return Send(std::move(reply));
  }
  if (MutantIs(Mutant::kCommitBeforeMatch))
    commit_ = std::max(commit_, std::min(message.commit, log_.last().index));
  // What lies below the base is committed, and so in every leader's log.
  if (message.log.index >= log_.base().index && !log_.Contains(message.log)) {
    reply.refused = true;
    reply.log = log_.LastAtMost(message.log.index - 1, message.log.term);
    if (durable_hard_state_.term < term()) return SendWhenDurable(std::move(reply));
    return Send(std::move(reply));
  }
  Index matched = message.log.index + message.entries.size();
  if (MutantIs(Mutant::kEveryAppendTruncates) && !message.entries.empty() &&
      message.log.index >= log_.base().index && message.log.index < log_.last().index) {
    TruncateFrom(message.log.index + 1);
  }
  for (Entry& entry : message.entries) {
    if (entry.id.index <= log_.base().index || log_.Contains(entry.id)) continue;
    if (!has_room_ && !message.must_take && !entry.body.empty()) {
      matched = entry.id.index - 1;
      reply.no_room = true;
      break;
    }
    if (entry.id.index <= log_.last().index) TruncateFrom(entry.id.index);
    if (entry.kind == EntryKind::kConfig) {
      memberships_.Append(entry.id, *DecodeMembership(entry.header.Flatten().view()));
    }
    if (!pending_.has_value()) Pending().append.reserve(message.entries.size());
    AppendToLog(std::move(entry));
  }
  // Only what this append has shown to agree with the leader's log is known to be committed (R11).
  // And what bodies were left out by is committed, also if this leader does not know it yet.
  commit_ = std::max(commit_, std::min(std::max(message.commit, ended_through_), matched));
  if (MutantIs(Mutant::kAnswersWithItsLast)) matched = log_.last().index;
  reply.log = {matched >= log_.base().index ? log_.TermAt(matched).value() : Term{0}, matched};
  if (MutantIs(Mutant::kAcksBeforeDurable)) return Send(std::move(reply));
  SendWhenDurable(std::move(reply));
}

}  // namespace pontoon::raft
