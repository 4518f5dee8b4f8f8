#ifndef PONTOON_SERVER_SESSION_UNACKED_H_
#define PONTOON_SERVER_SESSION_UNACKED_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/broker/shard_protocol.h"
#include "server/cluster/front_end.h"

namespace pontoon::session {

// Deliveries that follow each other by tag, place and delivery id, all of one consumer (0: of
// basic.get).
struct UnackedRun {
  uint64_t first_tag = 0;
  cluster::ShardRef shard;
  broker::DeliveryRun run;
  broker::ConsumerKey consumer;
};

// What a channel's client holds: delivery tags, and what they stand for. A run per block of
// consecutive deliveries, so that a client that acknowledges in order costs one run however much it
// holds; out of order, a run per hole.
class Unacked {
 public:
  // `tag` must be above all tags that were added before.
  void Add(uint64_t tag, const cluster::ShardRef& shard, const broker::Delivery& delivery);

  // Each takes out what it names, appending it to `*taken` in order of tags; false and nothing
  // taken if the tag is not held (406 "unknown delivery tag").
  bool TakeOne(uint64_t tag, std::vector<UnackedRun>* taken);
  // basic.ack `multiple`: `tag` must be held itself, as RabbitMQ wants it.
  bool TakeUpTo(uint64_t tag, std::vector<UnackedRun>* taken);
  void TakeAll(std::vector<UnackedRun>* taken);

  // Puts back what was taken (tx.rollback).
  void PutBack(const UnackedRun& run);

  // Messages held.
  uint64_t size() const { return size_; }
  size_t run_count() const { return runs_.size(); }

 private:
  using Runs = absl::btree_map<uint64_t, UnackedRun>;  // By first tag.
  Runs::iterator Holding(uint64_t tag);

  Runs runs_;
  uint64_t size_ = 0;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_UNACKED_H_
