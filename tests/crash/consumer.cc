#include "tests/crash/consumer.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "client/amqp/connection.h"
#include "server/amqp/properties.h"
#include "server/amqp/reply_code.h"
#include "tests/crash/content.h"

namespace pontoon::crash {
namespace {

using Kind = Event::Kind;
constexpr std::chrono::milliseconds kPause(20);
constexpr uint16_t kPrefetch = 100;

absl::StatusOr<std::unique_ptr<client::Connection>> ConnectAs(const LoadOptions& options,
                                                              const std::string& name) {
  client::ConnectionOptions connection;
  connection.port = options.port;
  connection.connection_name = name;
  connection.connect_timeout = base::Seconds(5);
  connection.call_timeout = base::Seconds(30);
  return client::Connection::Open(std::move(connection));
}

client::ConsumerHandlers HandlersOf(Settler* settler, client::Channel* channel) {
  return {.on_delivery =
              [settler, channel](const client::Delivery& delivery) {
                settler->OnMessage(channel, delivery.delivery_tag, delivery.redelivered,
                                   delivery.properties.view(), delivery.body);
              },
          .on_cancel = nullptr};
}

}  // namespace

void Settler::OnMessage(client::Channel* channel, uint64_t tag, bool redelivered,
                        absl::string_view properties, const base::SliceChain& body) {
  const amqp::BasicProperties parsed =
      amqp::BasicProperties::Parse(properties).value_or(amqp::BasicProperties());
  // What cannot even be named is a message that nobody sent: 0.0.0.
  const Judged judged = JudgeContent(options_.run, parsed.message_id().value_or(""), body)
                            .value_or(Judged{.id = {}, .good = true});
  history_->Write({.kind = Kind::kDeliver,
                   .id = judged.id,
                   .queue = options_.queue,
                   .session = options_.session,
                   .tag = tag,
                   .flag = redelivered,
                   .good = judged.good});
  ++taken_;
  if (options_.give_back_one_in != 0 && !redelivered &&
      random_.Below(options_.give_back_one_in) == 0) {
    history_->Write({.kind = Kind::kRequeue, .session = options_.session, .tag = tag});
    channel->Nack(tag, client::AckScope::kOnlyThis, client::Requeue::kYes).IgnoreError();
    return;
  }
  if (options_.batch_max == 0) return Ack(channel, tag, false);
  waiting_tag_ = tag;
  if (++waiting_ >= batch_) Flush(channel);
}

void Settler::Flush(client::Channel* channel) {
  if (waiting_tag_ == 0) return;
  Ack(channel, waiting_tag_, true);
  waiting_tag_ = 0;
  waiting_ = 0;
  batch_ = 1 + static_cast<uint32_t>(random_.Below(options_.batch_max));
}

void Settler::Ack(client::Channel* channel, uint64_t tag, bool multiple) {
  history_->Write({.kind = Kind::kAck, .session = options_.session, .tag = tag, .flag = multiple});
  channel->Ack(tag, multiple ? client::AckScope::kUpToAndIncluding : client::AckScope::kOnlyThis)
      .IgnoreError();
}

Consumer::Consumer(const LoadOptions& options, std::string queue, HistoryWriter* history)
    : options_(options),
      queue_(std::move(queue)),
      history_(history),
      thread_([this] { ThreadMain(); }) {}

void Consumer::ThreadMain() {
  for (uint32_t number = 1; !stopping_;) {
    if (RunSession(number)) {
      ++number;
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
}

bool Consumer::RunSession(uint32_t number) {
  auto connection = ConnectAs(options_, absl::StrCat("consumer of ", queue_));
  if (!connection.ok()) return false;
  auto channel = (*connection)->OpenChannel();
  if (!channel.ok() || !DeclareTopology(channel->get(), history_).ok()) return false;
  const std::string session = absl::StrCat(queue_, "/", number);
  // Half of the queues are acknowledged one by one, the others in batches; one sees returns too.
  Settler settler({.run = options_.run,
                   .queue = queue_,
                   .session = session,
                   .batch_max = queue_.back() == '2' ? 20u : 0u,
                   .give_back_one_in = queue_ == "direct1" ? 150u : 0u,
                   .seed = options_.seed + number * 7919 + base::Crc32c(queue_)},
                  history_);
  history_->Write({.kind = Kind::kOpened, .queue = queue_, .session = session});
  absl::Status status = (*channel)->Qos({.prefetch_count = kPrefetch});
  absl::StatusOr<std::string> tag = absl::UnavailableError("no qos");
  if (status.ok()) {
    tag = (*channel)->Consume({.queue = queue_}, HandlersOf(&settler, channel->get()));
  }
  while (tag.ok() && !stopping_ && (*channel)->status().ok()) {
    (*channel)->WaitUntilClosed(base::Millis(50)).IgnoreError();
  }
  bool clean = false;
  if (tag.ok() && (*channel)->Cancel(*tag).ok()) {
    settler.Flush(channel->get());
    // An answer on this channel: the acknowledgements before it have arrived.
    clean = (*channel)->Qos({.prefetch_count = kPrefetch}).ok() && (*channel)->Close().ok() &&
            (*connection)->Close().ok();
  }
  channel->reset();
  connection->reset();
  history_->Write({.kind = Kind::kClosed, .session = session, .text = clean ? "clean" : "lost"});
  return true;
}

void Consumer::Stop() {
  stopping_ = true;
  thread_.join();
}

namespace {

struct Drain {
  const LoadOptions& options;
  HistoryWriter* const history;
  const int64_t deadline;

  bool late() const { return MonotonicNanos() > deadline; }

  // Consumes until the queue says it is empty, then gets until that is so three times.
  absl::Status TakeAll(const std::string& queue, const std::string& session) {
    auto connection = ConnectAs(options, "drain");
    if (!connection.ok()) return connection.status();
    auto channel = (*connection)->OpenChannel();
    if (!channel.ok()) return channel.status();
    Settler settler({.run = options.run, .queue = queue, .session = session, .batch_max = 50},
                    history);
    history->Write({.kind = Kind::kOpened, .queue = queue, .session = session});
    absl::Status status = (*channel)->Qos({.prefetch_count = 500});
    if (status.ok()) status = Consume(channel->get(), queue, &settler);
    if (status.ok()) status = Get(channel->get(), queue, &settler);
    if (status.ok()) status = (*channel)->Close();
    if (status.ok()) status = (*connection)->Close();
    channel->reset();
    connection->reset();
    history->Write(
        {.kind = Kind::kClosed, .session = session, .text = status.ok() ? "clean" : "lost"});
    return status;
  }

  absl::Status Consume(client::Channel* channel, const std::string& queue, Settler* settler) {
    absl::StatusOr<std::string> tag =
        channel->Consume({.queue = queue}, HandlersOf(settler, channel));
    if (!tag.ok()) return tag.status();
    for (uint64_t before = ~uint64_t{0}; before != settler->taken();) {
      before = settler->taken();
      channel->WaitUntilClosed(base::Millis(100)).IgnoreError();
      if (!channel->status().ok()) return channel->status();
      if (late()) return absl::DeadlineExceededError(queue + " is not empty in time");
    }
    if (absl::Status status = channel->Cancel(*tag); !status.ok()) return status;
    settler->Flush(channel);
    return absl::OkStatus();
  }

  absl::Status Get(client::Channel* channel, const std::string& queue, Settler* settler) {
    for (int empty = 0; empty < 3;) {
      const auto message = channel->Get(queue);
      if (!message.ok()) return message.status();
      if (late()) return absl::DeadlineExceededError(queue + " is not empty in time");
      if (!message->has_value()) {
        ++empty;
        continue;
      }
      empty = 0;
      base::SliceChain body;
      body.Append(base::Slice::Copy((*message)->body));
      settler->OnMessage(channel, (*message)->delivery_tag, (*message)->redelivered,
                         (*message)->properties.view(), body);
    }
    settler->Flush(channel);
    return channel->Qos({.prefetch_count = 1});  // The acknowledgements have arrived.
  }

  // What the queue holds for somebody new; nullopt: there is no such queue.
  absl::StatusOr<std::optional<uint32_t>> Count(const std::string& queue) {
    auto connection = ConnectAs(options, "drained?");
    if (!connection.ok()) return connection.status();
    auto channel = (*connection)->OpenChannel();
    if (!channel.ok()) return channel.status();
    const auto declared = (*channel)->DeclareQueue({.queue = queue, .passive = true});
    if (declared.ok()) return declared->message_count;
    if (amqp::ReplyCodeOf(declared.status()) == amqp::ReplyCode::kNotFound) return std::nullopt;
    return declared.status();
  }
};

}  // namespace

absl::Status DrainAll(const LoadOptions& options, HistoryWriter* history, base::Duration timeout) {
  Drain drain{.options = options, .history = history, .deadline = MonotonicNanos() + timeout.nanos};
  uint32_t sessions = 0;
  for (const absl::string_view name : kAllQueues) {
    const std::string queue(name);
    while (true) {
      const auto count = drain.Count(queue);
      if (!count.ok()) return count.status();
      if (!count->has_value()) {
        history->Write({.kind = Kind::kMissing, .queue = queue});
        break;
      }
      if (absl::Status status = drain.TakeAll(queue, absl::StrCat("drain/", ++sessions));
          !status.ok()) {
        return status;
      }
      const auto left = drain.Count(queue);
      if (!left.ok()) return left.status();
      if (left->has_value() && **left == 0) {
        history->Write({.kind = Kind::kDrained, .queue = queue});
        break;
      }
      if (drain.late()) return absl::DeadlineExceededError(queue + " does not become empty");
    }
  }
  return absl::OkStatus();
}

}  // namespace pontoon::crash
