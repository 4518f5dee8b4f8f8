#ifndef PONTOON_CLIENT_AMQP_CHANNEL_H_
#define PONTOON_CLIENT_AMQP_CHANNEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/time.h"
#include "client/amqp/message.h"
#include "server/amqp/methods.h"

namespace pontoon::client {

class ConnectionCore;
struct ChannelState;

// basic.ack's `multiple`: with tag 0, the latter means all outstanding.
enum class AckScope { kOnlyThis, kUpToAndIncluding };
enum class Requeue { kNo, kYes };

struct ConfirmOptions {
  // Publishing waits while this many messages are unconfirmed; 0: never.
  uint32_t outstanding_max = 0;
  // For each message once, when the broker has answered for it; on the I/O thread. Sequence numbers
  // count from 1.
  std::function<void(uint64_t sequence, bool acknowledged)> on_confirm;
};

// What a consumer is told, on the I/O thread.
struct ConsumerHandlers {
  std::function<void(const Delivery&)> on_delivery;
  // The broker ended the consumer (its queue is gone), or the channel or connection ended (then
  // with why).
  std::function<void(const absl::Status& why)> on_cancel;
};

// One channel. As with Connection: any thread; handlers may make only the calls marked so, since
// the others wait for an answer (they give FailedPrecondition there). After an error of the channel
// every call gives this error. The methods take AMQP's own structs; with no_wait set they do not
// wait, and the answer is a default one.
class Channel {
 public:
  // Closes without waiting for the answer. Handlers are not called afterwards.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  uint16_t number() const;
  // OK while open; then why it ended. From handlers too.
  absl::Status status() const;
  absl::Status WaitUntilClosed(base::Duration timeout);
  // OK too if we closed it before; the broker's error if it has closed it, also while our close was
  // under way.
  absl::Status Close();
  // Called once when the broker closes the channel or the connection ends.
  void OnClosed(std::function<void(const absl::Status& why)> handler);

  absl::StatusOr<amqp::QueueDeclareOk> DeclareQueue(const amqp::QueueDeclare& declare);
  // Several in flight on one channel: answered in order, on the I/O thread. From handlers too.
  void DeclareQueueLater(const amqp::QueueDeclare& declare,
                         std::function<void(absl::StatusOr<amqp::QueueDeclareOk>)> done);
  absl::StatusOr<uint32_t> DeleteQueue(
      const amqp::QueueDelete& method);                                // Messages that were in it.
  absl::StatusOr<uint32_t> PurgeQueue(const amqp::QueuePurge& purge);  // Messages that were in it.
  absl::Status BindQueue(const amqp::QueueBind& bind);
  absl::Status UnbindQueue(const amqp::QueueUnbind& unbind);
  absl::Status DeclareExchange(const amqp::ExchangeDeclare& declare);
  absl::Status DeleteExchange(const amqp::ExchangeDelete& method);
  absl::Status BindExchange(const amqp::ExchangeBind& bind);
  absl::Status UnbindExchange(const amqp::ExchangeUnbind& unbind);

  // Sends the message at once. Gives its sequence number in confirm mode, else 0. Waits while the
  // window of confirms is full or megabytes wait to be sent (in a handler: ResourceExhausted
  // instead). From handlers too.
  absl::StatusOr<uint64_t> Publish(const OutgoingMessage& message);
  // The same, but leaves small messages to be sent with the next ones: until enough have come
  // together, this channel waits for something, or Connection::Flush. Twice as fast and more.
  absl::StatusOr<uint64_t> PublishLater(const OutgoingMessage& message);

  absl::Status SelectConfirms(ConfirmOptions options = {});
  // Waits until every message has been answered for. Aborted if one of them was refused since the
  // last wait; DeadlineExceeded after `timeout`; else why the channel ended.
  absl::Status WaitForConfirms(base::Duration timeout = base::Seconds(60));
  uint64_t unconfirmed() const;
  // For messages that come back (mandatory); set it before publishing.
  void OnReturn(std::function<void(const ReturnedMessage&)> handler);

  // Gives the consumer's tag. The first delivery comes after the broker's consume_ok.
  absl::StatusOr<std::string> Consume(const amqp::BasicConsume& consume, ConsumerHandlers handlers);
  // No delivery comes after it returns.
  absl::Status Cancel(const std::string& consumer_tag);
  // nullopt: the queue was empty.
  absl::StatusOr<std::optional<ReceivedMessage>> Get(const std::string& queue, bool no_ack = false);

  // Do not wait (AMQP has no answer to them); errors close the channel later. From handlers too.
  absl::Status Ack(uint64_t delivery_tag, AckScope scope = AckScope::kOnlyThis);
  absl::Status Nack(uint64_t delivery_tag, AckScope scope, Requeue requeue);
  absl::Status Reject(uint64_t delivery_tag, Requeue requeue);

  absl::Status Qos(const amqp::BasicQos& qos);
  absl::Status Recover(Requeue requeue);
  absl::Status Flow(bool active);
  absl::Status SelectTx();
  absl::Status Commit();
  absl::Status Rollback();

  // Any method that waits for an answer, for what has no call of its own.
  absl::StatusOr<amqp::Method> Call(const amqp::Method& method);

 private:
  friend class Connection;
  Channel(std::shared_ptr<ConnectionCore> core, std::shared_ptr<ChannelState> state);
  absl::StatusOr<uint64_t> PublishFrames(const OutgoingMessage& message, bool flush);

  const std::shared_ptr<ConnectionCore> core_;
  const std::shared_ptr<ChannelState> state_;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_CHANNEL_H_
