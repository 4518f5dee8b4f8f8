#ifndef PONTOON_SERVER_AMQP_METHODS_CONNECTION_H_
#define PONTOON_SERVER_AMQP_METHODS_CONNECTION_H_

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/strings/string_view.h"
#include "server/amqp/method_id.h"
#include "server/amqp/table.h"

// AMQP 0-9-1 section 1.4 (connection); blocked, unblocked, update_secret: RabbitMQ extensions.
// Field names are the specification's with underscores (ticket: its reserved-1); Fields() lists
// them in wire order.
namespace pontoon::amqp {

struct ConnectionStart {
  static constexpr MethodId kId{10, 10};
  static constexpr absl::string_view kName = "connection.start";
  uint8_t version_major = 0;
  uint8_t version_minor = 9;
  Table server_properties;
  LongString mechanisms = "PLAIN AMQPLAIN";
  LongString locales = "en_US";
  static constexpr auto Fields() {
    return std::tuple(&ConnectionStart::version_major, &ConnectionStart::version_minor,
                      &ConnectionStart::server_properties, &ConnectionStart::mechanisms,
                      &ConnectionStart::locales);
  }
};

struct ConnectionStartOk {
  static constexpr MethodId kId{10, 11};
  static constexpr absl::string_view kName = "connection.start_ok";
  Table client_properties;
  std::string mechanism = "PLAIN";
  LongString response;
  std::string locale = "en_US";
  static constexpr auto Fields() {
    return std::tuple(&ConnectionStartOk::client_properties, &ConnectionStartOk::mechanism,
                      &ConnectionStartOk::response, &ConnectionStartOk::locale);
  }
};

struct ConnectionSecure {
  static constexpr MethodId kId{10, 20};
  static constexpr absl::string_view kName = "connection.secure";
  LongString challenge;
  static constexpr auto Fields() { return std::tuple(&ConnectionSecure::challenge); }
};

struct ConnectionSecureOk {
  static constexpr MethodId kId{10, 21};
  static constexpr absl::string_view kName = "connection.secure_ok";
  LongString response;
  static constexpr auto Fields() { return std::tuple(&ConnectionSecureOk::response); }
};

struct ConnectionTune {
  static constexpr MethodId kId{10, 30};
  static constexpr absl::string_view kName = "connection.tune";
  uint16_t channel_max = 0;
  uint32_t frame_max = 0;
  uint16_t heartbeat = 0;
  static constexpr auto Fields() {
    return std::tuple(&ConnectionTune::channel_max, &ConnectionTune::frame_max,
                      &ConnectionTune::heartbeat);
  }
};

struct ConnectionTuneOk {
  static constexpr MethodId kId{10, 31};
  static constexpr absl::string_view kName = "connection.tune_ok";
  uint16_t channel_max = 0;
  uint32_t frame_max = 0;
  uint16_t heartbeat = 0;
  static constexpr auto Fields() {
    return std::tuple(&ConnectionTuneOk::channel_max, &ConnectionTuneOk::frame_max,
                      &ConnectionTuneOk::heartbeat);
  }
};

struct ConnectionOpen {
  static constexpr MethodId kId{10, 40};
  static constexpr absl::string_view kName = "connection.open";
  std::string virtual_host = "/";
  std::string capabilities;
  bool insist = false;
  static constexpr auto Fields() {
    return std::tuple(&ConnectionOpen::virtual_host, &ConnectionOpen::capabilities,
                      &ConnectionOpen::insist);
  }
};

struct ConnectionOpenOk {
  static constexpr MethodId kId{10, 41};
  static constexpr absl::string_view kName = "connection.open_ok";
  std::string known_hosts;
  static constexpr auto Fields() { return std::tuple(&ConnectionOpenOk::known_hosts); }
};

struct ConnectionClose {
  static constexpr MethodId kId{10, 50};
  static constexpr absl::string_view kName = "connection.close";
  uint16_t reply_code = 0;
  std::string reply_text;
  uint16_t class_id = 0;
  uint16_t method_id = 0;
  static constexpr auto Fields() {
    return std::tuple(&ConnectionClose::reply_code, &ConnectionClose::reply_text,
                      &ConnectionClose::class_id, &ConnectionClose::method_id);
  }
};

struct ConnectionCloseOk {
  static constexpr MethodId kId{10, 51};
  static constexpr absl::string_view kName = "connection.close_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

struct ConnectionBlocked {
  static constexpr MethodId kId{10, 60};
  static constexpr absl::string_view kName = "connection.blocked";
  std::string reason;
  static constexpr auto Fields() { return std::tuple(&ConnectionBlocked::reason); }
};

struct ConnectionUnblocked {
  static constexpr MethodId kId{10, 61};
  static constexpr absl::string_view kName = "connection.unblocked";
  static constexpr auto Fields() { return std::tuple(); }
};

struct ConnectionUpdateSecret {
  static constexpr MethodId kId{10, 70};
  static constexpr absl::string_view kName = "connection.update_secret";
  LongString new_secret;
  std::string reason;
  static constexpr auto Fields() {
    return std::tuple(&ConnectionUpdateSecret::new_secret, &ConnectionUpdateSecret::reason);
  }
};

struct ConnectionUpdateSecretOk {
  static constexpr MethodId kId{10, 71};
  static constexpr absl::string_view kName = "connection.update_secret_ok";
  static constexpr auto Fields() { return std::tuple(); }
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_METHODS_CONNECTION_H_
