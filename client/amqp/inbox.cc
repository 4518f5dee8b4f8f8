#include "client/amqp/inbox.h"

#include <chrono>

namespace pontoon::client {

absl::StatusOr<ReceivedMessage> Inbox::Next(base::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout.nanos);
  base::MutexLock lock(&shared_->mutex);
  while (shared_->messages.empty()) {
    if (!shared_->cancelled.ok()) return shared_->cancelled;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return absl::DeadlineExceededError("no delivery came");
    shared_->changed.WaitFor(&shared_->mutex, left);
  }
  ReceivedMessage message = std::move(shared_->messages.front());
  shared_->messages.pop_front();
  return message;
}

}  // namespace pontoon::client
