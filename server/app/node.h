#ifndef PONTOON_SERVER_APP_NODE_H_
#define PONTOON_SERVER_APP_NODE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "server/app/loop_runtime.h"
#include "server/cluster/fabric.h"
#include "server/cluster/storage_router.h"
#include "server/net/listener.h"
#include "server/net/tls_context.h"
#include "server/session/session_options.h"
#include "storage/node_directory.h"
#include "storage/rocks_log_store.h"

namespace pontoon::app {

// Where clients may connect.
struct AmqpAddress {
  std::string host;  // Empty: everywhere.
  uint16_t port = 5672;
  bool tls = false;
};

struct NodeOptions {
  std::string name;  // "rabbit@host"
  uint16_t loops = 1;
  uint32_t shards = 32;  // When the cluster is founded.
  std::vector<AmqpAddress> listen;
  net::Listener::Options
      listener;  // Backlog and socket options; host, port, limit and tls are set per address.
  uint64_t connections_max = 0;  // 0: as many as there are descriptors.
  net::TlsOptions tls;
  base::Duration tls_handshake_timeout = base::Seconds(5);
  session::SessionOptions session;
  base::Logger* connection_logger =
      nullptr;  // Lines of connections and channels; borrowed. Null: the node's.
  // Told before each write to disk how many bytes are free; must not block.
  std::function<void(uint64_t)> on_free_disk;
  std::function<void()> flush_logs;  // Before the process ends at once: a write to disk has failed.
  catalog::FoundCluster found;
};

// The broker of this process, between a start and a stop of the application: store, loops,
// listeners. start_app and stop_app make a new one and end it, as a restart of the process does.
class Node {
 public:
  // Opens the store, recovers all groups, starts the loops, waits until they serve, and listens.
  // Blocking. `directory` is borrowed; this is one more boot of it.
  static absl::StatusOr<std::unique_ptr<Node>> StartBlocking(NodeOptions options,
                                                             storage::NodeDirectory* directory,
                                                             base::Logger* logger);
  // Stops if StopBlocking was not called.
  ~Node();

  // Closes the listeners and all connections with 320, syncs and checkpoints; within about 4 s also
  // with clients that do not answer.
  void StopBlocking();

  const NodeOptions& options() const { return options_; }
  const cluster::NodeFacts& facts() const { return facts_; }
  const std::vector<std::unique_ptr<LoopRuntime>>& loops() const { return loops_; }
  const std::vector<std::unique_ptr<net::Listener>>& listeners() const { return listeners_; }
  storage::RocksLogStore* store() { return store_.get(); }

  // Runs `call` on the loop; any thread. Calls on one loop run in order.
  void Call(size_t loop, std::function<void(LoopRuntime*)> call);
  // Any thread.
  void SetAlarms(bool memory, bool disk);

 private:
  class LoopFabric;

  Node(NodeOptions options, base::Logger* logger);
  absl::Status Open(storage::NodeDirectory* directory);
  absl::Status AwaitReady();
  absl::Status Listen();
  // Waits, for `limit` at most, until no loop has a connection.
  bool AwaitNoConnections(base::Duration limit);

  const NodeOptions options_;
  base::Logger* const logger_;
  cluster::NodeFacts facts_;
  std::unique_ptr<LoopFabric> fabric_;
  std::unique_ptr<cluster::StorageRouter> storage_router_;
  std::unique_ptr<storage::RocksLogStore> store_;
  std::vector<std::unique_ptr<LoopRuntime>> loops_;
  std::shared_ptr<net::ConnectionLimit> connection_limit_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  bool started_ = false;
  bool stopped_ = false;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_NODE_H_
