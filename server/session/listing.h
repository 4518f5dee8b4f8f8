#ifndef PONTOON_SERVER_SESSION_LISTING_H_
#define PONTOON_SERVER_SESSION_LISTING_H_

#include <cstdint>
#include <string>

#include "server/amqp/table.h"
#include "server/session/transport.h"

// What tools are shown of connections and channels: the columns of list_connections and
// list_channels.
namespace pontoon::session {

struct ConnectionInfo {
  uint64_t number = 0;  // Of the log's <0.N.0>.
  std::string pid;      // "<rabbit@host.1795158220.1667.0>"
  std::string name;     // "127.0.0.1:43966 -> 127.0.0.1:5672"
  std::string user_provided_name;
  PeerInfo peer;
  std::string user;
  std::string vhost;
  // "starting", "tuning", "opening", "running", "flow", "blocking", "blocked", "closing" or
  // "closed".
  std::string state;
  std::string protocol;  // "AMQP 0-9-1", empty before the header came.
  std::string auth_mechanism;
  uint16_t timeout = 0;  // Heartbeat as negotiated, seconds.
  uint32_t frame_max = 0;
  uint16_t channel_max = 0;
  amqp::Table client_properties;
  int64_t connected_at_millis = 0;  // Since 1970.
  uint64_t recv_oct = 0, recv_cnt = 0, send_oct = 0, send_cnt = 0;
  uint64_t send_pend = 0;
  uint32_t channels = 0;
};

struct ChannelInfo {
  std::string pid;
  std::string connection_pid;
  std::string name;  // "127.0.0.1:43966 -> 127.0.0.1:5672 (1)"
  uint16_t number = 0;
  std::string user;
  std::string vhost;
  bool transactional = false;
  bool confirm = false;
  uint32_t consumer_count = 0;
  uint64_t messages_unacknowledged = 0;
  uint64_t messages_unconfirmed = 0;
  uint64_t messages_uncommitted = 0;
  uint64_t acks_uncommitted = 0;
  uint32_t prefetch_count = 0;
  uint32_t global_prefetch_count = 0;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_LISTING_H_
