#include "server/session/channel_tx.h"

#include <utility>

#include "server/amqp/reply_code.h"
#include "server/session/channel.h"

// tx (AMQP 0-9-1 section 1.9): publishes and settles of the channel, all or nothing per shard.
namespace pontoon::session {

absl::Status Channel::On(const amqp::TxSelect&) {
  if (confirming_) return amqp::PreconditionFailed("cannot switch from confirm to tx mode");
  if (tx_ == nullptr) tx_ = std::make_unique<Transaction>();
  Reply(amqp::TxSelectOk());
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::TxCommit&) {
  if (tx_ == nullptr) return amqp::PreconditionFailed("channel is not transactional");
  std::vector<cluster::OutgoingSettle> settles;
  std::vector<cluster::OutgoingReturn> returns;
  for (const Transaction::Settled& settled : tx_->settles) {
    if (settled.requeue) {
      returns.push_back({settled.run.shard, settled.run.run});
    } else {
      settles.push_back({settled.run.shard,
                         {settled.run.run, settled.reject ? broker::SettleAction::kReject
                                                          : broker::SettleAction::kAcknowledge}});
    }
    Regain(settled.run.consumer, settled.run.run.count);
  }
  for (const Transaction::Return& message : tx_->returns) {
    amqp::BasicReturn returned;
    returned.reply_code = amqp::ReplyNumber(amqp::ReplyCode::kNoRoute);
    returned.reply_text = "NO_ROUTE";
    returned.exchange = message.exchange;
    returned.routing_key = message.routing_key;
    connection_->writer().AddContent(number_, returned, message.properties, message.body);
    MarkDirty();
  }
  std::vector<cluster::OutgoingPublish> publishes = std::move(tx_->publishes);
  tx_->Clear();
  AwaitAnswer();
  front_end().Commit(key_, std::move(publishes), std::move(settles), std::move(returns),
                     [this](absl::Status status) {
                       if (status.ok()) Reply(amqp::TxCommitOk());
                       Answered(status);
                     });
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::TxRollback&) {
  if (tx_ == nullptr) return amqp::PreconditionFailed("channel is not transactional");
  // Settles are undone, but nothing is delivered again: the client still holds it.
  for (const Transaction::Settled& settled : tx_->settles) unacked_.PutBack(settled.run);
  tx_->Clear();
  Reply(amqp::TxRollbackOk());
  return absl::OkStatus();
}

}  // namespace pontoon::session
