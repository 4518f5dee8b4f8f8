#include "raft/sim/trace.h"

namespace pontoon::raft::sim {

std::string DescribeMessage(const Message& message) {
  static constexpr const char* kNames[] = {"PreVote",       "PreVoteReply",    "Vote",
                                           "VoteReply",     "Append",          "AppendReply",
                                           "Heartbeat",     "HeartbeatReply",  "TimeoutNow",
                                           "SnapshotOffer", "SnapshotRequest", "SnapshotPart"};
  static_assert(std::size(kNames) == static_cast<size_t>(kLastMessageKind) + 1);
  std::string text = absl::StrCat(kNames[static_cast<size_t>(message.kind)], " term ",
                                  message.term.value, " log ", message.log.term.value, "/",
                                  message.log.index.value, " commit ", message.commit.value);
  if (message.from.incarnation != 1 || message.to.incarnation != 1)
    absl::StrAppend(&text, " lives ", message.from.incarnation, "->", message.to.incarnation);
  if (message.probe > Index{0}) absl::StrAppend(&text, " probe ", message.probe.value);
  if (message.refused) absl::StrAppend(&text, " refused");
  if (message.transfer) absl::StrAppend(&text, " transfer");
  if (message.quarantined) absl::StrAppend(&text, " quarantined");
  if (message.no_room) absl::StrAppend(&text, " no room");
  if (!message.entries.empty()) {
    absl::StrAppend(&text, " entries ", message.entries.front().id.index.value, "..",
                    message.entries.back().id.index.value);
  }
  return text;
}

}  // namespace pontoon::raft::sim
