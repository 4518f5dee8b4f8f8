#ifndef PONTOON_SERVER_CLUSTER_TRANSIENT_SHARD_H_
#define PONTOON_SERVER_CLUSTER_TRANSIENT_SHARD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "server/broker/shard.h"
#include "server/cluster/fabric.h"
#include "server/cluster/replicated_shard.h"

namespace pontoon::cluster {

// The shard of a loop's transient queues (exclusive, or not durable): the same queue and dispatcher
// code over a log that is not replicated and lives in memory (design section 3). An entry is
// committed once it is appended. One loop.
class TransientShard final : public broker::ShardEnvironment {
 public:
  TransientShard(base::SessionId home, ShardEvents* events);

  broker::Shard* shard() { return shard_.get(); }
  const ShardRef& ref() const { return ref_; }
  // Applies what was proposed, and hands over what was read, since the last call. True if there was
  // any.
  bool Pump();

  // broker::ShardEnvironment.
  void Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) override;
  void Respond(const base::SessionId& session, broker::ShardResponse response) override;
  void ReadBodies(uint64_t read, std::vector<broker::BodyPart> parts) override;
  void ReadPage(uint64_t read, uint64_t page) override;
  void SubmitState(broker::ShardState state) override;
  void ForgetQueue(base::QueueId queue) override { events_->OnForgetQueue(ref_, queue); }
  void WantTurn() override { events_->OnShardWantsTurn(); }

 private:
  struct Body {
    base::SliceChain whole;                   // Until it is cut.
    std::map<uint32_t, base::Slice> extents;  // Afterwards, by offset.
    absl::StatusOr<base::Slice> Read(uint32_t offset, uint32_t size) const;
  };

  const ShardRef ref_;
  ShardEvents* const events_;
  std::unique_ptr<broker::Shard> shard_;
  uint64_t last_index_ = 0;
  std::vector<broker::LogEntry> proposed_;
  std::map<uint64_t, Body> bodies_;
  std::map<uint64_t, base::Slice> pages_;
  std::vector<std::pair<uint64_t, std::vector<broker::BodyPart>>> body_reads_;
  std::vector<std::pair<uint64_t, uint64_t>> page_reads_;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_TRANSIENT_SHARD_H_
