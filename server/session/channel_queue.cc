#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/names.h"

// queue (AMQP 0-9-1 section 1.7).
namespace pontoon::session {
namespace {

using catalog::Right;

// Declares of one channel that the catalog is asked for at once; more wait as other methods do.
constexpr size_t kDeclaresOnTheirWayMax = 256;

// Counts travel as 32 bits.
uint32_t Capped(uint64_t count) {
  return static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
}

}  // namespace

void Channel::AnswerCounts(const catalog::QueueRecord& queue, bool no_wait,
                           const amqp::QueueDeclare* declare) {
  last_queue_ = queue.name;
  if (no_wait) return;
  AwaitAnswer();
  front_end().CountMessages(
      key_, queue,
      [this, name = queue.name, id = queue.id,
       again = declare == nullptr ? std::nullopt : std::make_optional(*declare)](
          absl::StatusOr<broker::QueueCounts> counts) {
        if (counts.ok()) {
          amqp::QueueDeclareOk ok;
          ok.queue = name;
          ok.message_count = Capped(counts->ready);
          ok.consumer_count = Capped(counts->consumers);
          Reply(ok);
          Answered(absl::OkStatus());
          return;
        }
        if (!absl::IsNotFound(counts.status())) return Answered(counts.status());
        const catalog::QueueRecord* now = catalog().FindQueue(connection_->vhost(), name);
        if (again.has_value() && (now == nullptr || now->id != id)) {
          // It went while it was being declared: declared anew, as if it had gone before.
          waiting_ = false;
          const absl::Status status = On(*again);
          if (!status.ok()) Answered(status);
          return;
        }
        Answered(NoQueue(name));
      });
}

bool Channel::DeclareReplyQueue(const std::string& name, bool no_wait) {
  if (name != kReplyQueue && !ParseReplyAddress(name)) return false;
  last_queue_ = name;
  if (no_wait) return true;
  amqp::QueueDeclareOk ok;
  ok.queue = name;
  ok.consumer_count = 1;
  Reply(ok);
  return true;
}

absl::Status Channel::DeclarePassive(const std::string& name, bool no_wait) {
  const auto queue = FindQueue(name);
  if (!queue.ok()) return queue.status();
  AnswerCounts(**queue, no_wait);
  return absl::OkStatus();
}

absl::Status Channel::PrepareDeclare(const amqp::QueueDeclare& method,
                                     catalog::DeclareQueue* declare) {
  std::string name = StripLineEnds(method.queue);
  absl::Status status;
  if (name.empty()) {
    name = RandomName("amq.gen", connection_->loop().random);
  } else {
    status = CheckNotReserved("queue", name);
  }
  if (status.ok()) status = CheckRight(Right::kConfigure, "queue", name);
  if (!status.ok()) return status;

  declare->vhost = connection_->vhost();
  declare->name = name;
  declare->durable = method.durable;
  declare->exclusive = method.exclusive;
  declare->auto_delete = method.auto_delete;
  declare->arguments = method.arguments.EncodeContents();
  declare->owner = connection_->id();
  declare->user = connection_->user();
  declare->home = connection_->loop().front_end->id();
  if (const catalog::QueueRecord* existing = catalog().FindQueue(connection_->vhost(), name)) {
    return catalog::CheckQueueEquivalence(catalog(), *existing, *declare);
  }
  status = catalog::CheckQueueArguments(name, vhost_name(), method.arguments);
  if (!status.ok()) return status;
  if (const amqp::Value* exchange = method.arguments.Find("x-dead-letter-exchange");
      exchange != nullptr && exchange->AsString()) {
    status = CheckRight(Right::kRead, "queue", name);
    if (status.ok()) status = CheckRight(Right::kWrite, "exchange", *exchange->AsString());
  }
  return status;
}

absl::Status Channel::On(const amqp::QueueDeclare& method) {
  const std::string name = StripLineEnds(method.queue);
  if (absl::StartsWith(name, kReplyQueue) && DeclareReplyQueue(name, method.no_wait))
    return absl::OkStatus();
  if (method.passive) return DeclarePassive(name, method.no_wait);
  catalog::DeclareQueue declare;
  const absl::Status status = PrepareDeclare(method, &declare);
  if (!status.ok()) return status;
  if (const auto* existing = catalog().FindQueue(connection_->vhost(), declare.name)) {
    AnswerCounts(*existing, method.no_wait, &method);
    return absl::OkStatus();
  }
  const auto unsupported = catalog::UnsupportedQueueArguments(method.arguments);
  if (!unsupported.empty()) {
    connection_->loop().logger->Log(
        base::LogLevel::kWarning, pid_,
        absl::StrCat("queue '", declare.name, "' in vhost '", vhost_name(),
                     "' is declared with arguments that are stored but have no effect: ",
                     absl::StrJoin(unsupported, ", ")));
  }
  if (method.durable && !method.exclusive)
    declare.shard = connection_->loop().front_end->ChooseShard();
  AskForQueue(std::move(declare), method.no_wait);
  return absl::OkStatus();
}

bool Channel::MayJoinDeclares(const amqp::Frame& frame) {
  if (frame.type != amqp::FrameType::kMethod || assembly_.active() ||
      declaring_.size() >= kDeclaresOnTheirWayMax) {
    return false;
  }
  const base::Slice payload = frame.payload.Flatten();
  const auto id = amqp::PeekMethodId(payload.view());
  if (!id.ok() || *id != amqp::QueueDeclare::kId) return false;
  amqp::QueueDeclare method;
  if (!amqp::DecodeMethodAs(payload.view(), &method).ok() || method.passive) return false;
  const std::string name = StripLineEnds(method.queue);
  // What is refused, and what is answered in another way, has to wait for the answers before it.
  if (name.empty() || absl::StartsWith(name, kReplyQueue) ||
      catalog().FindQueue(connection_->vhost(), name) != nullptr) {
    return false;
  }
  if (std::any_of(declaring_.begin(), declaring_.end(),
                  [&](const Declaring& declaring) { return declaring.name == name; })) {
    return false;
  }
  catalog::DeclareQueue declare;
  return PrepareDeclare(method, &declare).ok();
}

void Channel::AskForQueue(catalog::DeclareQueue declare, bool no_wait) {
  declaring_.push_back(
      {.name = declare.name, .no_wait = no_wait, .answered = false, .status = {}, .ok = {}});
  // Stays where it is until it is answered; is not called once the channel is closed.
  Declaring* const declaring = &declaring_.back();
  front_end().Change(key_, std::move(declare), [this, declaring](const catalog::Outcome& outcome) {
    OnQueueAnswer(declaring, outcome);
  });
}

void Channel::OnQueueAnswer(Declaring* declaring, const catalog::Outcome& outcome) {
  declaring->ok.queue = declaring->name;
  declaring->status = outcome.status;
  declaring->answered = true;
  if (outcome.status.ok() && !outcome.created && !declaring->no_wait) {
    // Somebody else declared it meanwhile, in the same way.
    if (const auto* queue = catalog().FindQueue(connection_->vhost(), declaring->name)) {
      declaring->answered = false;
      front_end().CountMessages(
          key_, *queue, [this, declaring](absl::StatusOr<broker::QueueCounts> counts) {
            declaring->answered = true;
            if (counts.ok()) {
              declaring->ok.message_count = Capped(counts->ready);
              declaring->ok.consumer_count = Capped(counts->consumers);
            } else {
              declaring->status =
                  absl::IsNotFound(counts.status()) ? NoQueue(declaring->name) : counts.status();
            }
            AnswerDeclares();
          });
    }
  }
  AnswerDeclares();
}

void Channel::AnswerDeclares() {
  while (state_ == State::kOpen && !declaring_.empty() && declaring_.front().answered) {
    const Declaring declaring = std::move(declaring_.front());
    declaring_.pop_front();
    if (!declaring.status.ok()) {
      Refuse(declaring.status);
      return;
    }
    last_queue_ = declaring.name;
    if (!declaring.no_wait) Reply(declaring.ok);
  }
  if (state_ == State::kOpen) RunPending();
}

absl::Status Channel::On(const amqp::QueueBind& method) {
  const auto queue = QueueNameOrLast(method.queue);
  if (!queue.ok()) return queue.status();
  // Without a queue and a routing key, both are those of the queue declared last (AMQP 0-9-1
  // section 1.7.2.3).
  const std::string routing_key =
      method.queue.empty() && method.routing_key.empty() ? last_queue_ : method.routing_key;
  return ChangeBinding(true, catalog::DestinationKind::kQueue, *queue, method.exchange, routing_key,
                       method.arguments, [this, no_wait = method.no_wait] {
                         if (!no_wait) Reply(amqp::QueueBindOk());
                       });
}

absl::Status Channel::On(const amqp::QueueUnbind& method) {
  const auto queue = QueueNameOrLast(method.queue);
  if (!queue.ok()) return queue.status();
  const std::string routing_key =
      method.queue.empty() && method.routing_key.empty() ? last_queue_ : method.routing_key;
  return ChangeBinding(false, catalog::DestinationKind::kQueue, *queue, method.exchange,
                       routing_key, method.arguments, [this] { Reply(amqp::QueueUnbindOk()); });
}

absl::Status Channel::On(const amqp::QueuePurge& method) {
  const auto name = QueueNameOrLast(StripLineEnds(method.queue));
  if (!name.ok()) return name.status();
  const absl::Status right = CheckRight(Right::kRead, "queue", *name);
  if (!right.ok()) return right;
  const auto queue = FindQueue(*name);
  if (!queue.ok()) return queue.status();
  AwaitAnswer();
  front_end().Purge(
      key_, **queue,
      [this, name = *name, no_wait = method.no_wait](absl::StatusOr<broker::QueueCounts> purged) {
        if (purged.ok() && !no_wait) {
          amqp::QueuePurgeOk ok;
          ok.message_count = Capped(purged->ready);
          Reply(ok);
        }
        Answered(absl::IsNotFound(purged.status()) ? NoQueue(name) : purged.status());
      });
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::QueueDelete& method) {
  const auto name = QueueNameOrLast(StripLineEnds(method.queue));
  if (!name.ok()) return name.status();
  absl::Status status = CheckRight(Right::kConfigure, "queue", *name);
  if (!status.ok()) return status;
  const catalog::QueueRecord* queue = catalog().FindQueue(connection_->vhost(), *name);
  if (queue == nullptr) {
    if (!method.no_wait) Reply(amqp::QueueDeleteOk());
    return absl::OkStatus();
  }
  status = CheckOwner(*queue);
  if (!status.ok()) return status;
  AwaitAnswer();
  front_end().DeleteQueue(
      key_, *queue, method.if_unused, method.if_empty,
      [this, no_wait = method.no_wait](absl::StatusOr<broker::QueueCounts> deleted) {
        // Somebody else was faster: it is gone, as was asked.
        if (absl::IsNotFound(deleted.status())) deleted = broker::QueueCounts();
        if (deleted.ok() && !no_wait) {
          amqp::QueueDeleteOk ok;
          ok.message_count = Capped(deleted->ready);
          Reply(ok);
        }
        Answered(deleted.status());
      });
  return absl::OkStatus();
}

}  // namespace pontoon::session
