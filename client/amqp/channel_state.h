#ifndef PONTOON_CLIENT_AMQP_CHANNEL_STATE_H_
#define PONTOON_CLIENT_AMQP_CHANNEL_STATE_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "client/amqp/channel.h"
#include "client/amqp/confirm_window.h"
#include "server/amqp/content_assembler.h"

namespace pontoon::client {

// What becomes of a method that waits for an answer. Runs on the I/O thread without the lock;
// `content` is null unless the answer has one.
using ReplyHandler =
    std::function<void(absl::StatusOr<amqp::Method> reply, const amqp::Content* content)>;

// One channel as its user and the I/O thread share it. Everything is guarded by
// ConnectionCore::mutex(), but for the last group, which only the I/O thread touches.
struct ChannelState {
  explicit ChannelState(uint16_t channel_number) : number(channel_number) {}

  const uint16_t number;
  base::CondVar changed;    // Notified at whatever a caller may wait for.
  absl::Status closed;      // OK while open.
  bool closing = false;     // We have sent channel.close: what still comes is dropped.
  absl::Status crossed;     // Why the broker closed it too, while our channel.close was under way.
  bool abandoned = false;   // Its Channel is gone: no handlers.
  bool in_handler = false;  // The I/O thread is inside a handler of this channel.
  std::deque<ReplyHandler> waiting;  // In the order of the methods sent.

  std::map<std::string, std::shared_ptr<const ConsumerHandlers>, std::less<>> consumers;
  std::function<void(const ReturnedMessage&)> on_return;
  std::function<void(const absl::Status&)> on_closed;

  bool confirming = false;
  ConfirmOptions confirms;
  ConfirmWindow window;
  bool telling = false;  // on_confirm is being called for what has left the window.
  bool refused = false;  // A nack came since the last WaitForConfirms.

  // I/O thread only.
  amqp::ContentAssembler assembler;
  base::Slice content_method;  // The payload of the method whose content is being assembled.
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_CHANNEL_STATE_H_
