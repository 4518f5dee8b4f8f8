#ifndef PONTOON_SERVER_AMQP_METHODS_EXCHANGE_H_
#define PONTOON_SERVER_AMQP_METHODS_EXCHANGE_H_

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/strings/string_view.h"
#include "server/amqp/method_id.h"
#include "server/amqp/table.h"

// AMQP 0-9-1 section 1.6 (exchange); bind and unbind of exchanges: RabbitMQ extensions.
// Field names are the specification's with underscores (ticket: its reserved-1); Fields() lists
// them in wire order.
namespace pontoon::amqp {

struct ExchangeDeclare {
  static constexpr MethodId kId{40, 10};
  static constexpr absl::string_view kName = "exchange.declare";
  uint16_t ticket = 0;
  std::string exchange;
  std::string type;
  bool passive = false;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  bool no_wait = false;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&ExchangeDeclare::ticket, &ExchangeDeclare::exchange, &ExchangeDeclare::type,
                      &ExchangeDeclare::passive, &ExchangeDeclare::durable,
                      &ExchangeDeclare::auto_delete, &ExchangeDeclare::internal,
                      &ExchangeDeclare::no_wait, &ExchangeDeclare::arguments);
  }
};

struct ExchangeDeclareOk {
  static constexpr MethodId kId{40, 11};
  static constexpr absl::string_view kName = "exchange.declare_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct ExchangeDelete {
  static constexpr MethodId kId{40, 20};
  static constexpr absl::string_view kName = "exchange.delete";
  uint16_t ticket = 0;
  std::string exchange;
  bool if_unused = false;
  bool no_wait = false;
  static constexpr auto Fields() {
    return std::tuple(&ExchangeDelete::ticket, &ExchangeDelete::exchange,
                      &ExchangeDelete::if_unused, &ExchangeDelete::no_wait);
  }
};

struct ExchangeDeleteOk {
  static constexpr MethodId kId{40, 21};
  static constexpr absl::string_view kName = "exchange.delete_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct ExchangeBind {
  static constexpr MethodId kId{40, 30};
  static constexpr absl::string_view kName = "exchange.bind";
  uint16_t ticket = 0;
  std::string destination;
  std::string source;
  std::string routing_key;
  bool no_wait = false;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&ExchangeBind::ticket, &ExchangeBind::destination, &ExchangeBind::source,
                      &ExchangeBind::routing_key, &ExchangeBind::no_wait, &ExchangeBind::arguments);
  }
};

struct ExchangeBindOk {
  static constexpr MethodId kId{40, 31};
  static constexpr absl::string_view kName = "exchange.bind_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct ExchangeUnbind {
  static constexpr MethodId kId{40, 40};
  static constexpr absl::string_view kName = "exchange.unbind";
  uint16_t ticket = 0;
  std::string destination;
  std::string source;
  std::string routing_key;
  bool no_wait = false;
  Table arguments;
  static constexpr auto Fields() {
    return std::tuple(&ExchangeUnbind::ticket, &ExchangeUnbind::destination,
                      &ExchangeUnbind::source, &ExchangeUnbind::routing_key,
                      &ExchangeUnbind::no_wait, &ExchangeUnbind::arguments);
  }
};

struct ExchangeUnbindOk {
  static constexpr MethodId kId{40, 51};
  static constexpr absl::string_view kName = "exchange.unbind_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHODS_EXCHANGE_H_
