#ifndef PONTOON_SERVER_APP_SETTINGS_H_
#define PONTOON_SERVER_APP_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/logger.h"
#include "server/net/tls_context.h"

namespace pontoon::app {

// Where to listen. An empty host is all addresses.
struct ListenAddress {
  std::string host;
  uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// Lines from this level on; nullopt: none at all.
using LogThreshold = std::optional<base::LogLevel>;

struct LogSettings {
  std::optional<bool> console;  // Unset: yes, unless there is a file.
  LogThreshold console_level = base::LogLevel::kInfo;
  bool console_json = false;
  std::string file;  // A name in `dir`, or an absolute path; empty: none.
  LogThreshold file_level = base::LogLevel::kInfo;
  bool file_json = false;
  std::string dir;  // Empty: "log" in the data directory.
  LogThreshold default_level = base::LogLevel::kInfo;
  // Categories follow default_level unless set.
  std::optional<LogThreshold> connection_level, channel_level, queue_level;
};

// All that a node can be told before it starts, with RabbitMQ 3.10's defaults. Which key of
// rabbitmq.conf sets which member is said by setting_table.cc alone.
struct Settings {
  std::string node_name;  // "rabbit@host"; filled in by ResolveSettings if nobody set it.
  std::string data_dir = "pontoon-data";
  std::string cookie;       // RABBITMQ_ERLANG_COOKIE; empty: the file's.
  std::string cookie_file;  // Empty: ".erlang.cookie" in data_dir.
  uint32_t loops = 0;       // Event loops; 0: one per core.
  uint32_t shards = 32;     // Shard groups of a cluster that is formed now.
  std::string product_name = "Pontoon";
  std::string product_version;  // Empty: Pontoon's own.
  std::string cluster_name;     // Empty: the node's name.

  std::vector<ListenAddress> tcp_listeners = {{"", 5672}};
  std::vector<ListenAddress> ssl_listeners;
  net::TlsOptions tls;
  int listen_backlog = 128;
  bool nodelay = true;
  bool keepalive = false;
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;
  uint32_t tls_handshake_timeout_millis = 5000;

  uint32_t handshake_timeout_millis = 10000;  // From accept to connection.open.
  uint16_t heartbeat_seconds = 60;
  uint32_t frame_max = 131072;           // 0: no limit.
  uint32_t initial_frame_max = 4096;     // Before tune.
  uint16_t channel_max = 2047;           // 0: no limit.
  uint64_t connection_max = UINT64_MAX;  // "infinity".
  uint64_t max_message_size = 134217728;
  std::vector<std::string> auth_mechanisms = {"PLAIN", "AMQPLAIN"};
  std::set<std::string> loopback_users = {"guest"};

  std::string default_user = "guest";
  std::string default_pass = "guest";
  std::string default_vhost = "/";
  std::vector<std::string> default_user_tags = {"administrator"};
  std::string default_configure = ".*", default_write = ".*", default_read = ".*";

  double memory_watermark = 0.4;                      // Fraction of all memory,
  std::optional<uint64_t> memory_watermark_absolute;  // or bytes.
  std::optional<uint64_t> total_memory_override;
  uint64_t disk_free_limit = 50'000'000;
  std::optional<double> disk_free_limit_relative;  // Multiple of all memory.

  LogSettings log;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_SETTINGS_H_
