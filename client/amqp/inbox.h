#ifndef PONTOON_CLIENT_AMQP_INBOX_H_
#define PONTOON_CLIENT_AMQP_INBOX_H_

#include <deque>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/time.h"
#include "client/amqp/channel.h"

namespace pontoon::client {

// Deliveries to be waited for one by one, for tests and tools: inbox.Handlers() goes to
// Channel::Consume. Any thread. Holds whatever comes; limit that with Qos.
class Inbox {
 public:
  // Copies keep what they share alive, so the inbox may be gone before the consumer is.
  ConsumerHandlers Handlers() {
    return {.on_delivery =
                [shared = shared_](const Delivery& delivery) {
                  base::MutexLock lock(&shared->mutex);
                  shared->messages.emplace_back(delivery);
                  shared->changed.NotifyAll();
                },
            .on_cancel =
                [shared = shared_](const absl::Status& why) {
                  base::MutexLock lock(&shared->mutex);
                  shared->cancelled =
                      why.ok() ? absl::CancelledError("the broker cancelled the consumer") : why;
                  shared->changed.NotifyAll();
                }};
  }

  // The next message in order; DeadlineExceeded if none comes in time; why the consumer ended once
  // all are taken.
  absl::StatusOr<ReceivedMessage> Next(base::Duration timeout = base::Seconds(10));
  size_t size() const {
    base::MutexLock lock(&shared_->mutex);
    return shared_->messages.size();
  }

 private:
  struct Shared {
    base::Mutex mutex;
    base::CondVar changed;
    std::deque<ReceivedMessage> messages;
    absl::Status cancelled;
  };
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_INBOX_H_
