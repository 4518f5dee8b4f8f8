#ifndef PONTOON_SERVER_AMQP_METHODS_BASIC_H_
#define PONTOON_SERVER_AMQP_METHODS_BASIC_H_

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/strings/string_view.h"
#include "server/amqp/method_id.h"
#include "server/amqp/table.h"

// AMQP 0-9-1 section 1.8 (basic); nack: RabbitMQ extension. The methods that carry content
// (publish, return, deliver, get_ok) are hot: their texts are views, into the decoded frame or of
// whoever encodes, and may be any octets. Field names are the specification's with underscores
// (ticket: its reserved-1); Fields() lists them in wire order.
namespace pontoon::amqp {

struct BasicQos {
  static constexpr MethodId kId{60, 10};
  static constexpr absl::string_view kName = "basic.qos";
  uint32_t prefetch_size = 0;
  uint16_t prefetch_count = 0;
  bool global = false;
  static constexpr auto Fields() {
    return std::tuple(&BasicQos::prefetch_size, &BasicQos::prefetch_count, &BasicQos::global);
  }
};

struct BasicQosOk {
  static constexpr MethodId kId{60, 11};
  static constexpr absl::string_view kName = "basic.qos_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct BasicConsume {
  static constexpr MethodId kId{60, 20};
  static constexpr absl::string_view kName = "basic.consume";
  uint16_t ticket = 0;
  std::string queue;
  std::string consumer_tag;
  bool no_local = false;
  bool no_ack = false;
  bool exclusive = false;
  bool no_wait = false;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&BasicConsume::ticket, &BasicConsume::queue, &BasicConsume::consumer_tag,
                      &BasicConsume::no_local, &BasicConsume::no_ack, &BasicConsume::exclusive,
                      &BasicConsume::no_wait, &BasicConsume::arguments);
  }
};

struct BasicConsumeOk {
  static constexpr MethodId kId{60, 21};
  static constexpr absl::string_view kName = "basic.consume_ok";
  std::string consumer_tag;
  static constexpr auto Fields() { return std::tuple(&BasicConsumeOk::consumer_tag); }
};

struct BasicCancel {
  static constexpr MethodId kId{60, 30};
  static constexpr absl::string_view kName = "basic.cancel";
  std::string consumer_tag;
  bool no_wait = false;
  static constexpr auto Fields() {
    return std::tuple(&BasicCancel::consumer_tag, &BasicCancel::no_wait);
  }
};

struct BasicCancelOk {
  static constexpr MethodId kId{60, 31};
  static constexpr absl::string_view kName = "basic.cancel_ok";
  std::string consumer_tag;
  static constexpr auto Fields() { return std::tuple(&BasicCancelOk::consumer_tag); }
};

struct BasicPublish {
  static constexpr MethodId kId{60, 40};
  static constexpr absl::string_view kName = "basic.publish";
  uint16_t ticket = 0;
  absl::string_view exchange;
  absl::string_view routing_key;
  bool mandatory = false;
  bool immediate = false;
  static constexpr auto Fields() {
    return std::tuple(&BasicPublish::ticket, &BasicPublish::exchange, &BasicPublish::routing_key,
                      &BasicPublish::mandatory, &BasicPublish::immediate);
  }
};

struct BasicReturn {
  static constexpr MethodId kId{60, 50};
  static constexpr absl::string_view kName = "basic.return";
  uint16_t reply_code = 0;
  absl::string_view reply_text;
  absl::string_view exchange;
  absl::string_view routing_key;
  static constexpr auto Fields() {
    return std::tuple(&BasicReturn::reply_code, &BasicReturn::reply_text, &BasicReturn::exchange,
                      &BasicReturn::routing_key);
  }
};

struct BasicDeliver {
  static constexpr MethodId kId{60, 60};
  static constexpr absl::string_view kName = "basic.deliver";
  absl::string_view consumer_tag;
  uint64_t delivery_tag = 0;
  bool redelivered = false;
  absl::string_view exchange;
  absl::string_view routing_key;
  static constexpr auto Fields() {
    return std::tuple(&BasicDeliver::consumer_tag, &BasicDeliver::delivery_tag,
                      &BasicDeliver::redelivered, &BasicDeliver::exchange,
                      &BasicDeliver::routing_key);
  }
};

struct BasicGet {
  static constexpr MethodId kId{60, 70};
  static constexpr absl::string_view kName = "basic.get";
  uint16_t ticket = 0;
  std::string queue;
  bool no_ack = false;
  static constexpr auto Fields() {
    return std::tuple(&BasicGet::ticket, &BasicGet::queue, &BasicGet::no_ack);
  }
};

struct BasicGetOk {
  static constexpr MethodId kId{60, 71};
  static constexpr absl::string_view kName = "basic.get_ok";
  uint64_t delivery_tag = 0;
  bool redelivered = false;
  absl::string_view exchange;
  absl::string_view routing_key;
  uint32_t message_count = 0;
  static constexpr auto Fields() {
    return std::tuple(&BasicGetOk::delivery_tag, &BasicGetOk::redelivered, &BasicGetOk::exchange,
                      &BasicGetOk::routing_key, &BasicGetOk::message_count);
  }
};

struct BasicGetEmpty {
  static constexpr MethodId kId{60, 72};
  static constexpr absl::string_view kName = "basic.get_empty";
  std::string cluster_id;
  static constexpr auto Fields() { return std::tuple(&BasicGetEmpty::cluster_id); }
};

struct BasicAck {
  static constexpr MethodId kId{60, 80};
  static constexpr absl::string_view kName = "basic.ack";
  uint64_t delivery_tag = 0;
  bool multiple = false;
  static constexpr auto Fields() {
    return std::tuple(&BasicAck::delivery_tag, &BasicAck::multiple);
  }
};

struct BasicReject {
  static constexpr MethodId kId{60, 90};
  static constexpr absl::string_view kName = "basic.reject";
  uint64_t delivery_tag = 0;
  bool requeue = true;
  static constexpr auto Fields() {
    return std::tuple(&BasicReject::delivery_tag, &BasicReject::requeue);
  }
};

struct BasicRecoverAsync {
  static constexpr MethodId kId{60, 100};
  static constexpr absl::string_view kName = "basic.recover_async";
  bool requeue = false;
  static constexpr auto Fields() { return std::tuple(&BasicRecoverAsync::requeue); }
};

struct BasicRecover {
  static constexpr MethodId kId{60, 110};
  static constexpr absl::string_view kName = "basic.recover";
  bool requeue = false;
  static constexpr auto Fields() { return std::tuple(&BasicRecover::requeue); }
};

struct BasicRecoverOk {
  static constexpr MethodId kId{60, 111};
  static constexpr absl::string_view kName = "basic.recover_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct BasicNack {
  static constexpr MethodId kId{60, 120};
  static constexpr absl::string_view kName = "basic.nack";
  uint64_t delivery_tag = 0;
  bool multiple = false;
  bool requeue = true;
  static constexpr auto Fields() {
    return std::tuple(&BasicNack::delivery_tag, &BasicNack::multiple, &BasicNack::requeue);
  }
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHODS_BASIC_H_
