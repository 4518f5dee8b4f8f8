#ifndef PONTOON_SERVER_SESSION_FAKE_FRONT_END_H_
#define PONTOON_SERVER_SESSION_FAKE_FRONT_END_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/cluster/front_end.h"

namespace pontoon::session {

// A cluster in a few maps, for tests: the real catalog, queues in memory, answers in Run() and
// never from inside a call.
class FakeFrontEnd final : public cluster::FrontEnd {
 public:
  FakeFrontEnd();

  // Brings all answers that are due; true if there were any.
  bool Run();
  // Changes the catalog as an operator would; OK or what it was refused with.
  absl::Status Admin(catalog::Command command, std::vector<catalog::Change>* changes = nullptr);

  // While set, publishes are not done until the test says so.
  bool hold_publishes = false;
  void FinishPublish(uint64_t tag, bool refused);
  std::vector<uint64_t> held_tags() const;
  // While set, changes of the catalog are not answered.
  bool hold_changes = false;
  size_t held_change_count() const { return held_changes_.size(); }

  uint64_t QueueSize(const std::string& name) const;  // Ready.
  uint64_t UnackedCount(const std::string& name) const;
  bool HasQueue(const std::string& name) const { return Record(name) != nullptr; }
  // The next publish to it is refused, as by a full queue.
  bool refuse_publishes = false;
  base::MonotonicTime time{1000000000};
  uint64_t publishes = 0, settles = 0, returns = 0, grants = 0, takes = 0, drops = 0;
  uint64_t open_channels() const { return channels_.size(); }

  const base::SessionId& id() const override { return id_; }
  base::MonotonicTime now() const override { return time; }
  base::WallTime wall() const override { return {1700000000000000000}; }
  const catalog::VersionPtr& catalog() const override { return version_; }
  cluster::ChannelKey OpenChannel(cluster::ChannelSink* sink) override;
  void CloseChannel(cluster::ChannelKey channel,
                    std::vector<cluster::OutgoingReturn> holding) override;
  void Publish(cluster::ChannelKey channel, cluster::OutgoingPublish publish) override;
  void Commit(cluster::ChannelKey channel, std::vector<cluster::OutgoingPublish> publishes,
              std::vector<cluster::OutgoingSettle> settles,
              std::vector<cluster::OutgoingReturn> returns, Done done) override;
  broker::ConsumerKey Consume(cluster::ChannelKey channel, const catalog::QueueRecord& queue,
                              cluster::ConsumeOptions options, Done done) override;
  void Cancel(cluster::ChannelKey channel, broker::ConsumerKey consumer, Done done) override;
  void Grant(broker::ConsumerKey consumer, broker::Credit more) override;
  void TakeCredit(cluster::ChannelKey channel, broker::ConsumerKey consumer,
                  CreditDone done) override;
  void Get(cluster::ChannelKey channel, const catalog::QueueRecord& queue, bool no_ack,
           GetDone done) override;
  void Settle(const cluster::OutgoingSettle& settle) override;
  void Return(const cluster::OutgoingReturn& returned) override;
  void CountMessages(cluster::ChannelKey channel, const catalog::QueueRecord& queue,
                     CountsDone done) override;
  void Purge(cluster::ChannelKey channel, const catalog::QueueRecord& queue,
             CountsDone done) override;
  void DeleteQueue(cluster::ChannelKey channel, const catalog::QueueRecord& queue, bool if_unused,
                   bool if_empty, CountsDone done) override;
  void DropQueue(const catalog::QueueRecord& queue) override;
  void Change(cluster::ChannelKey channel, catalog::Command command, ChangeDone done) override;
  base::GroupId ChooseShard() override { return {1}; }
  void SendDirectReply(const cluster::ReplyAddress& address, broker::MessageBytes message) override;

 private:
  struct Message {
    broker::MessageBytes bytes;
    bool redelivered = false;
  };
  struct Consumer {
    cluster::ChannelKey channel;
    base::QueueId queue;
    bool no_ack = false, exclusive = false, live = false;
    int32_t priority = 0;
    uint64_t messages = 0;
    int64_t bytes = 0;
    bool tell = false;
    broker::CreditUse told = broker::CreditUse::kUntold;
  };
  struct Queue {
    std::map<uint64_t, Message> ready;                     // By position.
    std::map<uint64_t, std::pair<uint64_t, Message>> out;  // By delivery: position and message.
    std::vector<broker::ConsumerKey> consumers;
    uint64_t next_position = 1, next_delivery = 1;
    size_t next_consumer = 0;
  };

  const catalog::QueueRecord* Record(const std::string& name) const;
  catalog::Outcome Apply(catalog::Command command, std::vector<catalog::Change>* changes);
  void Enqueue(const cluster::OutgoingPublish& publish);
  void Later(cluster::ChannelKey channel, std::function<void()> call);
  bool Dispatch();
  void Take(const broker::DeliveryRun& run, bool back);
  void RemoveConsumer(broker::ConsumerKey consumer);

  const base::SessionId id_{{7}, {1}, {0}};
  std::unique_ptr<catalog::Machine> machine_;
  catalog::VersionPtr version_;
  uint64_t index_ = 0, changes_ = 0, last_key_ = 0, last_consumer_ = 0;
  std::map<cluster::ChannelKey, cluster::ChannelSink*> channels_;
  std::deque<std::pair<cluster::ChannelKey, std::function<void()>>> later_;
  std::map<base::QueueId, Queue> queues_;
  std::map<broker::ConsumerKey, Consumer> consumers_;
  struct Held {
    cluster::ChannelKey channel;
    cluster::OutgoingPublish publish;
  };
  std::vector<Held> held_;
  std::vector<std::function<void()>> held_changes_;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_FAKE_FRONT_END_H_
