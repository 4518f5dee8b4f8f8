#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/core.h"
#include "raft/core/mutants.h"

// What a message of a peer means, by its term: Raft thesis §3.3.

namespace pontoon::raft {
namespace {

// A term ahead by more elections than there can have been: taken over, it would use up all terms.
constexpr uint64_t kTermJumpMax = uint64_t{1} << 32;

bool IsReply(MessageKind kind) {
  return kind == MessageKind::kPreVoteReply || kind == MessageKind::kVoteReply ||
         kind == MessageKind::kAppendReply || kind == MessageKind::kHeartbeatReply;
}

bool IsOfALeader(MessageKind kind) {
  return kind == MessageKind::kAppend || kind == MessageKind::kHeartbeat ||
         kind == MessageKind::kTimeoutNow || kind == MessageKind::kSnapshotOffer;
}

}  // namespace

absl::Status Core::CheckSender(const Message& message) const {
  if (message.group != options_.group || message.to != options_.self ||
      (message.epoch != options_.epoch && !MutantIs(Mutant::kOldEpochHeard))) {
    return absl::InvalidArgumentError("a message for another replica, group or epoch");
  }
  if (message.from == options_.self || message.term == Term{0}) {
    return absl::InvalidArgumentError("a message that nobody sends");
  }
  for (const uint64_t number : {message.term.value, message.log.term.value, message.log.index.value,
                                message.probe.value, message.commit.value}) {
    if (number > kHighestNumber)
      return absl::InvalidArgumentError("a term or index that cannot be");
  }
  if (message.term.value > term().value + kTermJumpMax)
    return absl::InvalidArgumentError("a term that no elections lead to");
  // An unknown replica may be a member of a later membership than is known here, and lead it; one
  // whose disk was replaced since is not, and nobody answers a stranger.
  bool known = false;
  for (const ReplicaId& member : memberships_.everybody()) {
    known = known || member == message.from;
    if (member.node == message.from.node && member.incarnation > message.from.incarnation) {
      return absl::InvalidArgumentError(absl::StrCat("node ", message.from.node.value,
                                                     " speaks as incarnation ",
                                                     message.from.incarnation, ", which is over"));
    }
  }
  if (!known && IsReply(message.kind) && !MutantIs(Mutant::kCountsVotesOfStrangers))
    return absl::InvalidArgumentError("an answer of a stranger");
  return absl::OkStatus();
}

absl::Status Core::Step(Message message) {
  if (absl::Status sender = CheckSender(message); !sender.ok()) return sender;
  if (message.kind > MessageKind::kSnapshotOffer)
    return absl::InvalidArgumentError("a message for the host, not for the core");
  // Of an older term it is not looked at: a deposed leader learns of this one, whatever it says.
  if (message.term >= term()) {
    absl::Status valid;
    if (message.kind == MessageKind::kAppend) valid = CheckAppend(message);
    if (message.kind == MessageKind::kSnapshotOffer) valid = CheckOffer(message);
    if (!valid.ok()) return valid;
  }
  if (message.term == term() && role_ == Role::kLeader && IsOfALeader(message.kind)) {
    return absl::InvalidArgumentError(absl::StrCat("a second leader of term ", term().value));
  }
  // Neither a question before an election nor a favourable answer moves anybody to another term.
  if (message.kind == MessageKind::kPreVote) {
    OnPreVote(message);
    return absl::OkStatus();
  }
  if (message.kind == MessageKind::kPreVoteReply &&
      (!message.refused || message.term <= term() ||
       MutantIs(Mutant::kRefusedPreVoteTeachesNoTerm))) {
    OnVoteReply(message);
    return absl::OkStatus();
  }
  if (message.term < term()) {
    RefuseOldTerm(message);
    return absl::OkStatus();
  }
  if (message.term > term()) {
    if (message.kind == MessageKind::kVote && HearsLeader() && !message.transfer)
      return absl::OkStatus();
    BecomeFollower(message.term,
                   IsOfALeader(message.kind) ? std::optional(message.from) : std::nullopt);
  }
  return StepInTerm(std::move(message));
}

// Whoever leads or campaigns in an old term has to learn of this one.
void Core::RefuseOldTerm(const Message& message) {
  const bool vote = message.kind == MessageKind::kVote;
  if (!vote && !IsOfALeader(message.kind)) return;
  Message reply = Make(vote ? MessageKind::kVoteReply : MessageKind::kAppendReply, message.from);
  reply.refused = true;
  Send(std::move(reply));
}

absl::Status Core::StepInTerm(Message message) {
  switch (message.kind) {
    case MessageKind::kVote:
      OnVote(message);
      break;
    case MessageKind::kVoteReply:
      OnVoteReply(message);
      break;
    case MessageKind::kAppend:
      OnAppend(std::move(message));
      break;
    case MessageKind::kAppendReply:
      return OnAppendReply(message);
    case MessageKind::kHeartbeat:
      OnHeartbeat(message);
      break;
    case MessageKind::kHeartbeatReply:
      OnHeartbeatReply(message);
      break;
    case MessageKind::kTimeoutNow:
      OnTimeoutNow(message);
      break;
    case MessageKind::kSnapshotOffer:
      OnSnapshotOffer(message);
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

}  // namespace pontoon::raft
