// What the session costs per message, without sockets and without a cluster: parse and route a
// publish, write a delivery, take an ack. Batches as one read of a busy client brings them.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/properties.h"
#include "server/catalog/catalog.h"
#include "server/session/connection.h"
#include "server/session/registry.h"

namespace pontoon::session {
namespace {

constexpr int kBatch = 256;

// Answers nothing by itself; keeps what it was given so that the benchmark can answer in bulk.
class IdleFrontEnd final : public cluster::FrontEnd {
 public:
  IdleFrontEnd() : machine_(catalog::NewMachine()) {
    catalog::FoundCluster found;
    found.cluster_id = "bench";
    found.default_vhost = "/";
    found.default_user.name = "guest";
    found.default_user.password_hash =
        catalog::HashPassword("guest", catalog::HashAlgorithm::kSha256, 1);
    found.default_permission = {"guest", "/", ".*", ".*", ".*"};
    Apply(found);
  }
  catalog::Outcome Apply(catalog::Command command) {
    const std::pair<uint64_t, std::string> entry(++index_,
                                                 catalog::EncodeCommand({id_, index_}, command));
    auto batch = machine_->Apply(absl::MakeConstSpan(&entry, 1));
    version_ = batch.version;
    PONTOON_CHECK(batch.outcomes[0].status.ok());
    return batch.outcomes[0];
  }

  const base::SessionId& id() const override { return id_; }
  base::MonotonicTime now() const override { return {1}; }
  base::WallTime wall() const override { return {1}; }
  const catalog::VersionPtr& catalog() const override { return version_; }
  cluster::ChannelKey OpenChannel(cluster::ChannelSink* sink) override {
    sink_ = sink;
    return {1};
  }
  void CloseChannel(cluster::ChannelKey, std::vector<cluster::OutgoingReturn>) override {}
  void Publish(cluster::ChannelKey, cluster::OutgoingPublish publish) override {
    bytes_ = publish.message.envelope.size() + publish.message.payload.size();
    last_ = std::move(publish);
    ++published_;
  }
  void Commit(cluster::ChannelKey, std::vector<cluster::OutgoingPublish>,
              std::vector<cluster::OutgoingSettle>, std::vector<cluster::OutgoingReturn>,
              Done) override {}
  broker::ConsumerKey Consume(cluster::ChannelKey, const catalog::QueueRecord&,
                              cluster::ConsumeOptions, Done done) override {
    done_ = std::move(done);
    return {1};
  }
  void Cancel(cluster::ChannelKey, broker::ConsumerKey, Done) override {}
  void Grant(broker::ConsumerKey, broker::Credit) override {}
  void TakeCredit(cluster::ChannelKey, broker::ConsumerKey, CreditDone) override {}
  void Get(cluster::ChannelKey, const catalog::QueueRecord&, bool, GetDone) override {}
  void Settle(const cluster::OutgoingSettle&) override { ++settled_; }
  void Return(const cluster::OutgoingReturn&) override {}
  void CountMessages(cluster::ChannelKey, const catalog::QueueRecord&, CountsDone) override {}
  void Purge(cluster::ChannelKey, const catalog::QueueRecord&, CountsDone) override {}
  void DeleteQueue(cluster::ChannelKey, const catalog::QueueRecord&, bool, bool,
                   CountsDone) override {}
  void DropQueue(const catalog::QueueRecord&) override {}
  void Change(cluster::ChannelKey, catalog::Command, ChangeDone) override {}
  base::GroupId ChooseShard() override { return {1}; }
  void SendDirectReply(const cluster::ReplyAddress&, broker::MessageBytes) override {}

  const base::SessionId id_{{7}, {1}, {0}};
  std::unique_ptr<catalog::Machine> machine_;
  catalog::VersionPtr version_;
  uint64_t index_ = 0, published_ = 0, settled_ = 0, bytes_ = 0;
  cluster::OutgoingPublish last_;
  cluster::ChannelSink* sink_ = nullptr;
  Done done_;
};

class NullTransport final : public Transport {
 public:
  void Write(base::SliceChain bytes) override { queued_ += bytes.size(); }
  uint64_t bytes_queued() const override { return queued_; }
  uint64_t bytes_written() const override { return queued_; }
  void PauseReading() override {}
  void ResumeReading() override {}
  void CloseAfterWrites() override {}
  void Abort() override {}

 private:
  uint64_t queued_ = 0;
};

class NullLogger final : public base::Logger {
 public:
  void Log(base::LogLevel, uint64_t, absl::string_view) override {}
};

struct Bench {
  Bench() {
    catalog::DeclareQueue declare;
    declare.vhost = front_end.version_->FindVhost("/")->id;
    declare.name = "queue";
    declare.durable = true;
    declare.shard = {1};
    queue = front_end.Apply(declare).queue;
    connection = registry.Accept(std::make_unique<NullTransport>(), PeerInfo());
    amqp::FrameWriter writer(0);
    writer.AddProtocolHeader();
    amqp::ConnectionStartOk start_ok;
    start_ok.response = absl::string_view("\0guest\0guest", 12);
    writer.AddMethod(0, start_ok);
    amqp::ConnectionTuneOk tune_ok;
    tune_ok.channel_max = 10;
    tune_ok.frame_max = 131072;
    writer.AddMethod(0, tune_ok);
    writer.AddMethod(0, amqp::ConnectionOpen());
    writer.AddMethod(1, amqp::ChannelOpen());
    writer.AddMethod(1, amqp::ConfirmSelect());
    amqp::BasicConsume consume;
    consume.queue = "queue";
    consume.consumer_tag = "ctag";
    writer.AddMethod(1, consume);
    Feed(writer.Take().Flatten());
    front_end.done_(absl::OkStatus());
    registry.OnTurnEnd();
  }
  static PeerInfo LocalPeer() {
    PeerInfo peer;
    peer.loopback = true;
    return peer;
  }
  void Feed(base::Slice octets) { connection->OnBytes(std::move(octets)); }

  IdleFrontEnd front_end;
  NullLogger logger;
  base::SeededRandom random{1};
  std::shared_ptr<SessionOptions> options = [] {
    auto made = std::make_shared<SessionOptions>();
    made->loopback_users.clear();
    made->turn_frames = 1 << 30;
    made->turn_bytes = 1 << 30;
    made->publish_budget_bytes = 1 << 30;
    return made;
  }();
  Registry registry{&front_end, &logger, &random, options, Registry::Numbers()};
  Connection* connection = nullptr;
  base::QueueId queue;
};

base::Slice Publishes(size_t body_bytes) {
  amqp::FrameWriter writer(131072);
  amqp::PropertiesBuilder properties;
  properties.delivery_mode = 2;
  const base::SliceChain body(base::Slice::Copy(std::string(body_bytes, 'x')));
  for (int i = 0; i < kBatch; ++i) {
    amqp::BasicPublish publish;
    publish.routing_key = "queue";
    writer.AddContent(1, publish, properties.Encode(), body);
  }
  return writer.Take().Flatten();
}

void BM_Publish(benchmark::State& state) {
  Bench bench;
  const base::Slice batch = Publishes(static_cast<size_t>(state.range(0)));
  uint64_t tag = 1;
  for (auto _ : state) {
    bench.Feed(batch);
    for (int i = 0; i < kBatch; ++i)
      bench.front_end.sink_->OnPublishDone(tag++, bench.front_end.bytes_, false);
    bench.registry.OnTurnEnd();
  }
  PONTOON_CHECK(bench.front_end.published_ == static_cast<uint64_t>(state.iterations()) * kBatch);
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_Publish)->Arg(100)->Arg(1024)->Arg(16384);

void BM_DeliverAndAck(benchmark::State& state) {
  Bench bench;
  bench.Feed(Publishes(static_cast<size_t>(state.range(0))));
  const broker::MessageBytes message = bench.front_end.last_.message;
  const cluster::ShardRef shard{{1}, {}};
  const int acks = static_cast<int>(state.range(1));
  uint64_t position = 1;
  amqp::FrameWriter writer(131072);
  for (auto _ : state) {
    const uint64_t first = position;
    for (int i = 0; i < kBatch; ++i) {
      broker::Delivery delivery;
      delivery.consumer = {1};
      delivery.queue = bench.queue;
      delivery.position = {position};
      delivery.delivery = {position++};
      delivery.message = message;
      bench.front_end.sink_->OnDelivery(shard, std::move(delivery));
    }
    bench.registry.OnTurnEnd();
    for (int i = 0; i < acks; ++i) {
      amqp::BasicAck ack;
      ack.delivery_tag = first + static_cast<uint64_t>(kBatch / acks * (i + 1)) - 1;
      ack.multiple = acks < kBatch;
      writer.AddMethod(1, ack);
    }
    bench.Feed(writer.Take().Flatten());
    bench.registry.OnTurnEnd();
  }
  PONTOON_CHECK(bench.front_end.settled_ >= static_cast<uint64_t>(state.iterations()));
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_DeliverAndAck)->Args({100, 2})->Args({100, kBatch})->Args({1024, 2})->Args({16384, 2});

}  // namespace
}  // namespace pontoon::session

BENCHMARK_MAIN();
