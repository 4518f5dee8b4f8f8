#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/core.h"

// Taking over the leader's log: Raft thesis §3.5.

namespace pontoon::raft {

// Whether an append can be true, before it changes anything.
absl::Status Core::CheckAppend(const Message& message) const {
  const auto wrong = [](auto... what) {
    return absl::InvalidArgumentError(absl::StrCat("an append with ", what...));
  };
  if ((message.log.index == Index{0}) != (message.log.term == Term{0}) ||
      message.log.term > message.term) {
    return wrong("an impossible predecessor");
  }
  const auto contradicts = [this](EntryId id) {
    return id.index <= commit_ && id.index >= log_.base().index && !log_.Contains(id);
  };
  if (contradicts(message.log))
    return wrong("a predecessor ", message.log.index.value, " against what is committed");
  EntryId before = message.log;
  for (const Entry& entry : message.entries) {
    if (entry.id.index != before.index + 1 || entry.id.term < before.term ||
        entry.id.term > message.term) {
      return wrong("entry ", entry.id.index.value, " out of order");
    }
    before = entry.id;
    if (contradicts(entry.id))
      return wrong("entry ", entry.id.index.value, " against what is committed");
    if (entry.kind > EntryKind::kConfig || entry.header.size() > kEntryHeaderBytesMax ||
        entry.body.size() > kEntryBodyBytesMax) {
      return wrong("an impossible entry ", entry.id.index.value);
    }
    if (base::Crc32c(entry.header) != entry.header_crc || entry.body.size() != entry.body_bytes ||
        base::Crc32c(entry.body) != entry.body_crc) {
      return wrong("a damaged entry ", entry.id.index.value);
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
  // What lies below the base is committed, and so in every leader's log.
  if (message.log.index >= log_.base().index && !log_.Contains(message.log)) {
    reply.refused = true;
    reply.log = log_.LastAtMost(message.log.index - 1, message.log.term);
    if (durable_hard_state_.term < term()) return SendWhenDurable(std::move(reply));
    return Send(std::move(reply));
  }
  const Index matched = message.log.index + message.entries.size();
  for (Entry& entry : message.entries) {
    if (entry.id.index <= log_.base().index || log_.Contains(entry.id)) continue;
    if (entry.id.index <= log_.last().index) TruncateFrom(entry.id.index);
    if (entry.kind == EntryKind::kConfig) {
      memberships_.Append(entry.id, *DecodeMembership(entry.header.Flatten().view()));
    }
    AppendToLog(std::move(entry));
  }
  // Only what this append has shown to agree with the leader's log is known to be committed (R11).
  commit_ = std::max(commit_, std::min(message.commit, matched));
  reply.log = {matched >= log_.base().index ? log_.TermAt(matched).value() : Term{0}, matched};
  SendWhenDurable(std::move(reply));
}

}  // namespace pontoon::raft
