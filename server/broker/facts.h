#ifndef PONTOON_SERVER_BROKER_FACTS_H_
#define PONTOON_SERVER_BROKER_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/broker/codec.h"
#include "server/broker/shard_protocol.h"

// [format] What the log of a shard records: the header of an entry is a version, the log's time and
// a list of facts, applied together or not at all. The layout is in FORMAT.md; facts are read in
// place.

namespace pontoon::broker {

inline constexpr uint8_t kEntryVersion = 1;
// Bytes before the first fact: version and log time.
inline constexpr size_t kEntryPrefixBytes = 9;
// Bytes of an entry's body at most, and of a header that the leader forms (raft: kEntryBodyBytesMax
// and a good margin below kEntryHeaderBytesMax, since the last fact is added before the size is
// looked at).
inline constexpr uint32_t kBodyBytesMax = 256 * 1024;
inline constexpr uint32_t kHeaderBytesMax = 1024 * 1024;
inline constexpr uint32_t kHeaderBytesWanted = 256 * 1024;

enum class FactKind : uint8_t {
  kEnqueue = 1,
  kSettle = 2,
  kReturn = 3,
  kFence = 4,
  kMove = 5,
  kPrepare = 6,  // Reserved for a tx over several shards.
  kDecide = 7,   // Reserved.
  kQueueCreated = 8,
  kQueueFirstConsumer = 9,
  kQueueClosed = 10,
  kQueueForgotten = 11,
  kSessionOpened = 12,
  kSessionEnded = 13,
  kBodyPiece = 14,
  kFactsAhead = 15,
  kFactsTogether = 16,
};

enum class SettleReason : uint8_t {
  kAcknowledged = 0,
  kRejected = 1,
  kExpired = 2,
  kDeadLettered = 3,
  kDroppedByLimit = 4,
  kPurged = 5,
  kDeliveryLimit = 6,
};

// Where and how one message of an Enqueue lies (bits of a byte).
enum MessageFlags : uint8_t {
  kPersistent = 1,   // delivery_mode 2
  kRefused = 2,      // A full queue rejected it: no targets.
  kSameTargets = 4,  // As the message before; no targets follow.
  kSameSizes = 8,    // As the message before; no sizes follow.
  kLiesAhead = 16,  // Its bytes are in a body piece that travelled ahead, not in this entry's body.
  kNewPiece = 32,   // With kLiesAhead: the first message of the next piece.
  kPayloadPieces =
      64,  // Its payload is the whole of the next ceil(payload / kBodyBytesMax) pieces.
};

struct EnqueueFact {
  SessionId session;
  uint64_t first_number = 0;
  uint32_t count = 0;
  uint32_t pieces = 0;  // Body pieces of this session that travelled ahead for it.
  std::vector<QueueId> queues;
  absl::string_view messages;  // Read with MessageReader.
};

// One message of an EnqueueFact.
struct EnqueuedMessage {
  uint8_t flags = 0;
  uint32_t envelope_bytes = 0;
  uint32_t payload_bytes = 0;
  uint32_t envelope_crc = 0;
  uint32_t payload_crc = 0;
};

// Goes through the messages of an EnqueueFact, in order.
class MessageReader {
 public:
  explicit MessageReader(const EnqueueFact& fact)
      : in_(fact.messages), queues_(fact.queues.size()) {}
  // False at the end and where the bytes are damaged (see ok()).
  bool Next(EnqueuedMessage* message);
  // Targets of the message read last, as indexes into EnqueueFact::queues, each below its size.
  const std::vector<uint32_t>& targets() const { return targets_; }
  bool ok() const { return in_.ok(); }
  // What follows the last message that was read.
  const char* position() const { return in_.position(); }

 private:
  Decoder in_;
  size_t queues_;
  EnqueuedMessage last_;
  std::vector<uint32_t> targets_;
};

struct SettleRun {
  QueueId queue;
  uint64_t first = 0;  // position
  uint64_t count = 1;  // Positions that are gone already are passed over.
  SettleReason reason = SettleReason::kAcknowledged;
};
struct SettleFact {
  // The session's numbers that are used up by this, or none (a purge).
  std::optional<SessionId> session;
  uint64_t first_number = 0;
  uint64_t numbers = 0;
  std::vector<SettleRun> runs;
};

// These messages came back, with their delivery counts.
struct ReturnFact {
  struct Message {
    uint64_t position;
    uint32_t delivery_count;
  };
  QueueId queue;
  std::vector<Message> messages;
};

struct ProcessId {  // A boot of a node.
  base::NodeId node;
  base::BootId boot;
  friend constexpr auto operator<=>(const ProcessId&, const ProcessId&) = default;
};
inline ProcessId ProcessOf(const SessionId& session) { return {session.node, session.boot}; }

// The queue may be dispatched up to `through` at `priority`, to consumers of these processes (added
// to earlier ones).
struct FenceFact {
  QueueId queue;
  uint8_t priority = 0;
  uint64_t through = 0;
  std::vector<ProcessId> processes;
};

// The message at `position` goes to these queues of other shards, as `number` of this shard's
// session there.
struct MoveFact {
  QueueId queue;
  uint64_t position = 0;
  uint64_t number = 0;
  struct Target {
    base::GroupId shard;
    QueueId queue;
  };
  std::vector<Target> targets;
};

struct QueueFact {  // kQueueCreated, kQueueFirstConsumer, kQueueForgotten
  QueueId queue;
};
struct QueueClosedFact {
  QueueId queue;
  bool catalog_knows = false;  // The catalog deleted it first: nothing is left to carry there.
};
struct SessionFact {  // kSessionOpened, kSessionEnded
  SessionId session;
};
// The entry's body is the `ordinal`-th piece (from 0) of what the Enqueue of `session` with first
// number `number` names.
struct BodyPieceFact {
  SessionId session;
  uint64_t number = 0;
  uint64_t ordinal = 0;
  uint32_t bytes = 0;
};
// A part of a list of facts that is too long for one header, kept with the session until
// kFactsTogether applies all `count` parts in its own place in the log.
struct FactsAheadFact {
  SessionId session;
  uint64_t ordinal = 0;
  absl::string_view facts;
};
struct FactsTogetherFact {
  SessionId session;
  uint64_t count = 0;
};

// ---- writing. Each appends one fact.
void EncodePrefix(std::string* header, int64_t log_time_nanos);
void PatchLogTime(std::string* header, int64_t log_time_nanos);
void Encode(const SettleFact& fact, std::string* out);
void Encode(const ReturnFact& fact, std::string* out);
void Encode(const FenceFact& fact, std::string* out);
void Encode(const MoveFact& fact, std::string* out);
void EncodeQueue(FactKind kind, QueueId queue, std::string* out);
void Encode(const QueueClosedFact& fact, std::string* out);
void EncodeSession(FactKind kind, const SessionId& session, std::string* out);
void Encode(const BodyPieceFact& fact, std::string* out);
void Encode(const FactsAheadFact& fact, std::string* out);
void Encode(const FactsTogetherFact& fact, std::string* out);

// Writes one Enqueue, message by message.
class EnqueueWriter {
 public:
  void Begin(const SessionId& session, uint64_t first_number);
  // `flags`: all but the kSame ones, which are found here.
  void Add(const EnqueuedMessage& message, absl::Span<const QueueId> targets);
  void set_pieces(uint32_t pieces) { pieces_ = pieces; }
  uint32_t count() const { return count_; }
  uint64_t first_number() const { return first_number_; }
  uint32_t pieces() const { return pieces_; }
  const SessionId& session() const { return session_; }
  size_t bytes() const { return 40 + table_.size() + messages_.size(); }
  // Appends the fact and is ready for another Begin.
  void Finish(std::string* out);

 private:
  uint32_t IndexOf(QueueId queue);

  SessionId session_;
  uint64_t first_number_ = 0;
  uint32_t count_ = 0;
  uint32_t pieces_ = 0;
  uint32_t queues_ = 0;
  uint64_t last_id_ = 0;
  std::string table_;
  std::string messages_;
  std::vector<std::pair<uint64_t, uint32_t>> index_;  // Sorted by id.
  std::vector<QueueId> last_targets_;
  EnqueuedMessage last_;
};

// ---- reading
// What an entry's header says before its facts.
struct EntryPrefix {
  uint8_t version = 0;
  int64_t log_time_nanos = 0;
};
bool DecodePrefix(Decoder* in, EntryPrefix* prefix);
// After the kind byte was read. False: damaged.
bool Decode(Decoder* in, EnqueueFact* fact);
bool Decode(Decoder* in, SettleFact* fact);
bool Decode(Decoder* in, ReturnFact* fact);
bool Decode(Decoder* in, FenceFact* fact);
bool Decode(Decoder* in, MoveFact* fact);
bool Decode(Decoder* in, QueueFact* fact);
bool Decode(Decoder* in, QueueClosedFact* fact);
bool Decode(Decoder* in, SessionFact* fact);
bool Decode(Decoder* in, BodyPieceFact* fact);
bool Decode(Decoder* in, FactsAheadFact* fact);
bool Decode(Decoder* in, FactsTogetherFact* fact);

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_FACTS_H_
