#ifndef PONTOON_SERVER_BROKER_LEADER_STATE_H_
#define PONTOON_SERVER_BROKER_LEADER_STATE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "server/broker/facts.h"
#include "server/broker/queue_state.h"
#include "server/broker/session_table.h"
#include "server/broker/shard.h"

// What a leader keeps beside the replicated state: who consumes, who holds what, what it has
// proposed. Lost with the leadership.

namespace pontoon::broker {

struct LeaderQueue;
struct LeaderSession;

struct Consumer {
  ConsumerKey key;
  LeaderSession* session = nullptr;
  LeaderQueue* queue = nullptr;
  std::string tag;
  std::string channel_name;
  std::string arguments;
  bool no_ack = false;
  bool exclusive = false;
  int32_t priority = 0;
  uint32_t prefetch = 0;
  Credit credit;
  bool waiting = false;                 // Among its priority's waiting consumers.
  CreditUse told = CreditUse::kUntold;  // Since it was given credit; only with credit.tell.

  bool has_credit() const { return credit.messages != 0 && credit.bytes != 0; }
};

// A message that was handed out and is neither settled nor returned.
struct Outstanding {
  uint64_t delivery = 0;
  LeaderSession* session = nullptr;
  uint32_t bytes = 0;
  bool no_ack = false;
};

// Consumers of one priority that have credit, the next one to serve first.
struct PriorityGroup {
  int32_t priority = 0;
  std::deque<Consumer*> waiting;
};

// Pairs a reply with who asked.
struct Asker {
  SessionId session;
  RequestId request;
};
struct PendingPurge {
  Asker asker;
  uint64_t count = 0;
  size_t runs = 0;  // Settle runs that were not applied yet.
};

struct LeaderQueue {
  QueueSpec spec;
  QueueState* state = nullptr;  // Null until its creation was applied.
  bool closing = false;         // QueueClosed was proposed or applied.

  // Positions below were handed out or returned; those that are ready again are in `returned`.
  uint64_t cursor = 1;
  uint64_t redelivered_through = 0;  // May have been handed out by an earlier leader.
  absl::btree_set<uint64_t> returned;
  absl::btree_set<uint64_t> unreadable;  // Ready, but their bodies could not be read.
  absl::btree_map<uint64_t, Outstanding> outstanding;
  uint64_t outstanding_bytes = 0;
  uint64_t unacknowledged = 0;  // Of the outstanding, those that the consumer must acknowledge.
  uint64_t unacknowledged_bytes = 0;
  // Settles that were proposed and not yet applied (bytes: nor taken out of the queue's totals).
  uint64_t settling_count = 0;
  uint64_t settling_bytes = 0;

  std::vector<Consumer*> consumers;   // In the order in which they came.
  uint32_t tellers = 0;               // Of these, with credit.tell.
  std::vector<PriorityGroup> groups;  // Highest priority first.
  bool exclusive = false;
  bool first_consumer_proposed = false;
  uint64_t fence_proposed = 0;
  uint64_t fence_step = 0;
  std::vector<ProcessId> processes_proposed;

  // Bodies that were read ahead, by position.
  absl::btree_map<uint64_t, MessageBytes> fetched;
  uint64_t fetched_bytes = 0;
  absl::btree_set<uint64_t> fetching;
  uint64_t fetching_bytes = 0;
  uint64_t fetch_cursor = 1;
  bool get_waits = false;  // For a page, a body or a fence: what is read for it must stay.

  bool in_work = false;  // In the dispatcher's list of queues with something to do.
  std::deque<PendingPurge> purges;
  uint64_t ready_when_closed = 0;
  bool forgotten = false;      // The catalog dropped it before our log closed it.
  std::vector<Asker> deletes;  // To be answered when the catalog has forgotten the queue.

  uint64_t ready() const {
    return state == nullptr ? 0 : state->live() - outstanding.size() - settling_count;
  }
};

struct LeaderSession {
  SessionId id;
  bool opening = false;
  bool open = false;
  SessionState* applied = nullptr;  // Null until it is open.
  uint64_t next_publish = 1;        // What the log has and what was proposed.
  uint64_t next_settle = 1;
  uint64_t reported_publish = 0;  // The front-end was told up to here.
  uint64_t reported_settle = 0;
  bool advanced = false;  // Among those to be told at the end of the turn.

  // Requests that wait for earlier publishes, for the catalog, a fence or a page; in order.
  std::deque<ShardRequest> waiting;
  size_t waiting_holds_publishes = 0;  // Of these, such that no publish may overtake.
  size_t waiting_holds_settles = 0;    // Transactions.

  absl::btree_map<ConsumerKey, std::unique_ptr<Consumer>> consumers;
  Deliveries deliveries;  // To be sent at the end of the turn, or before any other response.
  bool has_deliveries = false;
  SettleFact settles;  // Of this turn.
  bool has_settles = false;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_LEADER_STATE_H_
