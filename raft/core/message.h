#ifndef PONTOON_RAFT_CORE_MESSAGE_H_
#define PONTOON_RAFT_CORE_MESSAGE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// [format] What replicas of one group say to each other (Raft thesis §3 and §9.6). The bytes
// between nodes: raft/node/FORMAT.md.
enum class MessageKind : uint8_t {
  kPreVote = 0,  // Would you vote for me in `term`? Changes nothing at the receiver (thesis §9.6).
  kPreVoteReply = 1,
  kVote = 2,  // RequestVote (thesis §3.4).
  kVoteReply = 3,
  kAppend = 4,  // AppendEntries (thesis §3.5); without entries it probes.
  kAppendReply = 5,
  kHeartbeat = 6,
  kHeartbeatReply = 7,
  kTimeoutNow = 8,  // Leadership transfer (thesis §3.10): campaign at once.
  // What the receiver lacks is not in the leader's log any more: fetch a snapshot (thesis §5.1).
  kSnapshotOffer = 9,
  // Between the hosts of two replicas, not for the cores: parts of a snapshot (snapshot.h).
  kSnapshotRequest = 10,
  kSnapshotPart = 11,
};
inline constexpr MessageKind kLastMessageKind = MessageKind::kSnapshotPart;

struct SnapshotPart;

// One message. Both ends check who it is for: a replica drops what names another group, epoch or
// incarnation.
struct Message {
  MessageKind kind = MessageKind::kHeartbeat;
  GroupId group;
  base::RecoveryEpoch epoch;
  ReplicaId from;
  ReplicaId to;
  Term term;    // The sender's; of kPreVote: the one it would campaign in.
  EntryId log;  // kPreVote, kVote: the candidate's last entry. kAppend: the entry before `entries`.
                // kAppendReply: accepted up to here, or where a refused probe should go on.
                // kHeartbeatReply: the receiver's last entry, durable or not. kTimeoutNow: what the
                // receiver must have as its last. kSnapshotOffer: the leader's newest checkpoint.
  Index probe;  // kAppendReply: the index in `log` of the append that it answers.
  // kAppend, kHeartbeat: the leader's commit index (of a heartbeat, as far as the logs match).
  Index commit;
  // Replies.
  bool refused = false;
  // kVote: asked for by the leader itself, so do not refuse because of it.
  bool transfer = false;
  // The sender's clock when it sent; a reply repeats the question's (for the leader's lease).
  base::MonotonicTime stamp;
  // kHeartbeat: the newest round of reads that it serves; the reply repeats it (thesis §6.4).
  uint64_t round = 0;
  // kHeartbeat, kHeartbeatReply: the sender's digest of its state as it was at digest_index; zero:
  // says nothing. A reply speaks of the heartbeat's index or of none.
  Index digest_index;
  uint64_t digest = 0;
  // Replies: the sender has given itself up (quarantine) and counts for nothing.
  bool quarantined = false;
  // kAppendReply, kHeartbeatReply: the disk has no room for bodies; entries with one are not taken.
  bool no_room = false;
  // kAppend, kSnapshotOffer: no majority has room, so take the bodies from the reserve.
  bool must_take = false;
  // kAppend.
  std::vector<Entry> entries;
  // kSnapshotRequest, kSnapshotPart.
  std::shared_ptr<const SnapshotPart> snapshot;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_MESSAGE_H_
