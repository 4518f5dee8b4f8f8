#include <iterator>

#include "absl/strings/str_cat.h"
#include "raft/sim/simulation.h"

// Where every replica stands, for whoever reads a failure.

namespace pontoon::raft::sim {

const char* NameOf(Coincidence coincidence) {
  static constexpr const char* kNames[] = {
      "crash of a leader",
      "crash with unsynced tasks",
      "crash while a snapshot comes or goes",
      "crash in a change of members",
      "damage of the log's unsynced end",
      "damage of what was vouched for",
      "freeze of a leader",
      "stalled disk of a leader",
      "full disk of a leader",
      "write that failed",
      "trap that sprang",
      "transfer in a change of members",
      "change of members while a snapshot comes or goes",
      "read asked of one who is deposed",
      "late answer of a disk",
      "loss of what was synced that nothing tells",
      "disk put back that others know better",
      "disk put back that nobody knows better",
      "packet of an older epoch",
      "read asked of a leader in an older epoch",
      "copy of an older epoch refused and dropped",
      "packet of a disk that was put back",
      "damaged packet",
      "damaged entry in a packet that can be read",
      "replica given up",
      "damaged part of a snapshot",
      "damaged disk of one who sends a snapshot",
      "all serve in a time of peace",
      "group of which no majority is left",
      "group reopened from an incomplete copy",
      "committed entry lost by reopening",
      "message whose bytes were lost by reopening",
  };
  static_assert(std::size(kNames) == static_cast<size_t>(Coincidence::kCount));
  return kNames[static_cast<size_t>(coincidence)];
}
namespace {

std::string Names(const std::vector<ReplicaId>& replicas) {
  std::string text;
  for (const ReplicaId& replica : replicas) {
    absl::StrAppend(&text, text.empty() ? "" : " ", replica.node.value);
    if (replica.incarnation != 1) absl::StrAppend(&text, "(", replica.incarnation, ")");
  }
  return text;
}

}  // namespace

void Simulation::Describe() {
  for (uint32_t id = 0; id < options_.groups; ++id) {
    const GroupId group{id};
    for (const auto& host : hosts_) {
      const auto say = [&](const auto&... parts) {
        trace_.Say(now_us_, "g", id, " node ", host->number(), "(", host->self(group).incarnation,
                   ") ", parts...);
      };
      if (!host->up()) {
        say("down");
        continue;
      }
      const Core& core = host->core(group);
      const Membership& members = core.membership();
      say("role ", static_cast<int>(core.role()), " term ", core.term().value, " base ",
          core.log().base().index.value, " applied ", core.applied().value, " commit ",
          core.commit().value, " durable ", core.durable().value, " last ",
          core.log().last().term.value, "/", core.log().last().index.value,
          core.quarantined() ? " quarantined" : "", core.whole() ? "" : " not whole",
          host->disk_busy ? " disk busy" : "", " voters ", Names(members.voters),
          IsJoint(members) ? " outgoing " + Names(members.outgoing_voters) : "", " learners ",
          Names(members.learners));
      for (const auto& [peer, progress] : core.progress()) {
        say("  to ", Names({peer}), " state ", static_cast<int>(progress.state), " match ",
            progress.match.value, " next ", progress.next.value, progress.waiting ? " waiting" : "",
            progress.reading ? " reading" : "", progress.no_room ? " no room" : "", " in flight ",
            progress.in_flight.size());
      }
    }
  }
}

}  // namespace pontoon::raft::sim
