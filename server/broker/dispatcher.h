#ifndef PONTOON_SERVER_BROKER_DISPATCHER_H_
#define PONTOON_SERVER_BROKER_DISPATCHER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/broker/body_source.h"
#include "server/broker/entry_builder.h"
#include "server/broker/leader_state.h"

namespace pontoon::broker {

// Hands the messages of a leader's queues to consumers and gets, and knows who holds which.
// Invariants:
// 1. A message is handed out only up to the committed fence, to processes that it names.
// 2. Of the ready messages the one with the lowest position goes first: a returned one to its old
// place.
// 3. Higher priorities first; within one, strictly in turn over the consumers that have credit.
// 4. Every live position is exactly one of: ready, outstanding, settling.
class Dispatcher {
 public:
  Dispatcher(Replica* replica, BodySource* bodies, EntryBuilder* builder,
             uint32_t deliveries_per_turn)
      : replica_(replica),
        bodies_(bodies),
        builder_(builder),
        deliveries_per_turn_(deliveries_per_turn) {}

  // Notes that the queue may have something to do.
  void Wake(LeaderQueue* queue);
  // Hands out what can be handed out in a turn. True: there is more to do at once.
  bool Run();

  void AddConsumer(Consumer* consumer);
  void RemoveConsumer(Consumer* consumer);
  void AddCredit(Consumer* consumer, const Credit& more);
  // The consumer has none from now on.
  Credit TakeCredit(Consumer* consumer);
  // Consumers that waited for the fence to name their process join in.
  void OnFence(LeaderQueue* queue);

  enum class GetResult { kTaken, kEmpty, kWait };
  // For a get: the next message goes to `session`, or nothing is ready, or it takes a fence, a page
  // or a body first.
  GetResult Get(LeaderQueue* queue, LeaderSession* session, bool no_ack, Delivery* delivery);

  // Makes the messages of the run that the session really holds ready again.
  void Return(LeaderQueue* queue, const DeliveryRun& run);
  // All that the session holds.
  void ReturnAll(LeaderSession* session,
                 const absl::btree_map<QueueId, std::unique_ptr<LeaderQueue>>& queues);
  // Takes the messages of the run that are really held in these hands out of them, to be settled:
  // appends runs.
  void BeginSettle(LeaderQueue* queue, const DeliveryRun& run, SettleReason reason,
                   std::vector<SettleRun>* runs);
  // All that is ready: appends runs and returns how many messages they are.
  uint64_t BeginPurge(LeaderQueue* queue, std::vector<SettleRun>* runs);
  // These settles were applied; `bytes` of them left the queue's totals.
  void OnSettled(LeaderQueue* queue, uint64_t messages, uint64_t bytes);

  // The page of a segment cannot be read: its messages stay, and the others go on.
  void OnUnreadable(LeaderQueue* queue, uint64_t segment);
  // The queue is gone.
  void Forget(LeaderQueue* queue);
  void Clear();

 private:
  // The next ready position; 0: none.
  uint64_t NextReady(LeaderQueue* queue);
  // Whether the fence allows it; proposes a further one where needed.
  bool Fenced(LeaderQueue* queue, uint64_t position, const ProcessId& process);
  void ProposeFence(LeaderQueue* queue, uint64_t through, const ProcessId* process);
  Consumer* NextConsumer(LeaderQueue* queue);
  void OnCredit(Consumer* consumer);
  void List(Consumer* consumer);
  void Unlist(Consumer* consumer);
  // The position's bytes for a hand-over; false: not now.
  bool Fetch(LeaderQueue* queue, uint64_t position, Reference* reference, MessageBytes* bytes);
  Delivery HandOut(LeaderQueue* queue, LeaderSession* session, bool no_ack, uint64_t position,
                   const Reference& reference, MessageBytes bytes);
  uint32_t RunQueue(LeaderQueue* queue, uint32_t deliveries_max);
  // What became of the credit of those who are to tell.
  void TellOfCredit(LeaderQueue* queue);
  void ForEachHeld(LeaderQueue* queue, const DeliveryRun& run,
                   absl::FunctionRef<void(uint64_t first, uint64_t count)> each);

  Replica* const replica_;
  BodySource* const bodies_;
  EntryBuilder* const builder_;
  const uint32_t deliveries_per_turn_;
  std::deque<LeaderQueue*> work_;
  uint64_t next_delivery_ = 1;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_DISPATCHER_H_
