#ifndef PONTOON_SERVER_BROKER_SHARD_H_
#define PONTOON_SERVER_BROKER_SHARD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/slice.h"
#include "base/time.h"
#include "server/broker/shard_protocol.h"

// A shard: the queues of one Raft group (or of one loop's transient log), as replicated state and,
// on the leader, as decisions. Deterministic and free of I/O: everything it wants from outside goes
// through ShardEnvironment, everything it learns comes in through a method. One event loop owns it;
// not thread-safe.

namespace pontoon::broker {

// Mirrors raft::Entry as far as a state machine needs it (this room does not see Raft).
struct LogEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  base::SliceChain header;
  base::SliceChain body;  // Absent when it is replayed from disk after a start.
};

struct BodyPart {
  uint64_t index;   // of the entry
  uint32_t offset;  // in the entry's body
  uint32_t size;
};
struct BodyKeep {
  uint64_t index;
  std::vector<std::pair<uint32_t, uint32_t>> extents;  // (offset, size), ascending, not touching
};

// What the shard decided about its own storage; see raft::StateTask.
struct ShardState {
  std::vector<std::pair<uint64_t, base::SliceChain>> put_pages;
  std::vector<uint64_t> drop_pages;
  std::vector<uint64_t> drop_bodies;
  std::vector<BodyKeep> cut_bodies;
  bool has_checkpoint = false;  // `root` is the image after `applied`.
  uint64_t applied = 0;
  std::string root;
};

// A queue as the shard needs it from the catalog.
struct QueueSpec {
  QueueId id;
  bool auto_delete = false;
  std::string name;  // For messages to people only ("queue 'q' in vhost '/'").
  std::string vhost;
};

class ShardEnvironment {
 public:
  virtual ~ShardEnvironment() = default;
  // Appends an entry to the shard's log; only while leading. The entry comes back through Apply
  // when it is committed. `body_crc` is the CRC-32C of `body`.
  virtual void Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) = 0;
  // To the front-end of `session`; in order per session.
  virtual void Respond(const SessionId& session, ShardResponse response) = 0;
  // Answered, in any order, by OnBodies / OnPage with the same `read`.
  virtual void ReadBodies(uint64_t read, std::vector<BodyPart> parts) = 0;
  virtual void ReadPage(uint64_t read, uint64_t page) = 0;
  virtual void SubmitState(ShardState state) = 0;
  // The shard closed this queue (deleted, auto-deleted): see that the catalog drops it, then call
  // OnQueueForgotten. Repeated after a change of leader until then.
  virtual void ForgetQueue(QueueId queue) = 0;
  // Ask for OnTurnEnd in this turn although no input comes (there is more to dispatch).
  virtual void WantTurn() = 0;
};

struct ShardLimits {
  uint64_t body_cache_bytes = 16 << 20;  // Bodies kept in memory for messages that wait.
  uint32_t deliveries_per_turn = 2048;   // So that one shard cannot hog its loop.
};

class Shard {
 public:
  virtual ~Shard() = default;

  // ---- replica: pure functions of the log
  // From a checkpoint's root, before any Apply. DataLoss if it is damaged, FailedPrecondition if it
  // is newer than us.
  virtual absl::Status Restore(uint64_t applied, absl::string_view root) = 0;
  virtual void Apply(absl::Span<const LogEntry> entries) = 0;
  virtual void OnCheckpointDurable(uint64_t applied) = 0;
  // Asks for a checkpoint now (reclaimable headers, an idle shard, shutdown); it comes out through
  // SubmitState.
  virtual void MakeCheckpoint() = 0;

  // ---- leader
  // This replica leads `term` from here on, having applied an entry of it. `queues` is the
  // catalog's list of the shard's queues, `catalog_index` the entry up to which it is true: what
  // the shard lacks it creates, what it has and the catalog (at or above the queue's own index) has
  // not, it closes.
  virtual void OnLeader(uint64_t term, uint64_t catalog_index,
                        const std::vector<QueueSpec>& queues) = 0;
  virtual void OnFollower() = 0;
  virtual void OnRequest(const SessionId& session, ShardRequest request) = 0;
  // Catalog changes as they are applied, in order.
  virtual void OnQueueDeclared(uint64_t catalog_index, const QueueSpec& queue) = 0;
  virtual void OnQueueDeleted(uint64_t catalog_index, QueueId queue) = 0;
  virtual void OnCatalogIndex(uint64_t catalog_index) = 0;
  // The catalog no longer has a queue that this shard had closed.
  virtual void OnQueueForgotten(QueueId queue) = 0;
  // The catalog records that this session's process is over: its consumers and holdings are given
  // up.
  virtual void OnSessionEnded(const SessionId& session) = 0;
  // The catalog records that `node` started for the `boot`-th time: all sessions of its earlier
  // boots are over. Also told right after OnLeader, for the boots that run now.
  virtual void OnBootRegistered(base::NodeId node, base::BootId boot) = 0;
  virtual void OnBodies(uint64_t read, std::vector<absl::StatusOr<base::Slice>> parts) = 0;
  virtual void OnPage(uint64_t read, absl::StatusOr<base::Slice> page) = 0;

  // Once per turn of the loop, after the inputs of the turn: forms proposals, dispatches, answers.
  // `wall` feeds the log's time, which never goes back.
  virtual void OnTurnEnd(base::MonotonicTime now, base::WallTime wall) = 0;

  // ---- for policy and listings
  virtual uint64_t waiting_bytes() const = 0;  // Bodies in the log that are not settled.
  virtual uint64_t memory_bytes() const = 0;   // An estimate of what the shard keeps in memory.
  virtual uint64_t digest() const = 0;         // Rolling digest of what was applied.
  // Whether something that waits lies in this entry's body, as far as this replica knows: of
  // messages on a page that was not read since they were settled it may say so a little longer.
  virtual bool NeedsBody(uint64_t index) const = 0;
};

std::unique_ptr<Shard> NewShard(GroupId group, const ShardLimits& limits,
                                ShardEnvironment* environment);

// What a checkpoint's root refers to on the disk of the replica that made it.
struct CheckpointContents {
  struct Run {
    uint64_t first;
    uint64_t count;
    friend bool operator==(const Run&, const Run&) = default;
  };
  std::vector<uint64_t> pages;  // Ascending.
  std::vector<Run> bodies;      // Of entries; ascending, not touching.
};
// DataLoss if the root is damaged, FailedPrecondition if it is newer than us. Takes as long, and
// for that time as much memory, as restoring it.
absl::StatusOr<CheckpointContents> ListCheckpoint(GroupId group, absl::string_view root);

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_SHARD_H_
