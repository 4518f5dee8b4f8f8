#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"

// basic.qos (AMQP 0-9-1 section 1.8.3.1, with RabbitMQ's meaning of `global`) and credit: what
// queues may send to the channel's consumers.
//
// Every consumer has a window of bytes that the socket has not taken yet. Beside it, a consumer
// with a prefetch has as many messages, and gets one back for each that is settled. Under a
// channel-wide limit no more credit is out than the channel may still take, shared between its
// consumers; a consumer that has used up its share while others hold unused credit has that fetched
// back, and what lies unused at idle queues is passed on at each tick.
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
      consumer->unused = 0;
      consumer->due = false;
      consumer->regained_messages = OwnCredit(*consumer);
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
    consumer->due = credit.messages == 0;
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
  if (consumer->unused == 0 && consumer_unacked_ < channel_limit_) {
    // It has more to give, perhaps, while others hold what they do not need.
    consumer->due = true;
    wants_share_ = true;
    MarkDirty();
  }
}

void Channel::Regain(broker::ConsumerKey key, uint64_t messages) {
  if (key.value == 0) return;  // Held by basic.get.
  consumer_unacked_ -= messages;
  Consumer* consumer = FindConsumer(key);
  if (consumer != nullptr) consumer->held -= messages;
  if (channel_limit_ != 0) {
    wants_share_ = true;
    MarkDirty();
    return;
  }
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
    consumer->due = false;
    MarkConsumer(consumer);
  };
  const uint64_t used = consumer_unacked_ + out;
  uint64_t free = used < channel_limit_ ? channel_limit_ - used : 0;
  std::rotate(takers.begin(), takers.begin() + static_cast<long>(share_from_ % takers.size()),
              takers.end());
  // First those who wait; then evenly.
  for (Consumer* consumer : takers) {
    if (free == 0) break;
    if (!consumer->due || consumer->unused > 0 || room(*consumer) == 0) continue;
    give(consumer, 1);
    --free;
    ++share_from_;
  }
  for (size_t left = takers.size(); left > 0 && free > 0; --left) {
    Consumer* consumer = takers[left - 1];
    const uint64_t share = std::min((free + left - 1) / left, room(*consumer));
    if (share == 0) continue;
    give(consumer, share);
    free -= share;
  }
  // Who waits in vain has the largest unused share fetched back from somebody else.
  const bool waits = std::any_of(takers.begin(), takers.end(), [&](const Consumer* consumer) {
    return consumer->due && consumer->unused == 0 && room(*consumer) > 0;
  });
  if (!waits) return;
  Consumer* richest = nullptr;
  for (Consumer* consumer : takers) {
    if (consumer->unused == 0 || consumer->regained_messages > 0) continue;
    if (richest == nullptr || consumer->unused > richest->unused) richest = consumer;
  }
  if (richest != nullptr) TakeUnused(richest);
}

void Channel::TakeUnused(Consumer* consumer) {
  consumer->taking = true;
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

void Channel::OnTick() {
  if (state_ != State::kOpen || channel_limit_ == 0 || consumers_.size() < 2) return;
  // Credit that lies unused at one queue may be what another waits for: pass it on.
  bool poor = false, rich = false;
  for (auto& [tag, consumer] : consumers_) {
    if (consumer->no_ack || consumer->cancelling) continue;
    if (consumer->unused == 0 && !consumer->taking) {
      consumer->due = true;
      poor = true;
    } else if (consumer->unused > 0) {
      rich = true;
    }
  }
  if (poor && rich && consumer_unacked_ < channel_limit_) {
    wants_share_ = true;
    MarkDirty();
  }
}

}  // namespace pontoon::session
