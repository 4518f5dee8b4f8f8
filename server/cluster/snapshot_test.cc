// The real state machines' side of snapshots between replicas: shards and the catalog over three
// log stores in memory.

#include "raft/core/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "raft/node/memory_log_store.h"
#include "raft/node/multi_raft.h"
#include "server/cluster/catalog_host.h"
#include "server/cluster/replicated_shard.h"

namespace pontoon::cluster {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

const base::GroupId kShard{1};
const base::QueueId kQueue = base::QueueId::Of(10);
const base::SessionId kSession{{7}, {1}, {0}};

// One node: a shard's replica and the catalog's, on one loop.
class Replica final : public Fabric,
                      public ShardEvents,
                      public raft::StorageEvents,
                      public raft::Transport {
 public:
  Replica(uint64_t n, std::deque<raft::Message>* network)
      : id{base::NodeId{n}, 1}, random(n), store(this), network_(network) {}

  void Open(const raft::Membership& founders) {
    raft::MultiRaftOptions options;
    options.self = id;
    options.core.held_bytes_max = 0;  // Whoever is behind needs a snapshot.
    options.core.kept_header_bytes_max = 0;
    raft = std::make_unique<raft::MultiRaft>(options, &store, this, &random);
    shard =
        std::make_unique<ReplicatedShard>(kShard, base::LoopId{0}, raft.get(), &store, this, this);
    ASSERT_TRUE(shard->OpenBlocking(founders).ok());
    NodeFacts facts;
    facts.node = id.node;
    facts.boot = base::BootId{1};
    facts.name = absl::StrCat("rabbit@", id.node.value);
    catalog = std::make_unique<CatalogHost>(
        facts, raft.get(), &store, this,
        [this](base::LoopId, LoopMessage message) { mail_.push_back(std::move(message)); });
    catalog::FoundCluster found;
    found.cluster_id = "three";
    found.default_vhost = "/";
    ASSERT_TRUE(catalog->OpenBlocking(founders, found).ok());
  }

  void Crash() {
    shard.reset();
    catalog.reset();
    raft.reset();
    mail_.clear();
    inbox.clear();
    store.Crash(&random, this);
  }

  void Turn(base::MonotonicTime now) {
    raft->Tick(now);
    for (raft::Message& message : std::exchange(inbox, {})) {
      const base::NodeId from = message.from.node;
      raft->Deliver(from, 1, {std::move(message)});
    }
    for (int i = 0; i < 3; ++i) {
      for (LoopMessage& message : std::exchange(mail_, {})) Take(std::move(message));
      while (raft->Flush()) {
      }
      catalog->OnTurnEnd();
      if (shard->serving()) shard->shard()->OnTurnEnd(now, {1700000000000000000 + now.nanos});
      while (raft->Flush()) {
      }
      store.SyncAndReport();
      store.AnswerReads();
    }
  }
  void Take(LoopMessage message) {
    if (auto* bodies = std::get_if<BodiesRead>(&message)) shard->OnBodiesRead(std::move(*bodies));
    if (auto* page = std::get_if<PageRead>(&message)) shard->OnPageRead(std::move(*page));
    if (auto* written = std::get_if<CatalogWritten>(&message)) {
      catalog->OnWritten(std::move(*written));
    }
    if (auto* applied = std::get_if<CatalogApplied>(&message)) {
      version = applied->version;
      changes.insert(changes.end(), applied->changes.begin(), applied->changes.end());
      catalog->OnInstalled({0}, version->index());
    }
  }
  void Ask(broker::ShardRequest request) {
    shard->shard()->OnRequest(kSession, std::move(request));
  }

  // Fabric.
  void Send(base::LoopId, LoopMessage message) override { mail_.push_back(std::move(message)); }
  void RunAside(std::function<void()> work) override { work(); }
  void OnDiskDead(base::Duration) override { ADD_FAILURE() << "the disk"; }
  // ShardEvents.
  void OnShardResponse(const ShardRef&, const base::SessionId&,
                       broker::ShardResponse response) override {
    if (auto* batch = std::get_if<broker::Deliveries>(&response)) {
      for (broker::Delivery& delivery : batch->deliveries)
        deliveries.push_back(std::move(delivery));
    } else if (auto* done = std::get_if<broker::PublishesDone>(&response)) {
      published = done->through;
    } else if (auto* settles = std::get_if<broker::SettlesDone>(&response)) {
      settled = settles->through;
    }
  }
  void OnForgetQueue(const ShardRef&, base::QueueId) override {}
  void OnShardWantsTurn() override {}
  void OnShardRole(const ShardRef&) override {
    if (!shard->leads() || shard->serving()) return;
    shard->Serve(20, {{kQueue, false, "deep", "/"}});
    shard->shard()->OnBootRegistered(kSession.node, kSession.boot);
  }
  // raft::StorageEvents.
  void OnStorageDone(base::GroupId group, raft::IoSeq seq) override {
    raft->OnStorageDone(group, seq);
  }
  void OnCheckpointDurable(base::GroupId group, raft::EntryId applied) override {
    raft->OnCheckpointDurable(group, applied);
    if (group == kShard) {
      shard->OnCheckpointDurable(applied.index.value);
    } else {
      catalog->OnCheckpointDurable();
    }
  }
  void OnStateWritten(base::GroupId group, uint64_t ticket) override {
    raft->OnStateWritten(group, ticket);
  }
  // raft::Transport.
  void Send(raft::Message message) override { network_->push_back(std::move(message)); }

  const raft::ReplicaId id;
  base::SeededRandom random;
  raft::MemoryLogStore store;
  std::unique_ptr<raft::MultiRaft> raft;
  std::unique_ptr<ReplicatedShard> shard;
  std::unique_ptr<CatalogHost> catalog;
  std::deque<raft::Message> inbox;
  std::vector<broker::Delivery> deliveries;
  uint64_t published = 0;
  uint64_t settled = 0;
  catalog::VersionPtr version;
  std::vector<catalog::Change> changes;

 private:
  std::deque<raft::Message>* const network_;
  std::deque<LoopMessage> mail_;
};

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    for (uint64_t n = 1; n <= 3; ++n) founders_.voters.push_back({base::NodeId{n}, 1});
    for (uint64_t n = 1; n <= 3; ++n) replicas_.push_back(std::make_unique<Replica>(n, &network_));
    for (const auto& replica : replicas_) replica->Open(founders_);
    Await([this] { return Leader(kShard) != nullptr && Leader(base::kCatalogGroup) != nullptr; });
  }

  void Step() {
    now_ = now_ + base::Millis(10);
    for (const auto& replica : replicas_) replica->Turn(now_);
    for (raft::Message& message : std::exchange(network_, {})) {
      if (away_ != 0 && (message.from.node.value == away_ || message.to.node.value == away_))
        continue;
      replicas_[message.to.node.value - 1]->inbox.push_back(std::move(message));
    }
  }
  void Await(const std::function<bool()>& reached) {
    for (int i = 0; i < 6000 && !reached(); ++i) Step();
    ASSERT_TRUE(reached());
  }
  Replica* Leader(base::GroupId group) {
    Replica* leader = nullptr;
    for (const auto& replica : replicas_) {
      if (replica->id.node.value == away_ || !replica->raft->leads(group)) continue;
      if (leader == nullptr || replica->raft->term(group) > leader->raft->term(group))
        leader = replica.get();
    }
    return leader;
  }
  Replica& replica(uint64_t n) { return *replicas_[n - 1]; }
  static uint64_t installs(const Replica& replica) {
    return replica.raft->counters().installed_snapshots;
  }

  // Messages "first" to "last" in batches of 500, and a large one in pieces before each batch.
  void Publish(uint64_t first, uint64_t last) {
    Replica* leader = Leader(kShard);
    for (uint64_t at = first; at <= last;) {
      broker::PublishBatch batch;
      batch.first_number = next_publish_;
      for (uint64_t n = 0; n < 500 && at <= last; ++n, ++at) {
        std::string text = absl::StrCat("message ", at);
        if (at % 500 == 1) text.resize(300000, 'p');
        broker::Publish publish;
        publish.message.envelope.Append(base::Slice::Copy("envelope"));
        publish.message.payload.Append(base::Slice::Copy(text));
        publish.envelope_crc = base::Crc32c(publish.message.envelope);
        publish.payload_crc = base::Crc32c(publish.message.payload);
        publish.persistent = true;
        publish.targets.push_back(kQueue);
        batch.messages.push_back(std::move(publish));
        ++next_publish_;
      }
      leader->Ask(std::move(batch));
      Await([&] { return leader->published + 1 == next_publish_; });
    }
  }
  void Consume(Replica* leader) {
    broker::Consume consume;
    consume.request.value = 1;
    consume.queue = kQueue;
    consume.consumer.value = 1;
    consume.tag = "tag";
    consume.credit = {broker::Credit::kUnlimited, broker::Credit::kUnlimited};
    leader->Ask(consume);
  }
  void Settle(Replica* leader, const std::vector<broker::Delivery>& deliveries) {
    broker::SettleBatch batch;
    batch.number = next_settle_++;
    for (const broker::Delivery& delivery : deliveries) {
      batch.settles.push_back({{delivery.queue, delivery.position, delivery.delivery, 1},
                               broker::SettleAction::kAcknowledge});
    }
    leader->Ask(std::move(batch));
    Await([&] { return leader->settled + 1 == next_settle_; });
  }
  // Another replica asks for it, and does not go on.
  void FetchRootOf(Replica* leader) {
    raft::Message request;
    request.kind = raft::MessageKind::kSnapshotRequest;
    request.group = kShard;
    request.from = replica(leader->id.node.value % 3 + 1).id;
    request.to = leader->id;
    request.term = leader->raft->term(kShard);
    request.snapshot = std::make_shared<raft::SnapshotPart>();
    leader->inbox.push_back(std::move(request));
    Step();
  }
  void CheckpointAll() {
    for (int i = 0; i < 5; ++i) Step();
    for (const auto& replica : replicas_) {
      if (replica->id.node.value == away_) continue;
      replica->shard->MaybeCheckpoint(now_, true);
      replica->catalog->MaybeCheckpoint(now_, true);
    }
    for (int i = 0; i < 5; ++i) Step();
  }
  static std::string Text(const broker::Delivery& delivery) {
    return std::string(delivery.message.payload.Flatten().view().substr(0, 13));
  }

  raft::Membership founders_;
  std::deque<raft::Message> network_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  base::MonotonicTime now_{1000000000000};
  uint64_t away_ = 0;
  uint64_t next_publish_ = 1;
  uint64_t next_settle_ = 1;
};

// Deep queues with pages, bodies that are cut and in pieces, and holes of all sizes.
TEST_F(SnapshotTest, AShardThatWasAwayDeliversAfterwardsWhatTheOthersWouldHave) {
  Replica* leader = Leader(kShard);
  leader->Ask(broker::OpenSession());
  Publish(1, 1000);
  away_ = leader->id.node.value % 3 + 1;
  Replica& away = replica(away_);
  Publish(1001, 16000);
  Consume(leader);
  Await([&] { return leader->deliveries.size() == 16000; });
  std::vector<broker::Delivery> settle;
  std::vector<std::string> left;
  for (uint64_t i = 0; i < 16000; ++i) {
    const bool settled =
        i < 3000 || (i % 3 == 0 && i < 9000) || (i > 9500 && i < 12000) || i % 500 == 7;
    settled ? settle.push_back(leader->deliveries[i]) : left.push_back(Text(leader->deliveries[i]));
  }
  Settle(leader, settle);
  CheckpointAll();
  Publish(16001, 16500);
  for (int i = 16001; i <= 16500; ++i) left.push_back(absl::StrCat("message ", i).substr(0, 13));
  left[left.size() - 500] = "message 16001";
  CheckpointAll();

  away_ = 0;
  Await([&] {
    return installs(away) > 0 && away.raft->applied(kShard) == leader->raft->applied(kShard);
  });
  EXPECT_EQ(away.shard->Digest(), leader->shard->Digest());
  EXPECT_EQ(away.raft->counters().astray, 0u);
  EXPECT_FALSE(away.store.pages(kShard).empty());

  // It leads, and hands out what waits.
  away_ = leader->id.node.value;
  Await([&] {
    (void)away.raft->Campaign(kShard);
    return away.shard->serving();
  });
  away.Ask(broker::OpenSession());
  Consume(&away);
  Await([&] { return away.deliveries.size() >= left.size(); });
  ASSERT_EQ(away.deliveries.size(), left.size());
  for (size_t i = 0; i < left.size(); ++i) ASSERT_EQ(Text(away.deliveries[i]), left[i]) << i;

  // All is settled: nothing stays on its disk.
  next_settle_ = 2;
  away.settled = 1;
  Settle(&away, away.deliveries);
  for (int i = 0; i < 200; ++i) Step();
  EXPECT_EQ(away.shard->shard()->waiting_bytes(), 0u);
  away.shard->MaybeCheckpoint(now_, true);
  for (int i = 0; i < 20; ++i) Step();
  EXPECT_EQ(away.store.body_bytes(), 0u);
  EXPECT_THAT(away.store.pages(kShard), ElementsAre());
}

// Not even a crash lets pages lie about that nobody needs any more.
TEST_F(SnapshotTest, PagesThatAPeerIsFetchingStayAndGoAfterwards) {
  Replica* leader = Leader(kShard);
  leader->Ask(broker::OpenSession());
  Publish(1, 12000);
  CheckpointAll();
  const std::vector<raft::PageId> named = leader->store.pages(kShard);
  ASSERT_GT(named.size(), 3u);
  FetchRootOf(leader);
  Consume(leader);
  Await([&] { return leader->deliveries.size() == 12000; });
  Settle(leader, leader->deliveries);
  Publish(12001, 13000);
  CheckpointAll();
  Publish(13001, 14000);
  CheckpointAll();
  for (const raft::PageId page : named) EXPECT_THAT(leader->store.pages(kShard), Contains(page));
  leader->Crash();
  leader->Open(founders_);
  Await([&] { return Leader(kShard) != nullptr && Leader(kShard)->shard->serving(); });
  Publish(14001, 14001);
  for (int i = 0; i < 20; ++i) Step();
  for (const raft::PageId page : named)
    EXPECT_THAT(leader->store.pages(kShard), Not(Contains(page)));
}

TEST_F(SnapshotTest, PagesGoOnceNobodyFetchesThemAnyMore) {
  Replica* leader = Leader(kShard);
  leader->Ask(broker::OpenSession());
  Publish(1, 12000);
  CheckpointAll();
  FetchRootOf(leader);
  Consume(leader);
  Await([&] { return leader->deliveries.size() == 12000; });
  Settle(leader, leader->deliveries);
  Publish(12001, 13000);
  CheckpointAll();
  EXPECT_FALSE(leader->store.pages(kShard).empty());
  for (int i = 0; i < 1200; ++i) Step();
  leader->shard->MaybeCheckpoint(now_, false);
  Step();
  EXPECT_THAT(leader->store.pages(kShard), ElementsAre());
}

TEST_F(SnapshotTest, ACatalogThatWasAwayIsTheSameAfterwardsAndTellsWhatItMissed) {
  Replica* leader = Leader(base::kCatalogGroup);
  Await([&] { return leader->version != nullptr && leader->version->FindVhost("/") != nullptr; });
  away_ = leader->id.node.value % 3 + 1;
  Replica& away = replica(away_);
  away.changes.clear();
  const auto change = [&](const catalog::Command& command) {
    leader->catalog->OnCommands({{catalog::Origin{kSession, 0}, command}});
    for (int i = 0; i < 3; ++i) Step();
  };
  for (int i = 0; i < 300; ++i)
    change(catalog::AddVhost{absl::StrCat("v", i), std::string(300, 'd'), {}, ""});
  CheckpointAll();
  away_ = 0;
  Await([&] {
    return installs(away) > 0 &&
           away.raft->applied(base::kCatalogGroup) == leader->raft->applied(base::kCatalogGroup);
  });
  Step();
  EXPECT_EQ(away.catalog->Digest(), leader->catalog->Digest());
  EXPECT_EQ(away.raft->counters().astray, 0u);
  EXPECT_NE(away.version->FindVhost("v299"), nullptr);
  EXPECT_EQ(away.version->index(), leader->version->index());
}

}  // namespace
}  // namespace pontoon::cluster
