#ifndef PONTOON_SERVER_BROKER_REPLICA_H_
#define PONTOON_SERVER_BROKER_REPLICA_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "server/broker/body_ledger.h"
#include "server/broker/body_sweeper.h"
#include "server/broker/facts.h"
#include "server/broker/queue_state.h"
#include "server/broker/session_table.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

// Told of what was applied; the leader. Called while an entry is applied: must not change the
// replica.
class ReplicaListener {
 public:
  virtual ~ReplicaListener() = default;
  // `count` messages were appended, the last one at tail().
  virtual void OnAppended(QueueState* queue, uint32_t count) = 0;
  // A settle was applied; `removed` of its messages were still there, and `bytes` left the queue's
  // totals. Called with no messages when a debt of the totals is paid.
  virtual void OnSettled(QueueState* queue, SettleReason reason, uint64_t removed,
                         uint64_t bytes) = 0;
  virtual void OnFence(QueueState* queue) = 0;
  virtual void OnQueueCreated(QueueState* queue) = 0;
  // The queue is gone; `queue` is valid for this call only if the catalog knew it, else it is what
  // is left: a closed one.
  virtual void OnQueueClosed(QueueState* queue) = 0;
  virtual void OnSessionOpened(SessionState* session) = 0;
  virtual void OnSessionEnded(const SessionId& session) = 0;
  // Its next numbers changed.
  virtual void OnSessionAdvanced(SessionState* session) = 0;
  virtual void OnEntryApplied(const LogEntry& entry) = 0;
  // The references of a segment are about to be left to its page, or have just been read from it.
  virtual bool WantsLoaded(const QueueState& queue, uint64_t segment) = 0;
  virtual void OnSegmentLoaded(QueueState* queue, uint64_t segment) = 0;
  virtual void OnSegmentUnreadable(QueueState* queue, uint64_t segment) = 0;
};

// The replicated state of a shard, the same on every replica that has applied the same entries, and
// the replica's own account of what it keeps on disk for it. Invariants:
// 1. A body is dropped in the turn in which the last reference to it is settled (replica_test,
// shard_model_test).
// 2. Applying never reads a page.
// 3. A page that the newest durable checkpoint names is not dropped before a newer one is durable.
// 4. Pages are numbered by what is applied alone, or together with a checkpoint, so that a replay
// writes the same ones.
class Replica {
 public:
  using Queues = absl::btree_map<QueueId, std::unique_ptr<QueueState>>;

  Replica(GroupId group, ShardEnvironment* environment)
      : group_(group), environment_(environment) {}

  void set_listener(ReplicaListener* listener) { listener_ = listener; }

  absl::Status Restore(uint64_t applied, absl::string_view root);
  void Apply(const LogEntry& entry);
  void MakeCheckpoint();
  void OnCheckpointDurable(uint64_t applied);
  // True if it was one of the replica's reads.
  bool OnPage(uint64_t read, const absl::StatusOr<base::Slice>& page);
  // Once per turn, with the monotonic clock: cuts bodies down of which little still lives.
  void OnTurn(base::MonotonicTime now);
  // Hands what became of bodies and pages to the environment, and reads pages that owe.
  void FlushState();

  QueueState* FindQueue(QueueId id);  // Also a closed one.
  const Queues& queues() const { return queues_; }
  SessionTable& sessions() { return sessions_; }
  const BodyLedger& ledger() const { return ledger_; }
  uint64_t applied() const { return applied_; }
  int64_t log_time_nanos() const { return log_time_nanos_; }
  uint64_t digest() const { return digest_; }
  size_t memory_bytes() const;
  // What a checkpoint of the state as it is now refers to.
  CheckpointContents Contents() const;

  // Asks for the page of a segment on disk, unless that is under way; OnSegmentLoaded follows.
  void WantSegment(QueueState* queue, uint64_t number);
  // Whether the entry is a piece of a body that travels ahead of its publish.
  bool IsPendingPiece(uint64_t entry);
  // Appends where the message lies, in order, to `parts`.
  void PartsOf(const Reference& reference, std::vector<BodyPart>* parts) const;

 private:
  struct Debt {
    QueueId queue;
    uint64_t segment;
  };
  struct PageRead {
    uint64_t page;
    QueueId queue;
    uint64_t segment;
  };

  void ApplyFacts(uint64_t index, Decoder* in);
  bool ApplyFact(uint64_t index, FactKind kind, Decoder* in);
  void ApplyEnqueue(uint64_t index, const EnqueueFact& fact);
  void ApplySettle(const SettleFact& fact);
  void ApplyClosed(const QueueClosedFact& fact);
  void ApplySessionEnded(const SessionId& id);
  void ApplyPiece(uint64_t index, const BodyPieceFact& fact);
  bool ApplyTogether(uint64_t index, const FactsTogetherFact& fact);
  void DropPieces(SessionState* session);
  uint64_t RemoveMessages(QueueState* queue, uint64_t first, uint64_t count);
  void ReleaseReference(const Reference& reference, uint64_t count);
  void OnSegmentEmptied(std::unique_ptr<Segment> segment);
  void PageOutBehind(QueueState* queue, uint64_t tail_before);
  void PageOut(QueueState* queue, uint64_t number, Segment* segment);
  void RetirePage(uint64_t page);
  void ReadDebts();
  void OnUnreadable(const PageRead& read);
  uint64_t ReadPageOf(uint64_t page, QueueId queue, uint64_t segment);
  bool RestoreRoot(Decoder* in);

  const GroupId group_;
  ShardEnvironment* const environment_;
  ReplicaListener* listener_ = nullptr;

  uint64_t applied_ = 0;
  int64_t log_time_nanos_ = 0;
  uint64_t digest_ = 0;
  Queues queues_;
  SessionTable sessions_;
  BodyLedger ledger_;
  uint64_t next_page_ = 1;

  // Of the entry that is being applied: how far its own body is used up.
  uint32_t own_offset_ = 0;
  std::vector<uint32_t> appended_;
  std::vector<QueueState*> targets_;
  std::vector<uint64_t> sealed_pieces_;
  EnqueueFact enqueue_;
  SettleFact settle_;

  // Segments on disk that owe (by page): still part of a queue, or all gone.
  absl::btree_map<uint64_t, Debt> debts_;
  absl::btree_map<uint64_t, std::unique_ptr<Segment>> orphans_;
  absl::btree_map<uint64_t, PageRead> page_reads_;  // by read number
  absl::btree_map<uint64_t, uint64_t> reading_;     // page -> read number
  absl::btree_map<uint64_t, bool>
      unreadable_;  // Pages that could not be read in this life of the replica.
  uint64_t next_read_ = 1;

  BodySweeper sweeper_;
  absl::btree_map<uint64_t, BodySweeper::PageNeeded> sweep_pages_;  // By read.
  bool sweep_wanted_ = false;
  base::MonotonicTime swept_;

  ShardState state_;               // Not yet submitted.
  uint64_t checkpoint_page_ = 1;   // Pages from here on are in no checkpoint that was submitted.
  std::vector<uint64_t> retired_;  // Pages out of use since the newest checkpoint was submitted.
  absl::btree_map<uint64_t, std::vector<uint64_t>>
      awaiting_;  // By the checkpoint that must be durable first.
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_REPLICA_H_
