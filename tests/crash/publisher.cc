#include "tests/crash/publisher.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/amqp/properties.h"
#include "tests/crash/content.h"

namespace pontoon::crash {
namespace {

using Kind = Event::Kind;
constexpr std::chrono::milliseconds kBetweenConnects(20);

struct Target {
  absl::string_view exchange, routing_key, queues;
};
Target Draw(base::Random* random) {
  const uint64_t dice = random->Below(100);
  if (dice < 42) return {"", "direct1", "direct1"};
  if (dice < 70) return {"", "direct2", "direct2"};
  if (dice < 92) return {kFanout, "any", kFanQueues};
  if (dice < 99) return {"", "cold", "cold"};
  return {"", "nobody.there", "-"};
}

}  // namespace

absl::Status DeclareTopology(client::Channel* channel, HistoryWriter* history) {
  for (const absl::string_view queue : kAllQueues) {
    const auto declared = channel->DeclareQueue({.queue = std::string(queue), .durable = true});
    if (!declared.ok()) return declared.status();
    history->Write({.kind = Kind::kDeclared, .queue = std::string(queue)});
  }
  if (absl::Status status = channel->DeclareExchange(
          {.exchange = std::string(kFanout), .type = "fanout", .durable = true});
      !status.ok()) {
    return status;
  }
  for (const absl::string_view queue : absl::StrSplit(kFanQueues, ',')) {
    if (absl::Status status = channel->BindQueue(
            {.queue = std::string(queue), .exchange = std::string(kFanout), .routing_key = "any"});
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

Publisher::Publisher(const LoadOptions& options, uint32_t number, HistoryWriter* history)
    : options_(options),
      number_(number),
      history_(history),
      random_(options.seed * 1000 + number),
      thread_([this] { ThreadMain(); }) {}

void Publisher::ThreadMain() {
  using Clock = std::chrono::steady_clock;
  while (!stopping_) {
    if (!Connect().ok()) {
      Leave();
      std::this_thread::sleep_for(kBetweenConnects);
      continue;
    }
    Clock::time_point next = Clock::now();
    while (!stopping_ && PublishOne().ok()) {
      if (options_.rate == 0) continue;
      next += std::chrono::nanoseconds(1'000'000'000 / options_.rate);
      std::this_thread::sleep_until(next);
      // What could not be sent in time is not made up for: the pace is an upper bound.
      next = std::max(next, Clock::now() - std::chrono::milliseconds(50));
    }
    // Ends when all is confirmed, the connection is lost, or Stop loses its patience.
    if (stopping_) channel_->WaitForConfirms(base::Seconds(600)).IgnoreError();
    Leave();
  }
  done_ = true;
}

absl::Status Publisher::Connect() {
  client::ConnectionOptions options;
  options.port = options_.port;
  options.connection_name = absl::StrCat("publisher ", number_);
  options.connect_timeout = base::Seconds(5);
  options.call_timeout = base::Seconds(30);
  options.on_blocked = [](const std::string& reason) {
    std::printf("blocked %s\n", reason.c_str());
    std::fflush(stdout);
  };
  options.on_unblocked = [] {
    std::printf("unblocked\n");
    std::fflush(stdout);
  };
  absl::StatusOr<std::unique_ptr<client::Connection>> connection =
      client::Connection::Open(std::move(options));
  if (!connection.ok()) return connection.status();
  absl::StatusOr<std::unique_ptr<client::Channel>> channel = (*connection)->OpenChannel();
  {
    base::MutexLock lock(&mutex_);
    connection_ = *std::move(connection);
  }
  if (!channel.ok()) return channel.status();
  channel_ = *std::move(channel);
  ++channels_;
  sequence_ = 0;
  if (absl::Status status = DeclareTopology(channel_.get(), history_); !status.ok()) return status;
  channel_->OnReturn([this](const client::ReturnedMessage& message) {
    const amqp::BasicProperties properties =
        amqp::BasicProperties::Parse(message.properties.view()).value_or(amqp::BasicProperties());
    const auto judged =
        JudgeContent(options_.run, properties.message_id().value_or(""), message.body);
    if (judged) history_->Write({.kind = Kind::kUnrouted, .id = judged->id});
  });
  return channel_->SelectConfirms(
      {.outstanding_max = options_.outstanding_max,
       .on_confirm = [this](uint64_t sequence, bool ok) { OnConfirm(sequence, ok); }});
}

absl::Status Publisher::PublishOne() {
  const Target target = Draw(&random_);
  const MessageId id = {number_, channels_, ++sequence_};
  const Content content = MakeContent(options_.run, id, options_.bytes_max, &random_);
  amqp::PropertiesBuilder properties;
  properties.delivery_mode = 2;
  properties.message_id = content.message_id;
  const std::string encoded = properties.Encode();
  {
    base::MutexLock lock(&mutex_);
    unconfirmed_.insert(sequence_);
  }
  history_->Write({.kind = Kind::kInvoke, .id = id, .queue = std::string(target.queues)});
  return channel_
      ->Publish({.exchange = target.exchange,
                 .routing_key = target.routing_key,
                 .mandatory = true,
                 .properties = encoded,
                 .body = content.body})
      .status();
}

void Publisher::OnConfirm(uint64_t sequence, bool acknowledged) {
  {
    base::MutexLock lock(&mutex_);
    if (unconfirmed_.erase(static_cast<uint32_t>(sequence)) == 0) return;
  }
  history_->Write({.kind = acknowledged ? Kind::kOk : Kind::kInfo,
                   .id = {number_, channels_, static_cast<uint32_t>(sequence)}});
}

// Nothing comes from the connection afterwards; what is open now stays unknown.
void Publisher::Leave() {
  std::shared_ptr<client::Connection> connection;
  {
    base::MutexLock lock(&mutex_);
    connection.swap(connection_);
  }
  if (connection != nullptr && stopping_) connection->Close().IgnoreError();
  channel_.reset();
  connection.reset();
  base::MutexLock lock(&mutex_);
  for (const uint32_t sequence : unconfirmed_) {
    history_->Write({.kind = Kind::kInfo, .id = {number_, channels_, sequence}});
  }
  unconfirmed_.clear();
}

void Publisher::Stop(base::Duration patience) {
  stopping_ = true;
  const int64_t deadline = MonotonicNanos() + patience.nanos;
  while (!done_ && MonotonicNanos() < deadline) std::this_thread::sleep_for(kBetweenConnects);
  while (!done_) {
    {
      base::MutexLock lock(&mutex_);
      if (connection_ != nullptr) connection_->Abort();
    }
    std::this_thread::sleep_for(kBetweenConnects);
  }
  thread_.join();
}

}  // namespace pontoon::crash
