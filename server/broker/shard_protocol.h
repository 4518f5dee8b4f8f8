#ifndef PONTOON_SERVER_BROKER_SHARD_PROTOCOL_H_
#define PONTOON_SERVER_BROKER_SHARD_PROTOCOL_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "base/slice.h"

// What a front-end's session and the leader of a shard say to each other (design sections 3 and 5).
// Within one session everything arrives in the order in which it was sent; a request takes effect
// after all publishes that were sent before it in the same session. The same types serve a shard
// whose log is replicated and the transient shard that each event loop keeps in memory.

namespace pontoon::broker {

using base::GroupId;
using base::QueueId;
using base::SessionId;

// [format] The place of a message in its queue, from 1 in the order of enqueueing; kept when it is
// returned.
using Position = base::StrongId<struct PositionTag, uint64_t>;
// One hand-over of a message to a consumer or a get: counts up within a leader's term. A settle
// names it, so that one that comes after the message went to other hands does nothing.
using DeliveryId = base::StrongId<struct DeliveryIdTag, uint64_t>;
// A consumer, as its session numbered it (never reused within the session).
using ConsumerKey = base::StrongId<struct ConsumerKeyTag, uint64_t>;
// Pairs a reply with its request within a session.
using RequestId = base::StrongId<struct RequestIdTag, uint64_t>;

// A message's bytes. `envelope` is what a delivery needs beside the payload: exchange (shortstr),
// routing key (shortstr), then the content header from its property flags on, byte for byte as the
// client sent it (BCC removed). Both share the block that was read from the publisher's socket. The
// envelope is at most kEnvelopeBytesMax long (the front-end refuses a longer one); the payload as
// long as it likes.
inline constexpr size_t kEnvelopeBytesMax = 256 * 1024;
struct MessageBytes {
  base::SliceChain envelope;
  base::SliceChain payload;
};

// ---- front-end -> shard leader
// ------------------------------------------------------------------------------------

// The first request of a session to a shard; logged. A session that the shard does not know is
// refused, never taken for a new one (every other request of it is answered by SessionRefused).
// Answered by SessionOpened.
struct OpenSession {};

// One message with its targets in this shard; numbered within the session, from 1, without gaps.
struct Publish {
  MessageBytes message;
  uint32_t envelope_crc = 0;  // CRC-32C, made where the bytes entered.
  uint32_t payload_crc = 0;
  bool persistent = false;  // delivery_mode 2
  absl::InlinedVector<QueueId, 1> targets;
};
struct PublishBatch {
  uint64_t first_number = 0;
  uint64_t catalog_index = 0;  // Newest catalog entry that the routing used.
  std::vector<Publish> messages;
};

// Deliveries that were handed out one after the other: positions first.. and delivery ids
// first_delivery.. both count up by one.
struct DeliveryRun {
  QueueId queue;
  Position first;
  DeliveryId first_delivery;
  uint32_t count = 1;
};
enum class SettleAction : uint8_t {
  kAcknowledge,  // basic.ack, or a no-ack delivery that was written to the socket
  kReject,       // basic.reject / basic.nack without requeue
};
struct Settle {
  DeliveryRun run;
  SettleAction action = SettleAction::kAcknowledge;
};
// Numbered within the session, from 1, on a count of their own.
struct SettleBatch {
  uint64_t number = 0;
  std::vector<Settle> settles;
};
// basic.nack / basic.reject with requeue, basic.recover, a channel that ended: back to the old
// places, marked `redelivered`.
struct ReturnBatch {
  std::vector<DeliveryRun> runs;
};
// tx.commit, as far as this shard goes: all of it in one entry of the log, or nothing. `publishes`
// and `settles` have the numbers that follow those of the session's earlier ones; either part may
// be empty (number 0 then).
struct Transaction {
  PublishBatch publishes;
  SettleBatch settles;
  std::vector<DeliveryRun> returns;
};

// How much may be handed to a consumer before it gives more. kUnlimited messages: no prefetch
// limit.
struct Credit {
  static constexpr uint64_t kUnlimited = ~uint64_t{0};
  uint64_t messages = 0;
  uint64_t bytes =
      0;  // Of envelope + payload; a message is handed out while any is left, so one may exceed it.
  // From now on, tell what becomes of it (CreditNote). For limits that several consumers share.
  bool tell = false;
};
// Adds to the consumer's credit.
struct GrantCredit {
  ConsumerKey consumer;
  Credit more;
};
// Takes all unused credit back; answered by CreditTaken. For channel-wide limits and changes of
// prefetch.
struct TakeCredit {
  RequestId request;
  ConsumerKey consumer;
};

struct Consume {
  RequestId request;
  uint64_t catalog_index = 0;
  QueueId queue;
  ConsumerKey consumer;
  std::string tag;
  std::string channel_name;  // "pid" of the channel as tools print it
  bool no_ack = false;
  bool exclusive = false;
  int32_t priority = 0;   // x-priority
  std::string arguments;  // The encoded field table, for listings.
  uint32_t prefetch = 0;  // For listings; 0 = none.
  Credit credit;          // To begin with.
};
struct Cancel {
  RequestId request;
  ConsumerKey consumer;
};
struct Get {
  RequestId request;
  uint64_t catalog_index = 0;
  QueueId queue;
  bool no_ack = false;
};
struct CountMessages {  // passive and repeated declares
  RequestId request;
  uint64_t catalog_index = 0;
  QueueId queue;
};
struct Purge {
  RequestId request;
  uint64_t catalog_index = 0;
  QueueId queue;
};
// The shard decides the conditions, closes the queue in its log, and replies when the catalog has
// the deletion too.
struct DeleteQueue {
  RequestId request;
  uint64_t catalog_index = 0;
  QueueId queue;
  bool if_unused = false;
  bool if_empty = false;
};
// For list_queues and its kin: figures of all queues of the shard (or of one).
struct InspectQueues {
  RequestId request;
  QueueId only;  // 0 = all
};
struct InspectConsumers {
  RequestId request;
};

using ShardRequest = std::variant<OpenSession, PublishBatch, SettleBatch, ReturnBatch, Transaction,
                                  GrantCredit, TakeCredit, Consume, Cancel, Get, CountMessages,
                                  Purge, DeleteQueue, InspectQueues, InspectConsumers>;

// ---- shard leader -> front-end
// ------------------------------------------------------------------------------------

// The session may speak; the numbers that its next publish and its next settle must have (also
// after a change of leader, when the session is opened again: what the shard has of it already need
// not be sent again).
struct SessionOpened {
  uint64_t next_publish = 1;
  uint64_t next_settle = 1;
};
struct SessionRefused {};

// Committed, and so synced by a majority: all publishes up to and including `through`. `refused`
// (ascending) are those among them since the last answer that a full queue rejected. A target queue
// that is gone counts as done.
struct PublishesDone {
  uint64_t through = 0;
  std::vector<uint64_t> refused;
};
// Committed: all settles up to and including this number.
struct SettlesDone {
  uint64_t through = 0;
};

struct Delivery {
  ConsumerKey consumer;  // 0 for the answer to a get
  QueueId queue;
  Position position;
  DeliveryId delivery;
  bool redelivered = false;
  MessageBytes message;
};
// kShort: a message is ready that nobody can take, and this consumer could with more credit in
// messages. kIdle: it has credit, and there is nothing for it. One that was given credit says one
// of these when it has used it up or cannot; not twice the same until it is given more.
enum class CreditUse : uint8_t { kUntold, kShort, kIdle };
struct CreditNote {
  ConsumerKey consumer;
  CreditUse use = CreditUse::kUntold;
};
struct Deliveries {
  std::vector<Delivery> deliveries;
  std::vector<CreditNote> notes;  // True after these.
};

// basic.cancel from the server: the queue is gone. What the consumer holds is gone with it.
struct ConsumerCancelled {
  ConsumerKey consumer;
};

struct QueueCounts {
  uint64_t ready = 0;
  uint64_t consumers = 0;
};
struct GetOk {
  Delivery delivery;
  uint64_t ready_left = 0;
};
struct QueueFigures {
  QueueId queue;
  uint64_t ready = 0;
  uint64_t unacknowledged = 0;
  uint64_t consumers = 0;
  uint64_t ready_bytes = 0;
  uint64_t unacknowledged_bytes = 0;
  uint64_t persistent = 0;  // messages with delivery_mode 2
  uint64_t persistent_bytes = 0;
  uint64_t memory_bytes = 0;  // what the queue takes in memory here
  // Of the exclusive consumer, if there is one.
  std::string exclusive_consumer_tag;
  std::string exclusive_consumer_channel;
};
struct ConsumerFigures {
  QueueId queue;
  SessionId session;
  std::string channel_name;
  std::string tag;
  bool ack_required = true;
  bool exclusive = false;
  bool active = true;
  uint32_t prefetch = 0;
  std::string arguments;
};
struct CreditTaken {
  ConsumerKey consumer;
  Credit unused;
};

// The one reply to a request. `status` carries an AMQP reply code where the request was refused
// (server/amqp). `result` by request: Consume, Cancel: monostate; Get: GetOk, or monostate for
// get-empty; CountMessages: QueueCounts; Purge, DeleteQueue: QueueCounts with what was removed in
// `ready`; TakeCredit: CreditTaken; the Inspects: their vectors.
struct Reply {
  RequestId request;
  absl::Status status;
  std::variant<std::monostate, GetOk, QueueCounts, CreditTaken, std::vector<QueueFigures>,
               std::vector<ConsumerFigures>>
      result;
};

using ShardResponse = std::variant<SessionOpened, SessionRefused, PublishesDone, SettlesDone,
                                   Deliveries, ConsumerCancelled, Reply>;

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_SHARD_PROTOCOL_H_
