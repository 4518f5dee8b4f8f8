#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/channel_tx.h"

// confirm (RabbitMQ: extension).
namespace pontoon::session {

absl::Status Channel::On(const amqp::ConfirmSelect& method) {
  if (tx_ != nullptr) return amqp::PreconditionFailed("cannot switch from tx to confirm mode");
  confirming_ = true;
  if (!method.no_wait) Reply(amqp::ConfirmSelectOk());
  return absl::OkStatus();
}

void Channel::OnPublishDone(uint64_t tag, uint64_t bytes, bool refused) {
  const uint64_t counted = bytes + Connection::kPublishOverheadBytes;
  publishing_bytes_ -= counted;
  connection_->OnPublished(counted);
  if (tag == 0) return;
  confirms_.Finish(tag, refused);
  MarkDirty();
}

void Channel::SendConfirms() {
  if (!confirms_.has_answers()) return;
  answers_.clear();
  confirms_.Take(&answers_);
  for (const Confirms::Answer& answer : answers_) {
    if (answer.nack) {
      amqp::BasicNack nack;
      nack.delivery_tag = answer.sequence;
      nack.multiple = answer.multiple;
      nack.requeue = false;
      connection_->writer().AddMethod(number_, nack);
    } else {
      amqp::BasicAck ack;
      ack.delivery_tag = answer.sequence;
      ack.multiple = answer.multiple;
      connection_->writer().AddMethod(number_, ack);
    }
  }
}

}  // namespace pontoon::session
