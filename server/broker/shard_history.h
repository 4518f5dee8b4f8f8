#ifndef PONTOON_SERVER_BROKER_SHARD_HISTORY_H_
#define PONTOON_SERVER_BROKER_SHARD_HISTORY_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "server/broker/fake_environment.h"
#include "server/broker/naive_model.h"

namespace pontoon::broker {

// One random history from a seed: publishes, consumers, gets, settles, returns, purges, deletions,
// transactions, checkpoints, a follower, changes of leadership, and deaths of the process at any
// point; what the shard says and keeps is checked against the model all the way.
class History {
 public:
  explicit History(uint64_t seed)
      : random_(seed), env_({.body_cache_bytes = 64 << 10, .deliveries_per_turn = 300}) {
    for (uint64_t n : {10, 11, 12, 13})
      specs_.push_back({QueueId::Of(n), false, absl::StrCat("q", n), "/"});
    Lead();
  }

  void Step() {
    switch (random_.Below(40)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Publish(1 + random_.Below(20), 100);
      case 4:
        return Publish(1 + random_.Below(4000), 20);
      case 5:
        return Publish(1 + random_.Below(5), 400000);
      case 6:
      case 7:
        return Consume();
      case 8:
        return Cancel();
      case 9:
      case 10:
      case 11:
      case 12:
        return Grant();
      case 13:
      case 14:
      case 15:
      case 16:
      case 17:
        return SettleSome();
      case 18:
        return ReturnSome();
      case 19:
      case 20:
        return Get();
      case 21:
        if (random_.Below(4) == 0) Purge();
        return;
      case 22:
        if (random_.Below(8) == 0) Delete();
        return;
      case 23:
        return Transact();
      case 24:
        if (random_.Below(4) == 0) env_.shard().MakeCheckpoint();
        return;
      case 25:
        if (random_.Below(6) == 0) Crash();
        return;
      case 26:
      case 27:
        if (random_.Below(3) == 0) LeadAgain();
        return;
      case 29:
      case 30:
        return env_.AnswerReads();
      case 31:
      case 32:
        Commit(random_.Below(4));
        return Collect();
      default:
        Turn();
    }
  }

  void Idle() {
    for (int quiet = 0; quiet < 3;) {
      const uint64_t before = Activity();
      Turn();
      Commit(~size_t{0});
      env_.AnswerReads();
      Collect();
      quiet = before == Activity() ? quiet + 1 : 0;
    }
    Compare();
  }

  // Everything is consumed and acknowledged: nothing may be left anywhere.
  void Drain() {
    Idle();
    for (uint64_t n = 0; n < 4; ++n) {
      broker::Consume consume;
      consume.request.value = ++request_;
      consume.queue = specs_[n].id;
      consume.consumer.value = ++consumer_;
      consume.credit = {Credit::kUnlimited, Credit::kUnlimited};
      credit_[consumer_] = consume.credit;
      Ask(0, consume);
    }
    for (int i = 0; i < 1000; ++i) {
      Idle();
      if (held_.empty()) break;
      while (!held_.empty()) SettleSome();
    }
    Idle();
    for (const auto& [id, queue] : model_.queues) EXPECT_EQ(queue.messages.size(), 0u) << id.value;
    EXPECT_EQ(env_.bodies.size(), 0u);
    env_.shard().MakeCheckpoint();
    Idle();
    EXPECT_EQ(env_.pages.size(), 0u);
    EXPECT_EQ(env_.shard().waiting_bytes(), 0u);
    EXPECT_GT(delivered_, 0u);
  }

  const FakeEnvironment& env() const { return env_; }

 private:
  struct Held {
    DeliveryRun run;
    size_t session;
  };
  static constexpr size_t kSessions = 3;

  uint64_t Activity() const {
    return env_.last_index + env_.page_reads + env_.body_reads + responses_;
  }
  SessionId Id(size_t session) const { return {{7}, {boot_}, {static_cast<uint16_t>(session)}}; }
  void Ask(size_t session, ShardRequest request) {
    env_.shard().OnRequest(Id(session), std::move(request));
    Collect();
  }

  void Lead() {
    ++boot_;
    env_.Lead(100, specs_);
    env_.shard().OnBootRegistered({7}, {boot_});
    for (size_t i = 0; i < kSessions; ++i) {
      next_publish_[i] = next_settle_[i] = opened_publish_[i] = opened_settle_[i] = 1;
      done_publish_[i] = 0;
      Ask(i, OpenSession());
    }
  }

  void Turn() {
    env_.Turn();
    Collect();
  }
  void Commit(size_t n) {
    const uint64_t before = env_.last_index;
    env_.Commit(n);
    for (auto it = env_.log.upper_bound(before); it != env_.log.end(); ++it)
      model_.Apply(it->first, it->second.header);
    // A follower gets the same entries, in its own batches, with checkpoints and deaths of its own.
    for (auto it = env_.log.upper_bound(follower_.last_index); it != env_.log.end(); ++it) {
      follower_.Follow(it->first, it->second);
      if (random_.Below(50) == 0) follower_.shard().MakeCheckpoint();
      if (random_.Below(100) == 0) follower_.Crash();
      if (random_.Below(4) == 0) follower_.AnswerReads();
      if (random_.Below(4) == 0) follower_.Turn();
    }
  }
  // The leadership ends and comes back; what front-ends held is handed out again.
  void LeadAgain() {
    Idle();
    held_.clear();
    consumers_.clear();
    credit_.clear();
    env_.shard().OnFollower();
    env_.Lead(100, specs_);
    env_.shard().OnBootRegistered({7}, {boot_});
    for (size_t i = 0; i < kSessions; ++i) {
      opened_publish_[i] = next_publish_[i];
      opened_settle_[i] = next_settle_[i];
      Ask(i, OpenSession());
    }
  }

  broker::Publish Message(size_t session, uint64_t number, uint64_t bytes_max) {
    broker::Publish publish;
    std::string text = absl::StrCat(boot_, ".", session, ".", number, ":");
    text.resize(text.size() + random_.Below(bytes_max), static_cast<char>('a' + number % 26));
    publish.message.envelope.Append(
        base::Slice::Copy(absl::StrCat("e", number % 7 == 0 ? "xtra" : "")));
    publish.message.payload.Append(base::Slice::Copy(text));
    publish.envelope_crc = base::Crc32c(publish.message.envelope);
    publish.payload_crc = base::Crc32c(publish.message.payload);
    publish.persistent = random_.Below(2) == 0;
    for (const QueueSpec& spec : specs_) {
      if (random_.Below(3) == 0) publish.targets.push_back(spec.id);
    }
    texts_[{Id(session), number}] = std::move(text);
    return publish;
  }
  PublishBatch Batch(size_t session, uint64_t count, uint64_t bytes_max) {
    PublishBatch batch;
    batch.first_number = next_publish_[session];
    // Mostly alike, as real traffic is.
    const bool alike = random_.Below(2) == 0;
    for (uint64_t i = 0; i < count; ++i) {
      batch.messages.push_back(Message(session, next_publish_[session]++, alike ? 1 : bytes_max));
      if (alike) batch.messages.back().targets = batch.messages.front().targets;
    }
    return batch;
  }
  void Publish(uint64_t count, uint64_t bytes_max) {
    const size_t session = random_.Below(kSessions);
    Ask(session, Batch(session, count, bytes_max));
  }

  void Consume() {
    const size_t session = random_.Below(kSessions);
    broker::Consume consume;
    consume.request.value = ++request_;
    consume.queue = specs_[random_.Below(specs_.size())].id;
    consume.consumer.value = ++consumer_;
    consume.no_ack = random_.Below(4) == 0;
    consume.priority = static_cast<int32_t>(random_.Below(2));
    consume.credit = {random_.Below(50),
                      random_.Below(2) == 0 ? Credit::kUnlimited : random_.Below(100000)};
    credit_[consumer_] = consume.credit;
    consumers_[consumer_] = session;
    Ask(session, consume);
  }
  template <typename Map>
  typename Map::iterator Pick(Map* map) {
    return std::next(map->begin(), static_cast<int64_t>(random_.Below(map->size())));
  }
  void Cancel() {
    if (consumers_.empty()) return;
    const auto it = Pick(&consumers_);
    Ask(it->second, broker::Cancel{{++request_}, {it->first}});
    consumers_.erase(it);
  }
  void Grant() {
    if (consumers_.empty()) return;
    const auto it = Pick(&consumers_);
    const Credit more{random_.Below(500), random_.Below(1000000), random_.Below(2) == 0};
    Credit& credit = credit_[it->first];
    credit.messages += more.messages;
    if (credit.bytes != Credit::kUnlimited) credit.bytes += more.bytes;
    Ask(it->second, GrantCredit{{it->first}, more});
  }

  void SettleSome() {
    if (held_.empty()) return;
    const size_t session = Pick(&held_)->second.session;
    SettleBatch batch;
    batch.number = next_settle_[session]++;
    const uint64_t most = random_.Below(4) == 0 ? 5000 : 1 + random_.Below(5);
    for (auto it = Pick(&held_); it != held_.end() && batch.settles.size() < most;) {
      if (it->second.session != session) {
        ++it;
        continue;
      }
      batch.settles.push_back({it->second.run, random_.Below(2) == 0 ? SettleAction::kAcknowledge
                                                                     : SettleAction::kReject});
      settling_[it->first] = {session, batch.number};
      it = held_.erase(it);
    }
    Ask(session, batch);
  }
  void ReturnSome() {
    if (held_.empty()) return;
    auto it = Pick(&held_);
    ReturnBatch batch;
    const size_t session = it->second.session;
    for (int n = 0; n < 20 && it != held_.end() && it->second.session == session; ++n) {
      batch.runs.push_back(it->second.run);
      it = held_.erase(it);
    }
    Ask(session, batch);
  }
  void Get() {
    broker::Get get;
    get.request.value = ++request_;
    get.queue = specs_[random_.Below(specs_.size())].id;
    Ask(random_.Below(kSessions), get);
  }
  void Purge() {
    broker::Purge purge;
    purge.request.value = ++request_;
    purge.queue = specs_[random_.Below(specs_.size())].id;
    purging_[request_] = purge.queue;
    Ask(random_.Below(kSessions), purge);
  }
  void Delete() {
    // The queue is declared again at once, under a new id.
    QueueSpec& spec = specs_[random_.Below(specs_.size())];
    const QueueId old = spec.id;
    DeleteQueue request;
    request.request.value = ++request_;
    request.queue = old;
    Ask(0, request);
    Idle();
    env_.shard().OnQueueForgotten(old);
    env_.forget.clear();
    spec.id = QueueId::Of(++next_queue_);
    env_.shard().OnQueueDeclared(100, spec);
    const auto gone = [old](auto* map) {
      for (auto it = map->begin(); it != map->end();)
        it = it->first.first == old ? map->erase(it) : std::next(it);
    };
    gone(&held_);
    gone(&settling_);
    Idle();
  }
  void Transact() {
    const size_t session = random_.Below(kSessions);
    Transaction transaction;
    if (random_.Below(3) != 0)
      transaction.publishes =
          Batch(session, 1 + random_.Below(30), random_.Below(3) == 0 ? 60000 : 100);
    if (transaction.publishes.messages.empty()) transaction.publishes.first_number = 0;
    if (!held_.empty()) {
      const auto it = Pick(&held_);
      if (it->second.session == session) {
        transaction.settles.number = next_settle_[session]++;
        transaction.settles.settles.push_back({it->second.run, SettleAction::kAcknowledge});
        settling_[it->first] = {session, transaction.settles.number};
        held_.erase(it);
      }
    }
    Ask(session, transaction);
  }
  void Crash() {
    if (random_.Below(2) == 0) Turn();
    Commit(random_.Below(5));
    const uint64_t digest = env_.shard().digest();
    env_.Crash();
    EXPECT_EQ(env_.shard().digest(), digest);
    held_.clear();
    settling_.clear();
    purging_.clear();
    consumers_.clear();
    credit_.clear();
    Lead();
  }

  void Collect() {
    for (auto& [session, response] : env_.TakeResponses()) {
      ++responses_;
      const size_t loop = session.loop.value;
      if (session.boot.value != boot_) continue;
      if (auto* done = std::get_if<PublishesDone>(&response)) {
        EXPECT_GT(done->through, done_publish_[loop]);
        EXPECT_LT(done->through, next_publish_[loop]);
        done_publish_[loop] = done->through;
      } else if (auto* settled = std::get_if<SettlesDone>(&response)) {
        EXPECT_LT(settled->through, next_settle_[loop]);
        for (auto it = settling_.begin(); it != settling_.end();) {
          const bool over = it->second.first == loop && it->second.second <= settled->through;
          if (over) {
            EXPECT_EQ(model_.At(it->first.first).messages.count(it->first.second), 0u)
                << "not settled";
          }
          it = over ? settling_.erase(it) : std::next(it);
        }
      } else if (auto* deliveries = std::get_if<Deliveries>(&response)) {
        for (const Delivery& delivery : deliveries->deliveries) {
          OnDelivery(loop, delivery);
          auto& credit = credit_[delivery.consumer.value];
          EXPECT_GT(credit.messages, 0u) << "credit exceeded";
          EXPECT_GT(credit.bytes, 0u) << "credit exceeded";
          if (credit.messages != Credit::kUnlimited) --credit.messages;
          const uint64_t bytes = delivery.message.envelope.size() + delivery.message.payload.size();
          if (credit.bytes != Credit::kUnlimited) credit.bytes -= std::min(credit.bytes, bytes);
        }
      } else if (auto* cancelled = std::get_if<ConsumerCancelled>(&response)) {
        consumers_.erase(cancelled->consumer.value);
      } else if (auto* reply = std::get_if<Reply>(&response)) {
        purging_.erase(reply->request.value);
        if (auto* got = std::get_if<GetOk>(&reply->result)) OnDelivery(loop, got->delivery);
        if (auto* figures = std::get_if<std::vector<QueueFigures>>(&reply->result))
          figures_ = *figures;
      } else if (auto* opened = std::get_if<SessionOpened>(&response)) {
        EXPECT_EQ(opened->next_publish, opened_publish_[loop]) << "a number was lost";
        EXPECT_EQ(opened->next_settle, opened_settle_[loop]);
      } else {
        ADD_FAILURE() << "unexpected response " << response.index();
      }
    }
    CheckOrder();
  }
  // Nothing that was ready stood before what was handed out.
  void CheckOrder() {
    for (const auto& [id, position] : std::exchange(handed_out_, {})) {
      bool purging = false;
      for (const auto& [request, queue] : purging_) purging = purging || queue == id;
      if (purging || random_.Below(16) != 0) continue;
      for (const auto& [before, message] : model_.At(id).messages) {
        if (before >= position) break;
        ASSERT_TRUE(held_.contains({id, before}) || settling_.contains({id, before}))
            << "position " << before << " was passed over by " << position;
      }
    }
  }
  void OnDelivery(size_t loop, const Delivery& delivery) {
    ++delivered_;
    const std::pair<QueueId, uint64_t> key(delivery.queue, delivery.position.value);
    const NaiveQueue& queue = model_.At(delivery.queue);
    const auto message = queue.messages.find(delivery.position.value);
    ASSERT_TRUE(message != queue.messages.end()) << "delivered although it had left the queue";
    EXPECT_EQ(delivery.message.payload.Flatten().view(),
              texts_[std::make_pair(message->second.session, message->second.number)]);
    EXPECT_EQ(delivery.message.envelope.size(), message->second.number % 7 == 0 ? 5u : 1u);
    EXPECT_FALSE(held_.contains(key)) << "two hold the same message";
    EXPECT_FALSE(settling_.contains(key)) << "delivered although its settle was sent";
    const auto [at, first] = delivered_positions_.insert(key);
    EXPECT_TRUE(first || delivery.redelivered) << "handed out twice without a mark";
    handed_out_.emplace_back(delivery.queue, delivery.position.value);
    held_[key] = {{delivery.queue, delivery.position, delivery.delivery, 1}, loop};
  }

  void Compare() {
    Ask(0, InspectQueues{{++request_}, QueueId()});
    env_.Turn();
    figures_.clear();
    Collect();
    std::map<QueueId, uint64_t> held;
    for (const auto& [key, value] : held_) ++held[key.first];
    for (const QueueFigures& figures : figures_) {
      EXPECT_EQ(figures.ready + held[figures.queue], model_.At(figures.queue).messages.size());
      EXPECT_LE(figures.unacknowledged, held[figures.queue]);
    }
    EXPECT_TRUE(settling_.empty());
    EXPECT_TRUE(purging_.empty());
    for (size_t i = 0; i < kSessions; ++i)
      EXPECT_EQ(done_publish_[i], next_publish_[i] - 1) << "a publish was lost";
    std::set<uint64_t> kept;
    for (const auto& [entry, parts] : env_.bodies) kept.insert(entry);
    const std::set<uint64_t> needed = model_.EntriesNeeded();
    std::vector<uint64_t> lost;
    std::vector<uint64_t> left;
    std::set_difference(needed.begin(), needed.end(), kept.begin(), kept.end(),
                        std::back_inserter(lost));
    std::set_difference(kept.begin(), kept.end(), needed.begin(), needed.end(),
                        std::back_inserter(left));
    EXPECT_THAT(lost, ::testing::IsEmpty()) << "bodies that are needed and gone";
    EXPECT_THAT(left, ::testing::IsEmpty()) << "bodies that nothing needs";
    for (int i = 0; i < 100; ++i) {
      follower_.Turn();
      follower_.AnswerReads();
    }
    EXPECT_EQ(follower_.shard().digest(), env_.shard().digest());
    EXPECT_EQ(follower_.bodies.size(), needed.size());
    for (const uint64_t entry : needed) EXPECT_TRUE(follower_.bodies.contains(entry)) << entry;
  }

  base::SeededRandom random_;
  FakeEnvironment env_;
  FakeEnvironment follower_;
  NaiveModel model_;
  std::vector<QueueSpec> specs_;
  uint64_t next_queue_ = 20;
  uint32_t boot_ = 0;
  uint64_t request_ = 0;
  uint64_t consumer_ = 0;
  uint64_t delivered_ = 0;
  uint64_t responses_ = 0;
  uint64_t next_publish_[kSessions];
  uint64_t next_settle_[kSessions];
  uint64_t done_publish_[kSessions];
  uint64_t opened_publish_[kSessions];  // What the answer to OpenSession must say.
  uint64_t opened_settle_[kSessions];
  std::map<std::pair<SessionId, uint64_t>, std::string> texts_;
  std::map<std::pair<QueueId, uint64_t>, Held> held_;
  std::map<std::pair<QueueId, uint64_t>, std::pair<size_t, uint64_t>> settling_;
  std::set<std::pair<QueueId, uint64_t>> delivered_positions_;
  std::vector<std::pair<QueueId, uint64_t>> handed_out_;
  std::map<uint64_t, QueueId> purging_;
  std::map<uint64_t, size_t> consumers_;
  std::map<uint64_t, Credit> credit_;
  std::vector<QueueFigures> figures_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_SHARD_HISTORY_H_
