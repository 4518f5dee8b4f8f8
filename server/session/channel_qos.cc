#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"

// basic.qos (AMQP 0-9-1 section 1.8.3.1, with RabbitMQ's meaning of `global`) and credit: what
// queues may send to the channel's consumers.
//
// Every consumer has a window of bytes that the socket has not taken yet. Beside it, a consumer
// with a prefetch has as many messages, and gets one back for each that is settled. Under a
// channel-wide limit no more credit is out than the channel may still take, shared between its
// consumers. A queue says when a message waits for a consumer without a share (Credit::tell); then
// it gets what is free, or the share of a consumer is fetched back whose queue has no use for it.
namespace pontoon::session {
namespace {

constexpr uint64_t kUnlimited = broker::Credit::kUnlimited;
// A window is filled up once this part of it is missing.
constexpr uint64_t kWindowSteps = 4;

}  // namespace

absl::Status Channel::On(const amqp::BasicQos& method) {
  if (method.prefetch_size != 0) {
    return amqp::NotImplemented(absl::StrCat("prefetch_size!=0 (", method.prefetch_size, ")"));
  }
  const uint32_t before = channel_limit_;
  if (method.global) {
    channel_limit_ = method.prefetch_count;
  } else {
    consumer_prefetch_ = method.prefetch_count;
    channel_limit_ = 0;
  }
  if (channel_limit_ == before) {
    Reply(amqp::BasicQosOk());
    return absl::OkStatus();
  }
  if (channel_limit_ == 0) {
    // Everybody has their own limits again.
    for (auto& [tag, consumer] : consumers_) {
      if (consumer->no_ack || consumer->cancelling) continue;
      const uint64_t granted = consumer->unused - consumer->regained_messages;
      const uint64_t own = OwnCredit(*consumer);
      consumer->regained_messages = own == kUnlimited ? own : own - std::min(own, granted);
      consumer->unused = 0;
      consumer->due = false;
      MarkConsumer(consumer.get());
    }
    Reply(amqp::BasicQosOk());
    return absl::OkStatus();
  }
  // What was given under other rules comes back first; then it is shared anew.
  for (auto& [tag, consumer] : consumers_) {
    if (consumer->no_ack || consumer->cancelling || consumer->taking) continue;
    TakeUnused(consumer.get());
  }
  if (takes_awaited_ > 0) {
    AwaitAnswer();
    qos_waiting_ = true;
    return absl::OkStatus();
  }
  Reply(amqp::BasicQosOk());
  return absl::OkStatus();
}

uint64_t Channel::OwnCredit(const Consumer& consumer) const {
  if (consumer.prefetch == 0) return kUnlimited;
  return consumer.prefetch > consumer.held ? consumer.prefetch - consumer.held : 0;
}

broker::Credit Channel::FirstCredit(Consumer* consumer) {
  broker::Credit credit;
  credit.bytes = connection_->options().consumer_window_bytes;
  consumer->credit_bytes = credit.bytes;
  if (consumer->no_ack) {
    credit.messages = kUnlimited;
  } else if (channel_limit_ == 0) {
    credit.messages = OwnCredit(*consumer);
  } else {
    const uint64_t used = consumer_unacked_ + UnusedTotal();
    const uint64_t free = used < channel_limit_ ? channel_limit_ - used : 0;
    credit.messages = std::min(OwnCredit(*consumer), free);
    consumer->unused = credit.messages;
    credit.tell = true;
  }
  return credit;
}

uint64_t Channel::UnusedTotal() const {
  uint64_t total = 0;
  for (const auto& [tag, consumer] : consumers_) total += consumer->unused;
  return total;
}

void Channel::OnHandedOut(Consumer* consumer) {
  ++consumer->held;
  ++consumer_unacked_;
  if (channel_limit_ == 0) return;
  if (consumer->unused > 0) --consumer->unused;
}

void Channel::OnCreditNote(const broker::CreditNote& note) {
  Consumer* consumer = FindConsumer(note.consumer);
  if (consumer == nullptr || channel_limit_ == 0) return;
  // Where a share is on its way, the queue will say what became of it.
  if (consumer->regained_messages > 0) return;
  if (note.use == broker::CreditUse::kIdle) {
    consumer->idle = consumer->unused > 0;
  } else if (consumer->unused == 0) {
    consumer->due = true;
  }
  WantShare();
}

void Channel::WantShare() {
  if (channel_limit_ == 0) return;
  wants_share_ = true;
  MarkDirty();
}

void Channel::Regain(broker::ConsumerKey key, uint64_t messages) {
  if (key.value == 0) return;  // Held by basic.get.
  consumer_unacked_ -= messages;
  Consumer* consumer = FindConsumer(key);
  if (consumer != nullptr) consumer->held -= messages;
  if (channel_limit_ != 0) return WantShare();
  if (consumer == nullptr || consumer->prefetch == 0 || consumer->cancelling) return;
  consumer->regained_messages += messages;
  MarkConsumer(consumer);
}

void Channel::GrantRegained(Consumer* consumer) {
  if (consumer->cancelling || consumer->taking) return;
  const uint64_t window = connection_->options().consumer_window_bytes;
  const uint64_t missing = consumer->MissingBytes(window);
  // In steps, so that a stream of small deliveries does not cost a grant each.
  if (consumer->regained_messages == 0 && missing < window / kWindowSteps) return;
  broker::Credit more;
  more.messages = std::exchange(consumer->regained_messages, 0);
  more.bytes = missing;
  more.tell = channel_limit_ != 0 && !consumer->no_ack;
  consumer->credit_bytes += missing;
  connection_->loop().front_end->Grant(consumer->key, more);
}

void Channel::OnWritten(broker::ConsumerKey key, uint64_t bytes) {
  Consumer* consumer = FindConsumer(key);
  if (consumer == nullptr) return;
  consumer->unwritten_bytes -= bytes;
  const uint64_t window = connection_->options().consumer_window_bytes;
  if (consumer->MissingBytes(window) >= window / kWindowSteps) MarkConsumer(consumer);
}

void Channel::ShareLimit() {
  wants_share_ = false;
  if (channel_limit_ == 0) return;
  std::vector<Consumer*> takers;  // In order of tags, begun anew behind who was served last.
  uint64_t out = 0;
  for (auto& [tag, consumer] : consumers_) {
    out += consumer->unused;
    if (consumer->no_ack || consumer->cancelling || consumer->taking) continue;
    takers.push_back(consumer.get());
  }
  if (takers.empty()) return;
  const auto room = [](const Consumer& consumer) {
    if (consumer.prefetch == 0) return kUnlimited;
    const uint64_t used = consumer.held + consumer.unused;
    return consumer.prefetch > used ? consumer.prefetch - used : 0;
  };
  const auto give = [&](Consumer* consumer, uint64_t messages) {
    consumer->unused += messages;
    consumer->regained_messages += messages;
    consumer->due = consumer->idle = false;
    MarkConsumer(consumer);
  };
  const uint64_t used = consumer_unacked_ + out;
  uint64_t free = used < channel_limit_ ? channel_limit_ - used : 0;
  std::rotate(takers.begin(), takers.begin() + static_cast<long>(share_from_ % takers.size()),
              takers.end());
  // To those who wait; or else, ahead of need, evenly to those who may have a use for it.
  std::vector<Consumer*> due;
  absl::c_copy_if(takers, std::back_inserter(due), [&](const Consumer* consumer) {
    return consumer->due && consumer->unused == 0 && room(*consumer) > 0;
  });
  std::vector<Consumer*> served = due;
  if (due.empty()) {
    absl::c_copy_if(takers, std::back_inserter(served),
                    [](const Consumer* consumer) { return !consumer->idle; });
    if (served.empty()) served = takers;
  }
  for (size_t left = served.size(); left > 0 && free > 0; --left) {
    Consumer* consumer = served[served.size() - left];
    const uint64_t share = std::min((free + left - 1) / left, room(*consumer));
    if (share == 0) continue;
    give(consumer, share);
    free -= share;
    if (!due.empty()) ++share_from_;
  }
  // Who waits in vain has the largest idle share fetched back. Every share becomes idle or is used
  // up in the end, and that is told, so there is always somebody to go on.
  const bool waits = absl::c_any_of(due, [](const Consumer* consumer) { return consumer->due; });
  if (!waits) return;
  Consumer* richest = nullptr;
  for (Consumer* consumer : takers) {
    if (!consumer->idle || consumer->unused == 0) continue;
    if (richest == nullptr || consumer->unused > richest->unused) richest = consumer;
  }
  if (richest != nullptr) TakeUnused(richest);
}

void Channel::TakeUnused(Consumer* consumer) {
  consumer->taking = true;
  consumer->idle = false;
  consumer->regained_messages = 0;
  ++takes_awaited_;
  front_end().TakeCredit(key_, consumer->key, [this, key = consumer->key](broker::Credit) {
    Consumer* consumer = FindConsumer(key);
    if (consumer != nullptr) {
      consumer->taking = false;
      consumer->unused = 0;
      consumer->credit_bytes = 0;  // Comes with the next grant.
      if (channel_limit_ == 0) consumer->regained_messages = OwnCredit(*consumer);
      MarkConsumer(consumer);
    }
    wants_share_ = true;
    MarkDirty();
    if (--takes_awaited_ == 0 && qos_waiting_) {
      qos_waiting_ = false;
      ShareLimit();
      Reply(amqp::BasicQosOk());
      Answered(absl::OkStatus());
    }
  });
}

}  // namespace pontoon::session
