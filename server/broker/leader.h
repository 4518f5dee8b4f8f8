#ifndef PONTOON_SERVER_BROKER_LEADER_H_
#define PONTOON_SERVER_BROKER_LEADER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/broker/body_source.h"
#include "server/broker/dispatcher.h"
#include "server/broker/entry_builder.h"
#include "server/broker/leader_state.h"
#include "server/broker/replica.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

// Decides: turns requests and the catalog's changes into proposals, and what was applied into
// answers. Lives as long as this replica leads one term. Decides on what is applied plus what it
// has itself proposed.
class Leader final : public ReplicaListener {
 public:
  Leader(uint64_t term, Replica* replica, ShardEnvironment* environment, const ShardLimits& limits);
  ~Leader() override;

  void Start(uint64_t catalog_index, const std::vector<QueueSpec>& queues);
  void OnRequest(const SessionId& id, ShardRequest request);
  void OnQueueDeclared(const QueueSpec& spec);
  void OnQueueDeleted(QueueId id);
  void OnCatalogIndex(uint64_t catalog_index);
  void OnQueueForgotten(QueueId id);
  void ReleaseSession(const SessionId& id);
  void OnBootRegistered(base::NodeId node, base::BootId boot);
  void OnBodies(uint64_t read, std::vector<absl::StatusOr<base::Slice>> parts);
  void OnBodiesDropped(const std::vector<uint64_t>& entries);
  void OnTurnEnd(base::MonotonicTime now, base::WallTime wall);
  uint64_t memory_bytes() const;

  // ReplicaListener:
  void OnAppended(QueueState* queue, uint32_t count) override;
  void OnSettled(QueueState* queue, SettleReason reason, uint64_t removed, uint64_t bytes) override;
  void OnFence(QueueState* queue) override;
  void OnQueueCreated(QueueState* queue) override;
  void OnQueueClosed(QueueState* queue) override;
  void OnSessionOpened(SessionState* session) override;
  void OnSessionEnded(const SessionId& session) override;
  void OnSessionAdvanced(SessionState* session) override;
  void OnEntryApplied(const LogEntry& entry) override;
  bool WantsLoaded(const QueueState& queue, uint64_t segment) override;
  void OnSegmentLoaded(QueueState* queue, uint64_t segment) override;
  void OnSegmentUnreadable(QueueState* queue, uint64_t segment) override;

 private:
  // What became of a request that was tried: done (answered, if it has an answer), or it must wait.
  enum class Done { kYes, kWait };
  // A queue by what a request names, if it can be used now.
  struct Found {
    LeaderQueue* queue = nullptr;
    bool wait = false;
    absl::Status status;
  };

  LeaderSession* FindSession(const SessionId& id);
  LeaderQueue* FindLeaderQueue(QueueId id);
  // Takes on a queue that the catalog has: creates it, or carries on with what the log says of it.
  void AdoptQueue(const QueueSpec& spec);
  void EraseQueue(LeaderQueue* queue);
  void CloseQueue(LeaderQueue* queue, bool catalog_knows);
  // Its deletion is complete: answers who asked for it.
  void DropQueue(LeaderQueue* queue);
  void CloseIfAbandoned(LeaderQueue* queue);
  void RemoveConsumer(LeaderSession* session, ConsumerKey key);

  // leader_requests.cc
  void Open(const SessionId& id);
  void Admit(LeaderSession* session, ShardRequest request);
  void Advance(LeaderSession* session);
  Done Try(LeaderSession* session, ShardRequest* request);
  Done Do(LeaderSession* session, OpenSession* request);
  Done Do(LeaderSession* session, PublishBatch* batch);
  Done Do(LeaderSession* session, SettleBatch* batch);
  Done Do(LeaderSession* session, ReturnBatch* batch);
  Done Do(LeaderSession* session, Transaction* transaction);
  Done Do(LeaderSession* session, GrantCredit* grant);
  Done Do(LeaderSession* session, TakeCredit* request);
  Done Do(LeaderSession* session, Consume* request);
  Done Do(LeaderSession* session, Cancel* request);
  Done Do(LeaderSession* session, Get* request);
  Done Do(LeaderSession* session, CountMessages* request);
  Done Do(LeaderSession* session, Purge* request);
  Done Do(LeaderSession* session, DeleteQueue* request);
  Done Do(LeaderSession* session, InspectQueues* request);
  Done Do(LeaderSession* session, InspectConsumers* request);
  Found Find(LeaderSession* session, uint64_t catalog_index, QueueId id);
  // The part of a batch whose numbers come next; false (and the session told) if there is a gap.
  bool NextPublishes(LeaderSession* session, const PublishBatch& batch,
                     absl::Span<const Publish>* messages);
  void Settle(const std::vector<broker::Settle>& settles, std::vector<SettleRun>* runs);
  void Return(const std::vector<DeliveryRun>& runs);

  void Respond(LeaderSession* session, ShardResponse response);
  void Answer(const Asker& asker, Reply reply);
  void SendDeliveries(LeaderSession* session);
  void ProposeSettles();
  void ProposeCreates(base::MonotonicTime now);
  void TellAdvanced();
  int64_t LogTime(base::MonotonicTime now, base::WallTime wall);

  Replica* const replica_;
  ShardEnvironment* const environment_;
  EntryBuilder builder_;
  BodySource bodies_;
  Dispatcher dispatcher_;
  uint64_t catalog_index_ = 0;
  absl::btree_map<QueueId, std::unique_ptr<LeaderQueue>> queues_;
  absl::btree_map<SessionId, std::unique_ptr<LeaderSession>> sessions_;
  LeaderSession* hot_session_ = nullptr;
  absl::btree_map<base::NodeId, base::BootId>
      boots_;                             // The newest known; sessions of older ones are over.
  std::vector<LeaderSession*> advanced_;  // To be told at the end of the turn.
  std::vector<LeaderSession*> settling_;  // With settles of this turn.
  uint32_t wanted_ = 0;  // Hand-overs that are expected of the entry being applied.
  bool creates_wait_ = false;
  base::MonotonicTime creates_wait_from_;
  bool has_time_ = false;
  int64_t log_time_nanos_ = 0;
  base::MonotonicTime time_read_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_LEADER_H_
