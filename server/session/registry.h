#ifndef PONTOON_SERVER_SESSION_REGISTRY_H_
#define PONTOON_SERVER_SESSION_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/logger.h"
#include "base/random.h"
#include "base/time.h"
#include "server/catalog/catalog.h"
#include "server/cluster/front_end.h"
#include "server/session/listing.h"
#include "server/session/session_options.h"
#include "server/session/transport.h"

namespace pontoon::session {

class Connection;

// All AMQP connections of one event loop. Everything happens on that loop.
class Registry {
 public:
  // Numbers for connections and channels (the N of <0.N.0>) are first, first + step, ...: give each
  // loop of a node other ones. All pointers are borrowed and must outlive the registry.
  struct Numbers {
    uint64_t first = 1000;
    uint64_t step = 1;
  };
  Registry(cluster::FrontEnd* front_end, base::Logger* logger, base::Random* random,
           std::shared_ptr<const SessionOptions> options, Numbers numbers);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A socket was accepted (after the TLS handshake, if there is one). The registry owns the
  // connection; the pointer is good until its OnSocketClosed has been called, which must happen
  // exactly once, also after CloseAfterWrites and Abort. See connection.h for what to call when.
  Connection* Accept(std::unique_ptr<Transport> transport, PeerInfo peer);

  // Last thing in a turn of the loop, after the front-end has brought its answers: whatever this
  // turn produced is written. True if there is more to do (a connection used up its share): then
  // run another turn soon.
  bool OnTurnEnd();

  // About every 100 ms: heartbeats and timeouts. Accuracy of all timeouts is one tick.
  void OnTick();

  // The catalog moved on (its new version is what the front-end shows): virtual hosts and users may
  // be gone.
  void OnCatalogChanges(absl::Span<const catalog::Change> changes);

  // Alarms of the cluster. Connections that publish are told, if they can be, and not read until
  // all have cleared.
  void SetAlarms(bool memory, bool disk);

  // Closes what matches with 320 "CONNECTION_FORCED - <reason>"; how many it were. A pid as printed
  // in listings.
  size_t CloseByPid(absl::string_view pid, absl::string_view reason);
  size_t CloseByName(absl::string_view name, absl::string_view reason);
  size_t CloseByUser(absl::string_view user, absl::string_view reason);
  size_t CloseByVhost(absl::string_view vhost, absl::string_view reason);
  size_t CloseAll(absl::string_view reason);
  // The node stops: 320 "CONNECTION_FORCED - broker forced connection closure with reason
  // 'shutdown'" for all. The sockets close once close-ok came (OnSocketClosed tells); whoever does
  // not answer is aborted by AbortAll.
  void BeginShutdown();
  void AbortAll();

  size_t connection_count() const { return connections_.size(); }
  size_t channel_count() const;
  // By number, ascending.
  std::vector<ConnectionInfo> ListConnections() const;
  std::vector<ChannelInfo> ListChannels() const;

 private:
  struct State;

  size_t CloseMatching(const std::function<bool(const Connection&)>& matches,
                       absl::string_view reason);

  // Ascending by number, so that listings and mass closing have one order.
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::unique_ptr<State> state_;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_REGISTRY_H_
