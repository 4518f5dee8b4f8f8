#ifndef PONTOON_SERVER_SESSION_SESSION_OPTIONS_H_
#define PONTOON_SERVER_SESSION_SESSION_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace pontoon::session {

// What the operator may set about connections and channels, with RabbitMQ's defaults.
struct SessionOptions {
  // What connection.start says about the server.
  std::string product = "Pontoon";
  std::string version = "0.1.0";
  std::string cluster_name = "rabbit@localhost";
  std::string platform = "C++";
  std::string copyright = "Copyright (c) the Pontoon authors";
  std::string information = "Licensed under the Apache License 2.0";

  // Printed pids are <node_name.boot_seconds.N.0>.
  std::string node_name = "rabbit@localhost";
  int64_t boot_seconds = 0;  // Wall clock at the start of the node, seconds since 1970.

  std::vector<std::string> mechanisms = {"PLAIN", "AMQPLAIN"};  // Offered and taken, in this order.
  std::vector<std::string> loopback_users = {"guest"};  // May log in from this machine only.
  uint16_t heartbeat_seconds = 60;                      // Proposed; 0 = none.
  uint32_t frame_max = 131072;
  uint16_t channel_max = 2047;
  base::Duration handshake_timeout = base::Seconds(10);  // From accept to connection.open-ok.
  // A login that failed and may not be told so waits this long before its socket closes, so that
  // guessing is slow.
  base::Duration refusal_delay = base::Seconds(3);
  base::Duration close_timeout = base::Seconds(30);  // How long connection.close-ok is waited for.
  uint64_t max_message_size = 134217728;             // Octets of a body.

  // Back-pressure: of publishes on their way that are not yet stored. Above it the socket is not
  // read until half is left.
  uint64_t publish_budget_bytes = 8 << 20;
  // Of what the client has not read. Above it we read no more of its requests until half is left.
  uint64_t unsent_budget_bytes = 4 << 20;
  // Of frames that wait behind a method which is being answered, all channels together.
  uint64_t pending_budget_bytes = 1 << 20;
  // What a consumer may be sent before the socket has taken it: bytes of messages.
  uint64_t consumer_window_bytes = 1 << 20;
  // What one connection may have handled in one turn before others have theirs.
  uint64_t turn_bytes = 512 << 10;
  uint32_t turn_frames = 4096;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_SESSION_OPTIONS_H_
