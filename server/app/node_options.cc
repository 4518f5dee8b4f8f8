#include "server/app/node_options.h"

#include <algorithm>
#include <ctime>
#include <thread>

#include "server/catalog/catalog.h"

namespace pontoon::app {
namespace {

session::SessionOptions SessionOptionsFrom(const Settings& settings, const std::string& version) {
  session::SessionOptions options;
  options.product = settings.product_name;
  options.version = version;
  options.cluster_name = settings.cluster_name.empty() ? settings.node_name : settings.cluster_name;
  options.node_name = settings.node_name;
  options.boot_seconds = std::time(nullptr);
  options.mechanisms = settings.auth_mechanisms;
  options.loopback_users.assign(settings.loopback_users.begin(), settings.loopback_users.end());
  options.heartbeat_seconds = settings.heartbeat_seconds;
  options.frame_max = settings.frame_max;
  options.channel_max = settings.channel_max;
  options.handshake_timeout = base::Millis(settings.handshake_timeout_millis);
  options.max_message_size = settings.max_message_size;
  return options;
}

catalog::FoundCluster FoundClusterFrom(const Settings& settings, uint64_t salt) {
  catalog::FoundCluster found;
  found.default_vhost = settings.default_vhost;
  found.default_user.name = settings.default_user;
  found.default_user.algorithm = catalog::HashAlgorithm::kSha256;
  found.default_user.password_hash = catalog::HashPassword(
      settings.default_pass, found.default_user.algorithm, static_cast<uint32_t>(salt));
  found.default_user.tags = settings.default_user_tags;
  found.default_permission = {settings.default_user, settings.default_vhost,
                              settings.default_configure, settings.default_write,
                              settings.default_read};
  return found;
}

}  // namespace

NodeOptions NodeOptionsFrom(const Settings& settings, const std::string& version, uint64_t salt) {
  NodeOptions options;
  options.name = settings.node_name;
  options.loops = static_cast<uint16_t>(
      settings.loops != 0 ? settings.loops
                          : std::max(1u, std::min(64u, std::thread::hardware_concurrency())));
  options.shards = settings.shards;
  for (const ListenAddress& address : settings.tcp_listeners) {
    options.listen.push_back({address.host, address.port, false});
  }
  for (const ListenAddress& address : settings.ssl_listeners) {
    options.listen.push_back({address.host, address.port, true});
  }
  options.listener.backlog = settings.listen_backlog;
  options.listener.nodelay = settings.nodelay;
  options.listener.keepalive = settings.keepalive;
  options.listener.send_buffer_bytes = settings.send_buffer_bytes;
  options.listener.receive_buffer_bytes = settings.receive_buffer_bytes;
  options.connections_max = settings.connection_max == UINT64_MAX ? 0 : settings.connection_max;
  options.tls = settings.tls;
  options.tls_handshake_timeout = base::Millis(settings.tls_handshake_timeout_millis);
  options.session = SessionOptionsFrom(settings, version);
  options.found = FoundClusterFrom(settings, salt);
  return options;
}

}  // namespace pontoon::app
