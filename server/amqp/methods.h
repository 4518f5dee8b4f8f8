#ifndef PONTOON_SERVER_AMQP_METHODS_H_
#define PONTOON_SERVER_AMQP_METHODS_H_

#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/amqp/methods_basic.h"
#include "server/amqp/methods_channel.h"
#include "server/amqp/methods_connection.h"
#include "server/amqp/methods_exchange.h"
#include "server/amqp/methods_queue.h"

namespace pontoon::amqp {

// Any method of either direction.
using Method = std::variant<
    ConnectionStart, ConnectionStartOk, ConnectionSecure, ConnectionSecureOk, ConnectionTune,
    ConnectionTuneOk, ConnectionOpen, ConnectionOpenOk, ConnectionClose, ConnectionCloseOk,
    ConnectionBlocked, ConnectionUnblocked, ConnectionUpdateSecret, ConnectionUpdateSecretOk,
    ChannelOpen, ChannelOpenOk, ChannelFlow, ChannelFlowOk, ChannelClose, ChannelCloseOk,
    AccessRequest, AccessRequestOk, ConfirmSelect, ConfirmSelectOk, TxSelect, TxSelectOk, TxCommit,
    TxCommitOk, TxRollback, TxRollbackOk, ExchangeDeclare, ExchangeDeclareOk, ExchangeDelete,
    ExchangeDeleteOk, ExchangeBind, ExchangeBindOk, ExchangeUnbind, ExchangeUnbindOk, QueueDeclare,
    QueueDeclareOk, QueueBind, QueueBindOk, QueuePurge, QueuePurgeOk, QueueDelete, QueueDeleteOk,
    QueueUnbind, QueueUnbindOk, BasicQos, BasicQosOk, BasicConsume, BasicConsumeOk, BasicCancel,
    BasicCancelOk, BasicPublish, BasicReturn, BasicDeliver, BasicGet, BasicGetOk, BasicGetEmpty,
    BasicAck, BasicReject, BasicRecoverAsync, BasicRecover, BasicRecoverOk, BasicNack>;

// Whether names must be UTF-8. A server asks for it as RabbitMQ does (all short strings but those
// of the methods with content); a client takes what it is sent.
enum class Utf8 { kRequired, kIgnored };

// The first four octets of a method frame's payload. FRAME_ERROR (501) if there are fewer.
absl::StatusOr<MethodId> PeekMethodId(absl::string_view payload);

// Decodes the payload of a method frame. The content methods' texts view the payload; all else is
// copied. COMMAND_INVALID (503): no such class or method. FRAME_ERROR (501): truncated, octets left
// over or text that is not UTF-8, in RabbitMQ's words. SYNTAX_ERROR (502): a table argument that is
// none.
absl::StatusOr<Method> DecodeMethod(absl::string_view payload, Utf8 names = Utf8::kRequired);

// The same for a method known from PeekMethodId, without the variant: for the hot ones and for
// tests. `M` is any alternative of Method.
template <typename M>
absl::Status DecodeMethodAs(absl::string_view payload, M* method, Utf8 names = Utf8::kRequired);

// Octets of a method frame's payload: class, method, arguments. Texts must fit short strings
// (checked).
template <typename M>
size_t EncodedMethodSize(const M& method);
// Writes exactly that many octets; returns the end.
template <typename M>
char* EncodeMethod(const M& method, char* out);
template <typename M>
std::string EncodeMethod(const M& method) {
  std::string payload(EncodedMethodSize(method), '\0');
  EncodeMethod(method, payload.data());
  return payload;
}
std::string EncodeMethod(const Method& method);

MethodId IdOf(const Method& method);
absl::string_view NameOf(const Method& method);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHODS_H_
