#include "raft/script/trace.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pontoon::raft::script {
namespace {

std::string ShowAll(const std::vector<ReplicaId>& replicas) {
  return absl::StrJoin(replicas, ",", [](std::string* out, const ReplicaId& replica) {
    absl::StrAppend(out, Show(replica));
  });
}

std::string ShowAll(const std::vector<Entry>& entries) {
  return absl::StrJoin(entries, " ", [](std::string* out, const Entry& entry) {
    absl::StrAppend(out, Show(entry));
  });
}

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

absl::string_view KindName(MessageKind kind) {
  switch (kind) {
    case MessageKind::kPreVote:
      return "pre-vote";
    case MessageKind::kPreVoteReply:
      return "pre-vote-reply";
    case MessageKind::kVote:
      return "vote";
    case MessageKind::kVoteReply:
      return "vote-reply";
    case MessageKind::kAppend:
      return "append";
    case MessageKind::kAppendReply:
      return "append-reply";
    case MessageKind::kHeartbeat:
      return "heartbeat";
    case MessageKind::kHeartbeatReply:
      return "heartbeat-reply";
    case MessageKind::kTimeoutNow:
      return "timeout-now";
    case MessageKind::kSnapshotOffer:
      return "snapshot-offer";
    case MessageKind::kSnapshotRequest:
      return "snapshot-request";
    case MessageKind::kSnapshotPart:
      return "snapshot-part";
  }
  return "?";
}

std::string Show(const ReplicaId& replica) {
  if (replica.incarnation == 1) return absl::StrCat(replica.node.value);
  return absl::StrCat(replica.node.value, ".", replica.incarnation);
}

std::string Show(EntryId id) { return absl::StrCat(id.index.value, "@", id.term.value); }

std::string Show(const Membership& members) {
  std::string out = absl::StrCat("{", ShowAll(members.voters));
  if (IsJoint(members)) absl::StrAppend(&out, " from ", ShowAll(members.outgoing_voters));
  if (!members.learners.empty()) absl::StrAppend(&out, " learning ", ShowAll(members.learners));
  return out + "}";
}

std::string Show(const Entry& entry) {
  std::string out = Show(entry.id);
  const std::string header(entry.header.Flatten().view());
  if (entry.kind == EntryKind::kNoop) {
    absl::StrAppend(&out, ":noop");
  } else if (entry.kind == EntryKind::kConfig) {
    const absl::StatusOr<Membership> members = DecodeMembership(header);
    absl::StrAppend(&out, ":", members.ok() ? Show(*members) : "damaged");
  } else {
    absl::StrAppend(&out, ":", header);
  }
  if (entry.body_bytes > 0) absl::StrAppend(&out, "+", entry.body_bytes);
  if (entry.remains != nullptr) {
    absl::StrAppend(&out, "(", entry.body.size(), " left, ended by ", entry.remains->ended.value,
                    ")");
  }
  return out;
}

std::string Show(const Message& message) {
  std::string out = absl::StrCat(Show(message.from), "->", Show(message.to), " ",
                                 KindName(message.kind), " term=", message.term.value);
  switch (message.kind) {
    case MessageKind::kPreVote:
    case MessageKind::kVote:
      absl::StrAppend(&out, " last=", Show(message.log), message.transfer ? " transfer" : "");
      break;
    case MessageKind::kPreVoteReply:
    case MessageKind::kVoteReply:
      absl::StrAppend(&out, message.refused ? " no" : " yes");
      break;
    case MessageKind::kAppend:
      absl::StrAppend(&out, " after=", Show(message.log), " [", ShowAll(message.entries),
                      "] commit=", message.commit.value);
      break;
    case MessageKind::kAppendReply:
      absl::StrAppend(&out, message.refused ? " no at=" : " has=", Show(message.log));
      if (message.refused) absl::StrAppend(&out, " probe=", message.probe.value);
      break;
    case MessageKind::kHeartbeat:
      absl::StrAppend(&out, " match=", Show(message.log), " commit=", message.commit.value,
                      " round=", message.round);
      break;
    case MessageKind::kHeartbeatReply:
      absl::StrAppend(&out, " last=", Show(message.log), " applied=", message.commit.value,
                      " round=", message.round);
      break;
    default:
      absl::StrAppend(&out, " at=", Show(message.log));
      break;
  }
  if (message.digest_index > Index{0})
    absl::StrAppend(&out, " digest-at=", message.digest_index.value);
  if (message.quarantined) absl::StrAppend(&out, " quarantined");
  if (message.no_room) absl::StrAppend(&out, " no-room");
  return out;
}

std::string Show(const StorageTask& task) {
  std::string out = absl::StrCat("#", task.seq.value);
  if (task.hard_state.has_value()) {
    absl::StrAppend(&out, " term=", task.hard_state->term.value);
    if (task.hard_state->vote.has_value())
      absl::StrAppend(&out, " vote=", Show(*task.hard_state->vote));
  }
  if (task.epoch.has_value()) absl::StrAppend(&out, " epoch=", task.epoch->value);
  if (task.quarantine) absl::StrAppend(&out, " quarantine");
  if (task.ended_through > Index{0})
    absl::StrAppend(&out, " ended-through=", task.ended_through.value);
  if (task.install != nullptr) {
    absl::StrAppend(&out, " install=", Show(task.install->checkpoint.applied));
    if (task.install->ended_through > Index{0})
      absl::StrAppend(&out, " ended-through=", task.install->ended_through.value);
  }
  if (task.truncate_from.has_value())
    absl::StrAppend(&out, " truncate-from=", task.truncate_from->value);
  if (!task.append.empty()) absl::StrAppend(&out, " [", ShowAll(task.append), "]");
  if (task.compact_to.has_value()) absl::StrAppend(&out, " compact-to=", task.compact_to->value);
  if (!task.must_sync) absl::StrAppend(&out, " (lazy)");
  return out;
}

std::string Show(const RoleChange& change) {
  std::string out = absl::StrCat(RoleName(change.role), " term=", change.term.value);
  if (change.role == Role::kFollower)
    absl::StrAppend(&out, change.leader.has_value() ? " of " + Show(*change.leader) : "");
  if (change.ready) absl::StrAppend(&out, " ready");
  return out;
}

}  // namespace pontoon::raft::script
