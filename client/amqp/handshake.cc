#include "client/amqp/handshake.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/reply_code.h"

namespace pontoon::client {
namespace {

using amqp::Table;
using amqp::Value;

Table ClientProperties(const ConnectionOptions& options) {
  Table properties{{"product", Value::String("Pontoon client")},
                   {"version", Value::String("0.1.0")},
                   {"platform", Value::String("C++")},
                   {"information", Value::String("Licensed under the Apache License 2.0")}};
  if (options.send_capabilities) {
    properties.Set("capabilities",
                   Value::Of(Table{{"publisher_confirms", Value::Bool(true)},
                                   {"exchange_exchange_bindings", Value::Bool(true)},
                                   {"basic.nack", Value::Bool(true)},
                                   {"consumer_cancel_notify", Value::Bool(true)},
                                   {"connection.blocked", Value::Bool(true)},
                                   {"authentication_failure_close", Value::Bool(true)}}));
  }
  if (!options.connection_name.empty()) {
    properties.Set("connection_name", Value::String(options.connection_name));
  }
  for (const amqp::TableEntry& entry : options.client_properties.entries()) {
    properties.Set(entry.name, entry.value);
  }
  return properties;
}

std::string LoginResponse(const ConnectionOptions& options) {
  if (options.mechanism == "AMQPLAIN") {
    return Table{{"LOGIN", Value::String(options.user)},
                 {"PASSWORD", Value::String(options.password)}}
        .EncodeContents();
  }
  if (options.mechanism == "EXTERNAL") return "";
  return absl::StrCat(absl::string_view("\0", 1), options.user, absl::string_view("\0", 1),
                      options.password);
}

template <typename M>
absl::Status Send(Transport* transport, const M& method, Deadline deadline) {
  amqp::FrameWriter writer;
  writer.AddMethod(0, method);
  const base::Slice frame = writer.Take().Flatten();
  return transport->WriteAll(frame.view(), deadline);
}

// The next method of channel 0.
absl::StatusOr<amqp::Method> Receive(Transport* transport, amqp::FrameReader* reader,
                                     Deadline deadline) {
  while (true) {
    const absl::StatusOr<amqp::Frame> frame = ReadFrameBlocking(transport, reader, deadline);
    if (!frame.ok()) return frame.status();
    if (frame->type == amqp::FrameType::kHeartbeat) continue;
    const base::Slice payload = frame->payload.Flatten();
    absl::StatusOr<amqp::Method> method = amqp::DecodeMethod(payload.view(), amqp::Utf8::kIgnored);
    if (!method.ok()) return method;
    if (const auto* close = std::get_if<amqp::ConnectionClose>(&*method)) {
      Send(transport, amqp::ConnectionCloseOk{}, deadline).IgnoreError();
      return StatusOfClose(close->reply_code, close->reply_text);
    }
    return method;
  }
}

template <typename M>
absl::StatusOr<M> Expect(Transport* transport, amqp::FrameReader* reader, Deadline deadline) {
  absl::StatusOr<amqp::Method> method = Receive(transport, reader, deadline);
  if (!method.ok()) return method.status();
  if (M* wanted = std::get_if<M>(&*method)) return std::move(*wanted);
  return absl::InternalError(absl::StrCat("expected ", M::kName, ", got ", amqp::NameOf(*method)));
}

absl::Status Read(Transport* transport, amqp::FrameReader* reader, Deadline deadline) {
  char buffer[8192];
  while (true) {
    const absl::StatusOr<size_t> n = transport->Read(buffer, sizeof(buffer));
    if (!n.ok()) return n.status();
    if (*n > 0) {
      reader->Feed(base::Slice::Copy(absl::string_view(buffer, *n)));
      return absl::OkStatus();
    }
    if (!transport->AwaitReadable(deadline))
      return absl::DeadlineExceededError("the broker does not answer");
  }
}

}  // namespace

absl::Status StatusOfClose(uint16_t reply_code, absl::string_view reply_text) {
  if (const auto code = amqp::ReplyCodeFromNumber(reply_code))
    return amqp::MakeError(*code, reply_text);
  return absl::UnknownError(absl::StrCat(reply_code, " ", reply_text));
}

absl::StatusOr<amqp::Frame> ReadFrameBlocking(Transport* transport, amqp::FrameReader* reader,
                                              Deadline deadline) {
  amqp::Frame frame;
  while (true) {
    switch (reader->Next(&frame)) {
      case amqp::FrameReader::Result::kFrame:
        return frame;
      case amqp::FrameReader::Result::kError:
        return reader->error();
      case amqp::FrameReader::Result::kIncomplete:
        break;
    }
    if (absl::Status status = Read(transport, reader, deadline); !status.ok()) return status;
  }
}

absl::StatusOr<Negotiated> ShakeHands(const ConnectionOptions& options, Transport* transport,
                                      amqp::FrameReader* reader, Deadline deadline) {
  if (absl::Status status = transport->WriteAll(amqp::kProtocolHeader, deadline); !status.ok())
    return status;
  while (reader->buffered_bytes() == 0) {
    if (absl::Status status = Read(transport, reader, deadline); !status.ok()) return status;
  }
  if (reader->AtProtocolHeader()) {
    return absl::UnavailableError("the broker answered with another protocol header");
  }
  const auto start = Expect<amqp::ConnectionStart>(transport, reader, deadline);
  if (!start.ok()) return start.status();
  Negotiated negotiated;
  negotiated.server_properties = start->server_properties;

  amqp::ConnectionStartOk start_ok;
  start_ok.client_properties = ClientProperties(options);
  start_ok.mechanism = options.mechanism;
  start_ok.response = LoginResponse(options);
  if (absl::Status status = Send(transport, start_ok, deadline); !status.ok()) return status;

  const auto tune = Expect<amqp::ConnectionTune>(transport, reader, deadline);
  if (!tune.ok()) return tune.status();
  negotiated.channel_max = options.channel_max.value_or(tune->channel_max);
  negotiated.frame_max = options.frame_max.value_or(tune->frame_max);
  negotiated.heartbeat_seconds = options.heartbeat_seconds.value_or(tune->heartbeat);
  reader->set_frame_max(negotiated.frame_max);
  const amqp::ConnectionTuneOk tune_ok{negotiated.channel_max, negotiated.frame_max,
                                       negotiated.heartbeat_seconds};
  if (absl::Status status = Send(transport, tune_ok, deadline); !status.ok()) return status;
  if (absl::Status status =
          Send(transport, amqp::ConnectionOpen{.virtual_host = options.vhost}, deadline);
      !status.ok()) {
    return status;
  }
  const auto open_ok = Expect<amqp::ConnectionOpenOk>(transport, reader, deadline);
  if (!open_ok.ok()) return open_ok.status();
  return negotiated;
}

}  // namespace pontoon::client
