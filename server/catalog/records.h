#ifndef PONTOON_SERVER_CATALOG_RECORDS_H_
#define PONTOON_SERVER_CATALOG_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

// What the catalog knows, as its readers see it. Records are immutable; names are as the client
// gave them.

namespace pontoon::catalog {

using base::ExchangeId;
using base::GroupId;
using base::QueueId;
using base::VhostId;

// A connection, in the whole cluster and for ever: the front-end's loop and a number that counts up
// there.
struct ConnectionId {
  base::SessionId loop;
  uint64_t number = 0;
  friend constexpr auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};

struct VhostRecord {
  VhostId id;
  std::string name;
  std::string description;
  std::vector<std::string> tags;
  std::string default_queue_type;
};

enum class HashAlgorithm : uint8_t { kSha256 = 0, kSha512 = 1, kMd5 = 2 };
struct UserRecord {
  std::string name;
  std::string password_hash;  // salt (4 bytes) then the digest, raw; empty: no password login
  HashAlgorithm algorithm = HashAlgorithm::kSha256;
  std::vector<std::string> tags;
};
struct PermissionRecord {
  std::string user;
  std::string vhost;
  std::string configure, write,
      read;  // Regular expressions (PCRE), searched, not anchored, as in RabbitMQ.
};

enum class ExchangeKind : uint8_t { kDirect = 0, kFanout = 1, kTopic = 2, kHeaders = 3 };
struct ExchangeRecord {
  ExchangeId id;
  VhostId vhost;
  std::string name;  // "" is the default exchange
  ExchangeKind kind = ExchangeKind::kDirect;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  std::string arguments;  // The encoded field table, as declared.
  std::string alternate_exchange;
};

struct QueueRecord {
  QueueId id;
  VhostId vhost;
  std::string name;
  bool durable = false;  // As declared (an exclusive queue is transient whatever this says).
  bool exclusive = false;
  bool auto_delete = false;
  std::string arguments;  // The encoded field table, as declared.
  // Where its messages live: a replicated shard's group (1..), or for a transient queue (exclusive,
  // or not durable) group 0 and `home`, the loop that declared it.
  GroupId shard;
  base::SessionId home;
  std::optional<ConnectionId> owner;  // Of an exclusive queue.
  std::string created_by;             // User.
  bool transient() const { return shard.value == 0; }
};

enum class DestinationKind : uint8_t { kQueue = 0, kExchange = 1 };
struct BindingRecord {
  std::string source;  // Exchange name.
  DestinationKind kind = DestinationKind::kQueue;
  std::string destination;
  std::string routing_key;
  std::string arguments;  // The encoded field table.
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_RECORDS_H_
