#ifndef PONTOON_SERVER_CLUSTER_SHARD_LINK_H_
#define PONTOON_SERVER_CLUSTER_SHARD_LINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "server/broker/shard_protocol.h"
#include "server/cluster/front_end.h"

namespace pontoon::cluster {

// Something that waits for several shards: a message with targets in more than one, or a tx.commit.
struct Gathering {
  uint32_t remaining = 0;
  bool refused = false;
  FrontEnd::Done committed;  // tx.commit only.
  ChannelKey channel;        // The channel that waits for the commit.
};

// A publish that was sent to the shard and is not yet done.
struct OutstandingPublish {
  ChannelKey channel;  // 0: nobody waits.
  uint64_t tag = 0;
  uint64_t bytes = 0;
  std::shared_ptr<Gathering> gathering;  // Null for the common case: this shard alone.
};

// The front-end's ordered session with one shard: numbers what is sent, gathers a turn's requests,
// and remembers what is not yet answered (design section 5). One loop.
class ShardLink {
 public:
  explicit ShardLink(ShardRef shard) : shard_(shard) {
    outbox_.emplace_back(broker::OpenSession{});
  }

  const ShardRef& shard() const { return shard_; }

  void Publish(uint64_t catalog_index, broker::Publish publish, OutstandingPublish outstanding);
  void Settle(const broker::Settle& settle);
  void Return(const broker::DeliveryRun& run);
  // Everything else; in order with the above.
  void Ask(broker::ShardRequest request) { outbox_.push_back(std::move(request)); }
  // Of the commit's part for this shard; `gathering` counts the answers that will come (0 to 2).
  void Commit(uint64_t catalog_index, std::vector<broker::Publish> publishes,
              std::vector<broker::Settle> settles, std::vector<broker::DeliveryRun> returns,
              const std::shared_ptr<Gathering>& gathering);

  bool has_outbox() const { return !outbox_.empty(); }
  std::vector<broker::ShardRequest> TakeOutbox() { return std::exchange(outbox_, {}); }

  // Calls `done` for each publish that this answer ends, in order, with whether the shard refused
  // it.
  template <typename F>
  void OnPublishesDone(const broker::PublishesDone& answer, F done) {
    auto refused = answer.refused.begin();
    while (first_outstanding_ <= answer.through && !outstanding_.empty()) {
      bool was_refused = false;
      if (refused != answer.refused.end() && *refused == first_outstanding_) {
        was_refused = true;
        ++refused;
      }
      OutstandingPublish publish = std::move(outstanding_.front());
      outstanding_.pop_front();
      ++first_outstanding_;
      done(std::move(publish), was_refused);
    }
  }
  template <typename F>
  void OnSettlesDone(const broker::SettlesDone& answer, F done) {
    while (!settle_waiters_.empty() && settle_waiters_.front().first <= answer.through) {
      std::shared_ptr<Gathering> gathering = std::move(settle_waiters_.front().second);
      settle_waiters_.pop_front();
      done(gathering);
    }
  }

 private:
  const ShardRef shard_;
  std::vector<broker::ShardRequest> outbox_;
  uint64_t next_publish_ = 1;
  uint64_t next_settle_ = 1;
  uint64_t first_outstanding_ = 1;
  std::deque<OutstandingPublish> outstanding_;
  std::deque<std::pair<uint64_t, std::shared_ptr<Gathering>>> settle_waiters_;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_SHARD_LINK_H_
