#ifndef PONTOON_SERVER_ADMIN_NODE_CONTROL_H_
#define PONTOON_SERVER_ADMIN_NODE_CONTROL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/broker/shard_protocol.h"
#include "server/catalog/catalog.h"

// What administration asks of the node it runs in. server/app implements it over the event loops.

namespace pontoon::admin {

// Columns of list_connections.
struct ConnectionFigures {
  std::string pid, name, user_provided_name, user, vhost, state, protocol, auth_mechanism;
  std::string host, peer_host;
  uint16_t port = 0, peer_port = 0;
  bool ssl = false;
  std::string ssl_protocol, ssl_cipher, peer_cert_subject;
  uint16_t timeout = 0;
  uint32_t frame_max = 0;
  uint16_t channel_max = 0;
  std::string client_properties;  // An encoded field table.
  int64_t connected_at_millis = 0;
  uint64_t recv_oct = 0, recv_cnt = 0, send_oct = 0, send_cnt = 0, send_pend = 0;
  uint32_t channels = 0;
};
// Columns of list_channels.
struct ChannelFigures {
  std::string pid, connection_pid, name, user, vhost;
  uint16_t number = 0;
  bool transactional = false, confirm = false;
  uint32_t consumer_count = 0;
  uint64_t messages_unacknowledged = 0, messages_unconfirmed = 0, messages_uncommitted = 0,
           acks_uncommitted = 0;
  uint32_t prefetch_count = 0, global_prefetch_count = 0;
};

struct ListenerFigures {
  std::string address;
  uint16_t port = 0;
  std::string protocol;  // "amqp", "amqp/ssl", "clustering"
};
struct NodeFigures {
  std::string node_name, product, version, rabbitmq_version, cluster_name;
  std::string data_directory;
  std::vector<std::string> config_files, log_files;
  uint64_t os_pid = 0, uptime_seconds = 0;
  bool memory_alarm = false, disk_alarm = false;
  uint64_t memory_used = 0, memory_limit = 0, total_memory = 0;
  double memory_watermark = 0;  // 0: the limit was given in bytes.
  uint64_t disk_free = 0, disk_free_limit = 0;
  uint64_t descriptors_used = 0, descriptors_limit = 0, sockets_used = 0, sockets_limit = 0;
  uint64_t connections = 0;
  std::vector<ListenerFigures> listeners;
};

// Whose connections close_connection and its kin mean; empty strings match all.
struct ConnectionFilter {
  std::string pid, user, vhost;
  uint32_t limit = 0;  // 0: none.
};

// Any thread may call; callbacks run on some thread of the node, exactly once, and must not block.
// While the application does not run, everything but state(), Describe and the three life-cycle
// calls answers Unavailable.
class NodeControl {
 public:
  enum class State { kStarting, kRunning, kAppStopped };

  virtual ~NodeControl() = default;
  virtual State state() const = 0;
  virtual void Describe(std::function<void(NodeFigures)> done) = 0;

  virtual catalog::VersionPtr catalog() const = 0;  // Null while the application does not run.
  virtual void Change(catalog::Command command,
                      std::function<void(absl::StatusOr<catalog::Outcome>)> done) = 0;

  virtual void ListConnections(
      std::function<void(absl::StatusOr<std::vector<ConnectionFigures>>)> done) = 0;
  virtual void ListChannels(
      std::function<void(absl::StatusOr<std::vector<ChannelFigures>>)> done) = 0;
  virtual void ListQueueFigures(
      std::function<void(absl::StatusOr<std::vector<broker::QueueFigures>>)> done) = 0;
  virtual void ListConsumers(
      std::function<void(absl::StatusOr<std::vector<broker::ConsumerFigures>>)> done) = 0;

  virtual void DeleteQueue(base::QueueId queue, bool if_unused, bool if_empty,
                           std::function<void(absl::StatusOr<uint64_t>)> done) = 0;
  virtual void PurgeQueue(base::QueueId queue,
                          std::function<void(absl::StatusOr<uint64_t>)> done) = 0;
  // 320 CONNECTION_FORCED - reason; how many it were.
  virtual void CloseConnections(ConnectionFilter filter, std::string reason,
                                std::function<void(absl::StatusOr<uint64_t>)> done) = 0;

  // Fraction of the memory if `absolute` is 0.
  virtual absl::Status SetMemoryWatermark(double fraction, uint64_t absolute) = 0;
  // Fraction of the memory if `bytes` is 0.
  virtual absl::Status SetDiskFreeLimit(uint64_t bytes, double memory_fraction) = 0;

  virtual void StopApp(std::function<void(absl::Status)> done) = 0;
  virtual void StartApp(std::function<void(absl::Status)> done) = 0;
  // The process ends soon after `done`.
  virtual void Stop(std::function<void(absl::Status)> done) = 0;
};

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_NODE_CONTROL_H_
