#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/channel_tx.h"

// basic.ack, nack, reject and recover (AMQP 0-9-1 section 1.8.3; nack: RabbitMQ extension).
namespace pontoon::session {

absl::Status Channel::Settle(uint64_t tag, bool multiple, bool requeue, bool reject) {
  taken_.clear();
  bool known = true;
  if (multiple && tag == 0) {
    unacked_.TakeAll(&taken_);
  } else {
    known = multiple ? unacked_.TakeUpTo(tag, &taken_) : unacked_.TakeOne(tag, &taken_);
  }
  if (!known) return amqp::PreconditionFailed(absl::StrCat("unknown delivery tag ", tag));
  if (tx_ != nullptr) {
    for (const UnackedRun& run : taken_) tx_->settles.push_back({run, requeue, reject});
  } else {
    SettleRuns(taken_, requeue, reject);
  }
  return absl::OkStatus();
}

void Channel::SettleRuns(const std::vector<UnackedRun>& runs, bool requeue, bool reject) {
  const auto action = reject ? broker::SettleAction::kReject : broker::SettleAction::kAcknowledge;
  for (const UnackedRun& run : runs) {
    Regain(run.consumer, run.run.count);
    if (requeue) {
      SendSettles();
      connection_->loop().front_end->Return({run.shard, run.run});
      continue;
    }
    // Acks that follow each other, as most do, become one settle.
    broker::DeliveryRun& last = settle_.settle.run;
    if (settle_waiting_ && settle_.settle.action == action && last.queue == run.run.queue &&
        settle_.shard == run.shard && last.first.value + last.count == run.run.first.value &&
        last.first_delivery.value + last.count == run.run.first_delivery.value &&
        last.count <= UINT32_MAX - run.run.count) {
      last.count += run.run.count;
      continue;
    }
    SendSettles();
    settle_ = {run.shard, {run.run, action}};
    settle_waiting_ = true;
    MarkDirty();
  }
}

void Channel::SendSettles() {
  if (!settle_waiting_) return;
  settle_waiting_ = false;
  connection_->loop().front_end->Settle(settle_);
}

absl::Status Channel::On(const amqp::BasicReject& method) {
  return Settle(method.delivery_tag, /*multiple=*/false, method.requeue, /*reject=*/true);
}

absl::Status Channel::On(const amqp::BasicNack& method) {
  return Settle(method.delivery_tag, method.multiple, method.requeue, /*reject=*/true);
}

absl::Status Channel::Recover(bool requeue) {
  if (!requeue) return amqp::NotImplemented("requeue=false");
  taken_.clear();
  unacked_.TakeAll(&taken_);
  SettleRuns(taken_, /*requeue=*/true, /*reject=*/false);
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::BasicRecover& method) {
  const absl::Status status = Recover(method.requeue);
  if (status.ok()) Reply(amqp::BasicRecoverOk());
  return status;
}

absl::Status Channel::On(const amqp::BasicRecoverAsync& method) { return Recover(method.requeue); }

}  // namespace pontoon::session
