#ifndef PONTOON_SERVER_AMQP_METHODS_CHANNEL_H_
#define PONTOON_SERVER_AMQP_METHODS_CHANNEL_H_

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/strings/string_view.h"
#include "server/amqp/method_id.h"

// AMQP 0-9-1 section 1.5 (channel), access of 0-8 which RabbitMQ still answers, confirm (RabbitMQ
// extension) and tx: what concerns a channel as a whole. Field names are the specification's with
// underscores (ticket: its reserved-1); Fields() lists them in wire order.
namespace pontoon::amqp {

struct ChannelOpen {
  static constexpr MethodId kId{20, 10};
  static constexpr absl::string_view kName = "channel.open";
  std::string out_of_band;
  static constexpr auto Fields() { return std::tuple(&ChannelOpen::out_of_band); }
};

struct ChannelOpenOk {
  static constexpr MethodId kId{20, 11};
  static constexpr absl::string_view kName = "channel.open_ok";
  LongString channel_id;
  static constexpr auto Fields() { return std::tuple(&ChannelOpenOk::channel_id); }
};

struct ChannelFlow {
  static constexpr MethodId kId{20, 20};
  static constexpr absl::string_view kName = "channel.flow";
  bool active = true;
  static constexpr auto Fields() { return std::tuple(&ChannelFlow::active); }
};

struct ChannelFlowOk {
  static constexpr MethodId kId{20, 21};
  static constexpr absl::string_view kName = "channel.flow_ok";
  bool active = true;
  static constexpr auto Fields() { return std::tuple(&ChannelFlowOk::active); }
};

struct ChannelClose {
  static constexpr MethodId kId{20, 40};
  static constexpr absl::string_view kName = "channel.close";
  uint16_t reply_code = 0;
  std::string reply_text;
  uint16_t class_id = 0;
  uint16_t method_id = 0;
  static constexpr auto Fields() {
    return std::tuple(&ChannelClose::reply_code, &ChannelClose::reply_text, &ChannelClose::class_id,
                      &ChannelClose::method_id);
  }
};

struct ChannelCloseOk {
  static constexpr MethodId kId{20, 41};
  static constexpr absl::string_view kName = "channel.close_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct AccessRequest {
  static constexpr MethodId kId{30, 10};
  static constexpr absl::string_view kName = "access.request";
  std::string realm;
  bool exclusive = false;
  bool passive = false;
  bool active = false;
  bool write = false;
  bool read = false;
  static constexpr auto Fields() {
    return std::tuple(&AccessRequest::realm, &AccessRequest::exclusive, &AccessRequest::passive,
                      &AccessRequest::active, &AccessRequest::write, &AccessRequest::read);
  }
};

struct AccessRequestOk {
  static constexpr MethodId kId{30, 11};
  static constexpr absl::string_view kName = "access.request_ok";
  uint16_t ticket = 1;
  static constexpr auto Fields() { return std::tuple(&AccessRequestOk::ticket); }
};

struct ConfirmSelect {
  static constexpr MethodId kId{85, 10};
  static constexpr absl::string_view kName = "confirm.select";
  bool no_wait = false;
  static constexpr auto Fields() { return std::tuple(&ConfirmSelect::no_wait); }
};

struct ConfirmSelectOk {
  static constexpr MethodId kId{85, 11};
  static constexpr absl::string_view kName = "confirm.select_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct TxSelect {
  static constexpr MethodId kId{90, 10};
  static constexpr absl::string_view kName = "tx.select";
  static constexpr auto Fields() { return std::tuple(); }
};

struct TxSelectOk {
  static constexpr MethodId kId{90, 11};
  static constexpr absl::string_view kName = "tx.select_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct TxCommit {
  static constexpr MethodId kId{90, 20};
  static constexpr absl::string_view kName = "tx.commit";
  static constexpr auto Fields() { return std::tuple(); }
};

struct TxCommitOk {
  static constexpr MethodId kId{90, 21};
  static constexpr absl::string_view kName = "tx.commit_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct TxRollback {
  static constexpr MethodId kId{90, 30};
  static constexpr absl::string_view kName = "tx.rollback";
  static constexpr auto Fields() { return std::tuple(); }
};

struct TxRollbackOk {
  static constexpr MethodId kId{90, 31};
  static constexpr absl::string_view kName = "tx.rollback_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHODS_CHANNEL_H_
