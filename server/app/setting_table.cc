#include "server/app/setting_table.h"

#include "server/app/setting_values.h"

namespace pontoon::app {
namespace {

using View = absl::string_view;

// A list that a configuration begins to fill replaces the default; ResolveSettings has emptied it.
absl::Status AddListener(View value, std::vector<ListenAddress>* list) {
  ListenAddress address;
  const absl::Status status = ReadListener(value, &address);
  if (status.ok()) list->push_back(std::move(address));
  return status;
}

absl::Status ReadNone(View value) {
  std::string none;
  return ReadChoice(value, {"none"}, &none);
}

absl::Status ReadString(View value, std::string* out) {
  *out = std::string(value);
  return absl::OkStatus();
}

absl::Status ReadFormatter(View value, bool* json) {
  std::string name;
  const absl::Status status = ReadChoice(value, {"plaintext", "json"}, &name);
  if (status.ok()) *json = name == "json";
  return status;
}

absl::Status ReadOptionalLevel(View value, std::optional<LogThreshold>* out) {
  LogThreshold level;
  const absl::Status status = ReadLevel(value, &level);
  if (status.ok()) *out = level;
  return status;
}

absl::Status ReadOptionalBytes(View value, std::optional<uint64_t>* out) {
  uint64_t bytes = 0;
  const absl::Status status = ReadBytes(value, &bytes);
  if (status.ok()) *out = bytes;
  return status;
}

absl::Status ReadConnectionMax(View value, uint64_t* out) {
  if (value != "infinity") return ReadInteger(value, out);
  *out = UINT64_MAX;
  return absl::OkStatus();
}

absl::Status ReadVerify(View value, bool* out) {
  std::string verify;
  const absl::Status status = ReadChoice(value, {"verify_peer", "verify_none"}, &verify);
  if (status.ok()) *out = verify == "verify_peer";
  return status;
}

absl::Status SetLoopbackUser(View name, View value, Settings* s) {
  bool only = false;
  const absl::Status status = ReadBool(value, &only);
  if (status.ok() && only) s->loopback_users.insert(std::string(name));
  if (status.ok() && !only) s->loopback_users.erase(std::string(name));
  return status;
}

absl::Status SetLogFile(View, View value, Settings* s) {
  s->log.file = value == "false" ? "" : std::string(value);
  return absl::OkStatus();
}

absl::Status SetConsole(View, View value, Settings* s) {
  bool on = false;
  const absl::Status status = ReadBool(value, &on);
  if (status.ok()) s->log.console = on;
  return status;
}

absl::Status SetUserTag(View name, View value, Settings* s) {
  bool on = false;
  const absl::Status status = ReadBool(value, &on);
  if (status.ok() && on) s->default_user_tags.emplace_back(name);
  return status;
}

// clang-format off
constexpr SettingSpec kTable[] = {
    // Listeners.
    {"listeners.tcp", "", "none: no plain AMQP listener",
     [](View, View v, Settings*) { return ReadNone(v); }},
    {"listeners.tcp.$name", "5672", "plain AMQP listener: port or address:port",
     [](View, View v, Settings* s) { return AddListener(v, &s->tcp_listeners); }},
    {"listeners.ssl", "none", "none: no TLS listener",
     [](View, View v, Settings*) { return ReadNone(v); }},
    {"listeners.ssl.$name", "", "TLS listener: port or address:port",
     [](View, View v, Settings* s) { return AddListener(v, &s->ssl_listeners); }},
    {"ssl_options", "", "none: no TLS options",
     [](View, View v, Settings*) { return ReadNone(v); }},
    {"ssl_options.certfile", "", "PEM file: the server's certificate and its chain",
     [](View, View v, Settings* s) { return ReadString(v, &s->tls.certfile); }},
    {"ssl_options.keyfile", "", "PEM file: the certificate's private key",
     [](View, View v, Settings* s) { return ReadString(v, &s->tls.keyfile); }},
    {"ssl_options.cacertfile", "", "PEM file: authorities of clients' certificates",
     [](View, View v, Settings* s) { return ReadString(v, &s->tls.cacertfile); }},
    {"ssl_options.password", "", "of the private key",
     [](View, View v, Settings* s) { return ReadString(v, &s->tls.password); }},
    {"ssl_options.verify", "verify_none", "verify_peer: ask clients for a certificate",
     [](View, View v, Settings* s) { return ReadVerify(v, &s->tls.verify_peer); }},
    {"ssl_options.fail_if_no_peer_cert", "false", "refuse clients that show no certificate",
     [](View, View v, Settings* s) { return ReadBool(v, &s->tls.fail_if_no_peer_cert); }},
    {"ssl_options.depth", "10", "longest chain of clients' certificates",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->tls.depth, 0, 255); }},
    {"ssl_options.honor_cipher_order", "true", "the server's order of ciphers decides",
     [](View, View v, Settings* s) { return ReadBool(v, &s->tls.honor_cipher_order); }},
    {"ssl_options.versions.$version", "", "tlsv1.3, tlsv1.2",
     [](View, View v, Settings* s) { s->tls.versions.emplace_back(v); return absl::OkStatus(); }},
    {"ssl_options.ciphers.$cipher", "", "a cipher that may be used",
     [](View, View v, Settings* s) { s->tls.ciphers.emplace_back(v); return absl::OkStatus(); }},
    {"ssl_handshake_timeout", "5000", "milliseconds",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->tls_handshake_timeout_millis, 1, INT32_MAX); }},
    {"tcp_listen_options.backlog", "128", "connections that may wait to be accepted",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->listen_backlog, 1, 65535); }},
    {"tcp_listen_options.nodelay", "true", "TCP_NODELAY",
     [](View, View v, Settings* s) { return ReadBool(v, &s->nodelay); }},
    {"tcp_listen_options.keepalive", "false", "SO_KEEPALIVE",
     [](View, View v, Settings* s) { return ReadBool(v, &s->keepalive); }},
    {"tcp_listen_options.sndbuf", "", "bytes of the kernel's send buffer",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->send_buffer_bytes, 1, INT32_MAX); }},
    {"tcp_listen_options.recbuf", "", "bytes of the kernel's receive buffer",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->receive_buffer_bytes, 1, INT32_MAX); }},

    // The protocol.
    {"handshake_timeout", "10000", "milliseconds from accept to connection.open",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->handshake_timeout_millis, 1, INT32_MAX); }},
    {"heartbeat", "60", "seconds; 0: none",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->heartbeat_seconds); }},
    {"frame_max", "131072", "bytes; 0: no limit",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->frame_max); }},
    {"initial_frame_max", "4096", "bytes, before tune",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->initial_frame_max, 4096); }},
    {"channel_max", "2047", "channels of a connection; 0: no limit",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->channel_max); }},
    {"connection_max", "infinity", "connections of the node",
     [](View, View v, Settings* s) { return ReadConnectionMax(v, &s->connection_max); }},
    {"max_message_size", "134217728", "bytes of a message's body",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->max_message_size, 0, 536870912); }},
    {"auth_mechanisms.$name", "", "PLAIN, AMQPLAIN",
     [](View, View v, Settings* s) {
       std::string mechanism;
       const absl::Status status = ReadChoice(v, {"PLAIN", "AMQPLAIN"}, &mechanism);
       if (status.ok()) s->auth_mechanisms.push_back(std::move(mechanism));
       return status;
     }},
    {"auth_backends.$num", "internal", "internal",
     [](View, View v, Settings*) { std::string backend; return ReadChoice(v, {"internal", "rabbit_auth_backend_internal"}, &backend); }},
    {"loopback_users", "", "none: all users may connect from anywhere",
     [](View, View v, Settings* s) {
       const absl::Status status = ReadNone(v);
       if (status.ok()) s->loopback_users.clear();
       return status;
     }},
    {"loopback_users.$user", "", "true: this user may connect only from this machine", SetLoopbackUser},

    // The first user.
    {"default_user", "guest", "created in an empty database",
     [](View, View v, Settings* s) { return ReadString(v, &s->default_user); }},
    {"default_pass", "guest", "its password",
     [](View, View v, Settings* s) { return ReadString(v, &s->default_pass); }},
    {"default_vhost", "/", "created in an empty database",
     [](View, View v, Settings* s) { return ReadString(v, &s->default_vhost); }},
    {"default_user_tags.$tag", "", "true: the default user has this tag", SetUserTag},
    {"default_permissions.configure", ".*", "of the default user",
     [](View, View v, Settings* s) { return ReadString(v, &s->default_configure); }},
    {"default_permissions.write", ".*", "of the default user",
     [](View, View v, Settings* s) { return ReadString(v, &s->default_write); }},
    {"default_permissions.read", ".*", "of the default user",
     [](View, View v, Settings* s) { return ReadString(v, &s->default_read); }},

    // Limits of memory and disk.
    {"vm_memory_high_watermark.relative", "0.4", "fraction of all memory above which publishers are blocked",
     [](View, View v, Settings* s) { return ReadFraction(v, &s->memory_watermark); }},
    {"vm_memory_high_watermark.absolute", "", "the same in bytes; goes before the fraction",
     [](View, View v, Settings* s) { return ReadOptionalBytes(v, &s->memory_watermark_absolute); }},
    {"total_memory_available_override_value", "", "bytes to reckon with as all memory",
     [](View, View v, Settings* s) { return ReadOptionalBytes(v, &s->total_memory_override); }},
    {"disk_free_limit.absolute", "50MB", "bytes of free disk below which publishers are blocked",
     [](View, View v, Settings* s) { return ReadBytes(v, &s->disk_free_limit); }},
    {"disk_free_limit.relative", "", "the same as a multiple of all memory; goes before the bytes",
     [](View, View v, Settings* s) {
       double fraction = 0;
       const absl::Status status = ReadFraction(v, &fraction);
       if (status.ok()) s->disk_free_limit_relative = fraction;
       return status;
     }},

    // Logs.
    {"log.dir", "", "folder of log files",
     [](View, View v, Settings* s) { return ReadString(v, &s->log.dir); }},
    {"log.file", "false", "name of a log file; false: none", SetLogFile},
    {"log.file.level", "info", "lines from this level on",
     [](View, View v, Settings* s) { return ReadLevel(v, &s->log.file_level); }},
    {"log.file.formatter", "plaintext", "plaintext or json",
     [](View, View v, Settings* s) { return ReadFormatter(v, &s->log.file_json); }},
    {"log.console", "", "true: log to standard output (the default without a file)", SetConsole},
    {"log.console.level", "info", "lines from this level on",
     [](View, View v, Settings* s) { return ReadLevel(v, &s->log.console_level); }},
    {"log.console.formatter", "plaintext", "plaintext or json",
     [](View, View v, Settings* s) { return ReadFormatter(v, &s->log.console_json); }},
    {"log.default.level", "info", "of all lines",
     [](View, View v, Settings* s) { return ReadLevel(v, &s->log.default_level); }},
    {"log.connection.level", "info", "of lines about connections",
     [](View, View v, Settings* s) { return ReadOptionalLevel(v, &s->log.connection_level); }},
    {"log.channel.level", "info", "of lines about channels",
     [](View, View v, Settings* s) { return ReadOptionalLevel(v, &s->log.channel_level); }},
    {"log.queue.level", "info", "of lines about queues",
     [](View, View v, Settings* s) { return ReadOptionalLevel(v, &s->log.queue_level); }},

    // The node.
    {"cluster_name", "", "shown to clients; the node's name if not set",
     [](View, View v, Settings* s) { return ReadString(v, &s->cluster_name); }},
    {"product.name", "Pontoon", "what clients are told",
     [](View, View v, Settings* s) { return ReadString(v, &s->product_name); }},
    {"product.version", "", "what clients are told; Pontoon's own version if not set",
     [](View, View v, Settings* s) { return ReadString(v, &s->product_version); }},
    {"pontoon.data_dir", "pontoon-data", "folder of all that is stored",
     [](View, View v, Settings* s) { return ReadString(v, &s->data_dir); }},
    {"pontoon.node_name", "", "rabbit@host",
     [](View, View v, Settings* s) { return ReadString(v, &s->node_name); }},
    {"pontoon.cookie_file", "", "secret of the node's administrators; .erlang.cookie in data_dir if not set",
     [](View, View v, Settings* s) { return ReadString(v, &s->cookie_file); }},
    {"pontoon.loops", "0", "event loops; 0: one per core",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->loops, 0, 1024); }},
    {"pontoon.shards", "32", "shard groups of a cluster that is formed now",
     [](View, View v, Settings* s) { return ReadInteger(v, &s->shards, 1, 4096); }},
    {"pontoon.product", "Pontoon", "as product.name",
     [](View, View v, Settings* s) { return ReadString(v, &s->product_name); }},
    {"pontoon.version", "", "as product.version",
     [](View, View v, Settings* s) { return ReadString(v, &s->product_version); }},

    // Known from RabbitMQ; Pontoon does nothing with them (yet).
    {"num_acceptors.tcp", "10", ""}, {"num_acceptors.ssl", "10", ""}, {"proxy_protocol", "false", ""},
    {"reverse_dns_lookups", "false", ""}, {"tcp_listen_options", "", ""}, {"tcp_listen_options.$*", "", ""},
    {"ssl_options.$*", "", ""}, {"ssl_allow_poodle_attack", "false", ""}, {"ssl_cert_login_from", "", ""},
    {"ssl_cert_login_san_type", "", ""}, {"ssl_cert_login_san_index", "", ""}, {"auth_backends.$num.$part", "", ""},
    {"password_hashing_module", "rabbit_password_hashing_sha256", ""}, {"credential_validator.$*", "", ""},
    {"default_queue_type", "classic", ""}, {"default_users.$*", "", ""}, {"default_policies.$*", "", ""},
    {"default_limits.$*", "", ""}, {"load_definitions", "", ""}, {"definitions.$*", "", ""},
    {"vm_memory_high_watermark_paging_ratio", "0.5", ""}, {"vm_memory_calculation_strategy", "rss", ""},
    {"memory_monitor_interval", "2500", ""}, {"consumer_timeout", "1800000", ""},
    {"collect_statistics", "none", ""}, {"collect_statistics_interval", "5000", ""},
    {"queue_leader_locator", "", ""}, {"queue_master_locator", "", ""}, {"classic_queue.default_version", "1", ""},
    {"queue_index_embed_msgs_below", "", ""}, {"quorum_queue.$*", "", ""}, {"raft.$*", "", ""},
    {"cluster_formation.$*", "", ""}, {"cluster_partition_handling", "ignore", ""},
    {"cluster_partition_handling.$*", "", ""}, {"cluster_keepalive_interval", "10000", ""},
    {"net_ticktime", "60", ""}, {"mirroring_sync_batch_size", "", ""}, {"mirroring_sync_max_throughput", "", ""},
    {"mnesia_table_loading_retry_timeout", "30000", ""}, {"mnesia_table_loading_retry_limit", "10", ""},
    {"message_store_shutdown_timeout", "600000", ""}, {"background_gc_enabled", "false", ""},
    {"background_gc_target_interval", "60000", ""}, {"default_worker_pool_size", "", ""}, {"delegate_count", "", ""},
    {"vhost_restart_strategy", "continue", ""}, {"socket_writer.gc_threshold", "", ""}, {"hipe_compile", "false", ""},
    {"motd_file", "", ""}, {"erlang.$*", "", ""}, {"distribution.$*", "", ""}, {"sysmon_handler.$*", "", ""},
    {"event_exchange.$*", "", ""}, {"log.file.rotation.$*", "", ""}, {"log.file.formatter.$*", "", ""},
    {"log.console.$*", "", ""}, {"log.default.$*", "", ""}, {"log.exchange", "false", ""}, {"log.exchange.$*", "", ""},
    {"log.journald", "false", ""}, {"log.journald.$*", "", ""}, {"log.syslog", "false", ""}, {"log.syslog.$*", "", ""},
    {"log.connection.$*", "", ""}, {"log.channel.$*", "", ""}, {"log.queue.$*", "", ""}, {"log.ra.$*", "", ""},
    {"log.federation.$*", "", ""}, {"log.mirroring.$*", "", ""}, {"log.upgrade.$*", "", ""},
    {"management.$*", "", ""}, {"management_agent.$*", "", ""}, {"prometheus.$*", "", ""},
    {"amqp1_0.$*", "", ""}, {"auth_cache.$*", "", ""}, {"auth_http.$*", "", ""}, {"auth_ldap.$*", "", ""},
    {"auth_oauth2.$*", "", ""}, {"aws.$*", "", ""}, {"mqtt.$*", "", ""}, {"stomp.$*", "", ""}, {"stream.$*", "", ""},
    {"trust_store.$*", "", ""}, {"web_mqtt.$*", "", ""}, {"web_stomp.$*", "", ""}, {"shovel.$*", "", ""},
};
// clang-format on

}  // namespace

absl::Span<const SettingSpec> SettingTable() { return kTable; }

}  // namespace pontoon::app
