#include "server/cluster/shard_link.h"

namespace pontoon::cluster {
namespace {

// Joins `next` to `last` where it continues it, so that a turn of one-by-one acknowledgements is
// one run.
bool Extend(broker::DeliveryRun* last, const broker::DeliveryRun& next) {
  if (last->queue != next.queue || last->first.value + last->count != next.first.value ||
      last->first_delivery.value + last->count != next.first_delivery.value) {
    return false;
  }
  last->count += next.count;
  return true;
}

}  // namespace

void ShardLink::Publish(uint64_t catalog_index, broker::Publish publish,
                        OutstandingPublish outstanding) {
  auto* batch = outbox_.empty() ? nullptr : std::get_if<broker::PublishBatch>(&outbox_.back());
  if (batch == nullptr) {
    batch = &std::get<broker::PublishBatch>(
        outbox_.emplace_back(broker::PublishBatch{next_publish_, 0, {}}));
  }
  batch->catalog_index = catalog_index;
  batch->messages.push_back(std::move(publish));
  ++next_publish_;
  outstanding_.push_back(std::move(outstanding));
}

void ShardLink::Settle(const broker::Settle& settle) {
  auto* batch = outbox_.empty() ? nullptr : std::get_if<broker::SettleBatch>(&outbox_.back());
  if (batch == nullptr) {
    batch = &std::get<broker::SettleBatch>(
        outbox_.emplace_back(broker::SettleBatch{next_settle_++, {}}));
  } else if (batch->settles.back().action == settle.action &&
             Extend(&batch->settles.back().run, settle.run)) {
    return;
  }
  batch->settles.push_back(settle);
}

void ShardLink::Return(const broker::DeliveryRun& run) {
  auto* batch = outbox_.empty() ? nullptr : std::get_if<broker::ReturnBatch>(&outbox_.back());
  if (batch == nullptr) {
    batch = &std::get<broker::ReturnBatch>(outbox_.emplace_back(broker::ReturnBatch{}));
  } else if (Extend(&batch->runs.back(), run)) {
    return;
  }
  batch->runs.push_back(run);
}

void ShardLink::Commit(uint64_t catalog_index, std::vector<broker::Publish> publishes,
                       std::vector<broker::Settle> settles,
                       std::vector<broker::DeliveryRun> returns,
                       const std::shared_ptr<Gathering>& gathering) {
  broker::Transaction transaction;
  if (!publishes.empty()) {
    transaction.publishes.first_number = next_publish_;
    transaction.publishes.catalog_index = catalog_index;
    for (size_t i = 0; i < publishes.size(); ++i) {
      // They commit together, so the last one's answer is the answer for all.
      outstanding_.push_back({{}, 0, 0, i + 1 == publishes.size() ? gathering : nullptr});
    }
    ++gathering->remaining;
    next_publish_ += publishes.size();
    transaction.publishes.messages = std::move(publishes);
  }
  if (!settles.empty()) {
    settle_waiters_.emplace_back(next_settle_, gathering);
    ++gathering->remaining;
    transaction.settles.number = next_settle_++;
    transaction.settles.settles = std::move(settles);
  }
  transaction.returns = std::move(returns);
  outbox_.emplace_back(std::move(transaction));
}

}  // namespace pontoon::cluster
