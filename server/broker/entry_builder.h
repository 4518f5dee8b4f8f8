#ifndef PONTOON_SERVER_BROKER_ENTRY_BUILDER_H_
#define PONTOON_SERVER_BROKER_ENTRY_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/slice.h"
#include "server/broker/facts.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

// Collects the facts of a turn into as few entries as their limits allow, and proposes them at its
// end.
class EntryBuilder {
 public:
  explicit EntryBuilder(ShardEnvironment* environment) : environment_(environment) {}

  template <typename Fact>
  void Add(const Fact& fact) {
    Begin();
    Encode(fact, &header_);
    CloseIfLarge();
  }
  void AddQueue(FactKind kind, QueueId queue) {
    Begin();
    EncodeQueue(kind, queue, &header_);
    CloseIfLarge();
  }
  void AddSession(FactKind kind, const SessionId& session) {
    Begin();
    EncodeSession(kind, session, &header_);
  }

  // A queue's creation, which nobody waits for yet: it goes ahead of the next fact, or by
  // WriteCreates.
  void AddCreate(QueueId queue) { creates_.push_back(queue); }
  size_t creates() const { return creates_.size(); }
  void WriteCreates();

  // Publishes of a session, the first with `first_number`.
  void Publish(const SessionId& session, uint64_t first_number,
               absl::Span<const broker::Publish> messages);
  // All of it in one entry of the log; either part may be empty.
  void Transact(const SessionId& session, uint64_t first_number,
                absl::Span<const broker::Publish> messages, const SettleFact* settles);

  // Nothing to propose; creations that may wait do not count.
  bool empty() const { return header_.empty() && ready_.empty(); }
  // Proposes what was collected.
  void Propose(int64_t log_time_nanos);
  void Clear();

 private:
  struct Entry {
    std::string header;
    base::SliceChain body;
    uint32_t body_crc = 0;
  };
  // Bodies that travel ahead of the Enqueue that is being written.
  struct Ahead {
    base::SliceChain body;
    uint32_t crc = 0;
  };

  void Begin();
  void Close();
  void CloseIfLarge();
  void AppendBody(const broker::Publish& message, bool payload, base::SliceChain* body,
                  uint32_t* crc);
  void SendAhead(uint64_t number, const SessionId& session, Ahead* piece);
  void SendPayloadAhead(uint64_t number, const SessionId& session, const broker::Publish& message);

  ShardEnvironment* const environment_;
  std::string header_;  // Of the entry that is being formed; empty: none.
  base::SliceChain body_;
  uint32_t body_crc_ = 0;
  std::vector<Entry> ready_;
  std::vector<QueueId> creates_;
  EnqueueWriter writer_;
  uint32_t pieces_ = 0;  // Sent ahead for the Enqueue that is being written.
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_ENTRY_BUILDER_H_
