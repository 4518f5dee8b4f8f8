#ifndef PONTOON_SERVER_AMQP_METHODS_QUEUE_H_
#define PONTOON_SERVER_AMQP_METHODS_QUEUE_H_

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/strings/string_view.h"
#include "server/amqp/method_id.h"
#include "server/amqp/table.h"

// AMQP 0-9-1 section 1.7 (queue).
// Field names are the specification's with underscores (ticket: its reserved-1); Fields() lists
// them in wire order.
namespace pontoon::amqp {

struct QueueDeclare {
  static constexpr MethodId kId{50, 10};
  static constexpr absl::string_view kName = "queue.declare";
  uint16_t ticket = 0;
  std::string queue;
  bool passive = false;
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  bool no_wait = false;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&QueueDeclare::ticket, &QueueDeclare::queue, &QueueDeclare::passive,
                      &QueueDeclare::durable, &QueueDeclare::exclusive, &QueueDeclare::auto_delete,
                      &QueueDeclare::no_wait, &QueueDeclare::arguments);
  }
};

struct QueueDeclareOk {
  static constexpr MethodId kId{50, 11};
  static constexpr absl::string_view kName = "queue.declare_ok";
  std::string queue;
  uint32_t message_count = 0;
  uint32_t consumer_count = 0;
  static constexpr auto Fields() {
    return std::tuple(&QueueDeclareOk::queue, &QueueDeclareOk::message_count,
                      &QueueDeclareOk::consumer_count);
  }
};

struct QueueBind {
  static constexpr MethodId kId{50, 20};
  static constexpr absl::string_view kName = "queue.bind";
  uint16_t ticket = 0;
  std::string queue;
  std::string exchange;
  std::string routing_key;
  bool no_wait = false;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&QueueBind::ticket, &QueueBind::queue, &QueueBind::exchange,
                      &QueueBind::routing_key, &QueueBind::no_wait, &QueueBind::arguments);
  }
};

struct QueueBindOk {
  static constexpr MethodId kId{50, 21};
  static constexpr absl::string_view kName = "queue.bind_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct QueuePurge {
  static constexpr MethodId kId{50, 30};
  static constexpr absl::string_view kName = "queue.purge";
  uint16_t ticket = 0;
  std::string queue;
  bool no_wait = false;
  static constexpr auto Fields() {
    return std::tuple(&QueuePurge::ticket, &QueuePurge::queue, &QueuePurge::no_wait);
  }
};

struct QueuePurgeOk {
  static constexpr MethodId kId{50, 31};
  static constexpr absl::string_view kName = "queue.purge_ok";
  uint32_t message_count = 0;
  static constexpr auto Fields() { return std::tuple(&QueuePurgeOk::message_count); }
};

struct QueueDelete {
  static constexpr MethodId kId{50, 40};
  static constexpr absl::string_view kName = "queue.delete";
  uint16_t ticket = 0;
  std::string queue;
  bool if_unused = false;
  bool if_empty = false;
  bool no_wait = false;
  static constexpr auto Fields() {
    return std::tuple(&QueueDelete::ticket, &QueueDelete::queue, &QueueDelete::if_unused,
                      &QueueDelete::if_empty, &QueueDelete::no_wait);
  }
};

struct QueueDeleteOk {
  static constexpr MethodId kId{50, 41};
  static constexpr absl::string_view kName = "queue.delete_ok";
  uint32_t message_count = 0;
  static constexpr auto Fields() { return std::tuple(&QueueDeleteOk::message_count); }
};

struct QueueUnbind {
  static constexpr MethodId kId{50, 50};
  static constexpr absl::string_view kName = "queue.unbind";
  uint16_t ticket = 0;
  std::string queue;
  std::string exchange;
  std::string routing_key;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&QueueUnbind::ticket, &QueueUnbind::queue, &QueueUnbind::exchange,
                      &QueueUnbind::routing_key, &QueueUnbind::arguments);
  }
};

struct QueueUnbindOk {
  static constexpr MethodId kId{50, 51};
  static constexpr absl::string_view kName = "queue.unbind_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHODS_QUEUE_H_
