#ifndef PONTOON_SERVER_BROKER_SHARD_FIXTURE_H_
#define PONTOON_SERVER_BROKER_SHARD_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "server/broker/fake_environment.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

inline SessionId Session(uint32_t boot, uint16_t loop = 0) { return {{7}, {boot}, {loop}}; }
inline QueueId Queue(uint64_t n) { return QueueId::Of(n); }

// What front-ends do, in few words.
class ShardTest : public ::testing::Test {
 protected:
  ShardTest() { Start(); }

  void Start() {
    for (uint64_t n : {10, 11, 12}) specs_.push_back({Queue(n), false, absl::StrCat("q", n), "/"});
    env_.Lead(20, specs_);
    env_.shard().OnBootRegistered({7}, {1});
    Open(s_);
  }
  void Open(const SessionId& session) {
    Ask(session, OpenSession());
    env_.Settle();
    Collect();
    next_publish_ = opened_.next_publish;
    next_settle_ = opened_.next_settle;
  }
  void Ask(const SessionId& session, ShardRequest request) {
    env_.shard().OnRequest(session, std::move(request));
  }
  void Run() {
    env_.Settle();
    Collect();
  }
  void Collect() {
    for (auto& [session, response] : env_.TakeResponses()) {
      if (auto* done = std::get_if<PublishesDone>(&response)) published_ = done->through;
      if (auto* done = std::get_if<SettlesDone>(&response)) settled_ = done->through;
      if (auto* opened = std::get_if<SessionOpened>(&response)) opened_ = *opened, ++opened_count_;
      if (std::holds_alternative<SessionRefused>(response)) ++refused_;
      if (auto* cancelled = std::get_if<ConsumerCancelled>(&response))
        cancelled_.push_back(cancelled->consumer.value);
      if (auto* deliveries = std::get_if<Deliveries>(&response)) {
        for (Delivery& delivery : deliveries->deliveries)
          deliveries_.push_back(std::move(delivery));
        notes_.insert(notes_.end(), deliveries->notes.begin(), deliveries->notes.end());
      }
      if (auto* reply = std::get_if<Reply>(&response))
        replies_[reply->request.value] = std::move(*reply);
    }
  }
  static broker::Publish Message(const std::string& text, std::vector<QueueId> targets) {
    broker::Publish publish;
    publish.message.envelope.Append(base::Slice::Copy("envelope"));
    publish.message.payload.Append(base::Slice::Copy(text));
    publish.envelope_crc = base::Crc32c(publish.message.envelope);
    publish.payload_crc = base::Crc32c(publish.message.payload);
    publish.persistent = true;
    publish.targets.assign(targets.begin(), targets.end());
    return publish;
  }
  PublishBatch Batch(const std::vector<std::string>& texts, std::vector<QueueId> targets) {
    PublishBatch batch;
    batch.first_number = next_publish_;
    for (const std::string& text : texts) batch.messages.push_back(Message(text, targets));
    next_publish_ += texts.size();
    return batch;
  }
  void Publish(const std::vector<std::string>& texts, uint64_t queue = 10) {
    Ask(s_, Batch(texts, {Queue(queue)}));
  }
  uint64_t Consume(uint64_t key, uint64_t credit, uint64_t queue = 10, bool no_ack = false,
                   int32_t priority = 0, bool exclusive = false) {
    broker::Consume consume;
    consume.request.value = ++request_;
    consume.queue = Queue(queue);
    consume.consumer.value = key;
    consume.tag = absl::StrCat("tag", key);
    consume.no_ack = no_ack;
    consume.priority = priority;
    consume.exclusive = exclusive;
    consume.credit = {credit, Credit::kUnlimited};
    Ask(s_, consume);
    return request_;
  }
  Reply Count(uint64_t queue = 10) {
    CountMessages count;
    count.request.value = ++request_;
    count.queue = Queue(queue);
    Ask(s_, count);
    Run();
    return replies_[request_];
  }
  uint64_t Ready(uint64_t queue = 10) { return std::get<QueueCounts>(Count(queue).result).ready; }
  Reply Get(uint64_t queue = 10, bool no_ack = false) {
    broker::Get get;
    get.request.value = ++request_;
    get.queue = Queue(queue);
    get.no_ack = no_ack;
    Ask(s_, get);
    Run();
    return replies_[request_];
  }
  std::string GetText(uint64_t queue = 10) {
    const Reply reply = Get(queue);
    return std::holds_alternative<GetOk>(reply.result)
               ? Text(std::get<GetOk>(reply.result).delivery)
               : "(empty)";
  }
  Reply Purge(uint64_t queue = 10) {
    broker::Purge purge;
    purge.request.value = ++request_;
    purge.queue = Queue(queue);
    Ask(s_, purge);
    Run();
    return replies_[request_];
  }
  uint64_t AskDelete(uint64_t queue, bool if_unused = false, bool if_empty = false) {
    DeleteQueue request;
    request.request.value = ++request_;
    request.queue = Queue(queue);
    request.if_unused = if_unused;
    request.if_empty = if_empty;
    Ask(s_, request);
    return request_;
  }
  QueueFigures Figures(uint64_t queue = 10) {
    InspectQueues inspect;
    inspect.request.value = ++request_;
    inspect.only = Queue(queue);
    Ask(s_, inspect);
    Run();
    return std::get<std::vector<QueueFigures>>(replies_[request_].result).at(0);
  }
  static DeliveryRun RunOf(const Delivery& delivery) {
    return {delivery.queue, delivery.position, delivery.delivery, 1};
  }
  void Ack(const Delivery& delivery, SettleAction action = SettleAction::kAcknowledge) {
    SettleBatch batch;
    batch.number = next_settle_++;
    batch.settles.push_back({RunOf(delivery), action});
    Ask(s_, batch);
  }
  void AckAll() {
    SettleBatch batch;
    batch.number = next_settle_++;
    for (const Delivery& delivery : deliveries_)
      batch.settles.push_back({RunOf(delivery), SettleAction::kAcknowledge});
    Ask(s_, batch);
  }
  void Requeue(const Delivery& delivery) {
    ReturnBatch batch;
    batch.runs.push_back(RunOf(delivery));
    Ask(s_, batch);
  }
  static std::string Text(const Delivery& delivery) {
    EXPECT_EQ(delivery.message.envelope.Flatten().view(), "envelope");
    return std::string(delivery.message.payload.Flatten().view());
  }
  std::vector<std::string> TakeTexts() {
    std::vector<std::string> texts;
    for (const Delivery& delivery : deliveries_) texts.push_back(Text(delivery));
    deliveries_.clear();
    return texts;
  }
  // The node dies and starts again.
  void Restart() {
    env_.Crash();
    env_.Lead(20, specs_);
    s_ = Session(s_.boot.value + 1);
    env_.shard().OnBootRegistered(s_.node, s_.boot);
    deliveries_.clear();
    Open(s_);
  }

  FakeEnvironment env_;
  std::vector<QueueSpec> specs_;
  SessionId s_ = Session(1);
  uint64_t next_publish_ = 1;
  uint64_t next_settle_ = 1;
  uint64_t request_ = 0;
  uint64_t published_ = 0;
  uint64_t settled_ = 0;
  SessionOpened opened_;
  int opened_count_ = 0;
  int refused_ = 0;
  std::vector<uint64_t> cancelled_;
  std::vector<CreditNote> notes_;
  std::vector<Delivery> deliveries_;
  std::map<uint64_t, Reply> replies_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_SHARD_FIXTURE_H_
