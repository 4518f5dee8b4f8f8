#ifndef PONTOON_SERVER_CATALOG_CATALOG_H_
#define PONTOON_SERVER_CATALOG_CATALOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/time.h"
#include "server/amqp/table.h"
#include "server/catalog/records.h"

// The catalog: a replicated state machine of all that is declared (design section 2), and the
// immutable versions of it that every event loop reads. Deterministic and free of I/O.

namespace pontoon::catalog {

// Queues that one message goes to: each queue once, in a stable order.
struct Target {
  QueueId queue;
  GroupId shard;  // 0: the transient shard of `home`
  base::SessionId home;
};

// One version of the catalog. Immutable and cheap to hold; any thread may read it. Lookups that
// miss give nullptr; pointers live as long as the version.
class Version {
 public:
  virtual ~Version() = default;
  virtual uint64_t index() const = 0;  // Newest catalog entry in it.

  virtual const VhostRecord* FindVhost(absl::string_view name) const = 0;
  virtual const VhostRecord* FindVhost(VhostId id) const = 0;
  virtual const ExchangeRecord* FindExchange(VhostId vhost, absl::string_view name) const = 0;
  virtual const QueueRecord* FindQueue(VhostId vhost, absl::string_view name) const = 0;
  virtual const QueueRecord* FindQueue(QueueId id) const = 0;
  virtual const UserRecord* FindUser(absl::string_view name) const = 0;
  virtual const PermissionRecord* FindPermission(absl::string_view user,
                                                 absl::string_view vhost) const = 0;

  // Adds the queues that a message goes to: through the exchange's bindings (also exchange to
  // exchange, cycles safe), with every routing key of `keys` (the message's, then CC and BCC), the
  // alternate exchange where nothing matched. Each queue once. `headers` may be null (no table).
  virtual void Route(const ExchangeRecord& exchange, absl::Span<const absl::string_view> keys,
                     const amqp::Table* headers, std::vector<Target>* targets) const = 0;

  // Listings, in a stable order (by name).
  virtual std::vector<const VhostRecord*> ListVhosts() const = 0;
  virtual std::vector<const UserRecord*> ListUsers() const = 0;
  virtual std::vector<const PermissionRecord*> ListPermissions() const = 0;
  virtual std::vector<const ExchangeRecord*> ListExchanges(VhostId vhost) const = 0;
  virtual std::vector<const QueueRecord*> ListQueues(VhostId vhost) const = 0;
  virtual std::vector<const QueueRecord*> ListQueuesOfShard(GroupId shard) const = 0;
  virtual std::vector<const QueueRecord*> ListTransientQueues(
      const base::SessionId& home) const = 0;
  virtual std::vector<const QueueRecord*> ListExclusiveQueues(const ConnectionId& owner) const = 0;
  virtual std::vector<BindingRecord> ListBindings(
      VhostId vhost) const = 0;  // Default bindings first.
  virtual uint64_t queue_count() const = 0;
};
using VersionPtr = std::shared_ptr<const Version>;

// ---- commands. Encoded for the log as Protobuf (proto/catalog.proto); each carries who asked,
// numbered per boot, so that one that is sent again gets its first answer.

struct DeclareExchange {
  VhostId vhost;
  std::string name;
  ExchangeKind kind = ExchangeKind::kDirect;
  bool durable = false, auto_delete = false, internal = false;
  std::string arguments;
  base::SessionId home;  // Of a transient exchange: gone when that node starts again.
};
struct DeleteExchange {
  VhostId vhost;
  std::string name;
  bool if_unused = false;
};
// Declares, or if it exists compares (amqp 406) and gives the existing one.
struct DeclareQueue {
  VhostId vhost;
  std::string name;  // Never empty: the front-end has made one up.
  bool durable = false, exclusive = false, auto_delete = false;
  std::string arguments;
  GroupId shard;  // Chosen by the front-end; 0 for a transient queue, then `home`.
  base::SessionId home;
  ConnectionId owner;  // The connection that asks.
  std::string user;
};
// Sent by the shard that has closed it (or for a transient queue whose home is gone).
struct ForgetQueue {
  QueueId queue;
};
struct Bind {
  VhostId vhost;
  BindingRecord binding;
};
struct Unbind {
  VhostId vhost;
  BindingRecord binding;
};
struct AddVhost {
  std::string name;
  std::string description;
  std::vector<std::string> tags;
  std::string default_queue_type;
};
struct DeleteVhost {
  std::string name;
};
struct PutUser {  // Adds one; `replace`: changes the password hash of an existing one.
  UserRecord user;
  bool replace = false;
};
struct SetUserTags {
  std::string name;
  std::vector<std::string> tags;
};
struct DeleteUser {
  std::string name;
};
struct SetPermission {
  PermissionRecord permission;
};
struct ClearPermission {
  std::string user, vhost;
};
// A node's process started: everything transient of its earlier boots goes, their sessions are
// over. Committed before the node serves (design section 5).
struct RegisterBoot {
  base::NodeId node;
  base::BootId boot;
  std::string name;  // "rabbit@host"
};
// Once, when the cluster is founded: cluster id, number of shards, default virtual host, user and
// permissions.
struct FoundCluster {
  std::string cluster_id;
  uint32_t shards = 32;
  std::string default_vhost;
  UserRecord default_user;
  PermissionRecord default_permission;
};

using Command = std::variant<DeclareExchange, DeleteExchange, DeclareQueue, ForgetQueue, Bind,
                             Unbind, AddVhost, DeleteVhost, PutUser, SetUserTags, DeleteUser,
                             SetPermission, ClearPermission, RegisterBoot, FoundCluster>;

struct Origin {  // [format] who asked, and the how-manieth change of that boot's loop it is (from
                 // 1)
  base::SessionId session;
  uint64_t number = 0;
};
// How many of its newest numbers' answers a boot's loop finds again when it sends them again: it
// must not have more changes unanswered at once. Older ones are refused (FailedPrecondition), since
// they may have been applied before.
inline constexpr uint64_t kUnansweredChangesMax = 1024;
std::string EncodeCommand(const Origin& origin, const Command& command);

// ---- what applying one entry did.

struct QueueDeclared {
  QueueId queue;
};
struct QueueForgotten {
  QueueId queue;
  GroupId shard;
  base::SessionId home;
  bool closed_by_shard =
      false;  // ForgetQueue, or false: the virtual host went, so the shard has to close it.
};
struct VhostDeleted {
  VhostId vhost;
  std::string name;
};
struct UserDeleted {
  std::string name;
};
struct UserChanged {  // password, tags or permissions
  std::string name;
};
struct BootRegistered {
  base::NodeId node;
  base::BootId boot;
};
using Change = std::variant<QueueDeclared, QueueForgotten, VhostDeleted, UserDeleted, UserChanged,
                            BootRegistered>;

struct Outcome {
  uint64_t index = 0;
  Origin origin;
  absl::Status
      status;     // Refused with an AMQP reply code and RabbitMQ's text; then nothing changed.
  QueueId queue;  // DeclareQueue: the new or existing queue.
  bool created = false;  // DeclareQueue, DeclareExchange, AddVhost, ...: it did not exist before.
};

struct AppliedBatch {
  // FailedPrecondition (made by a newer Pontoon) or DataLoss: an entry could not be read. Nothing
  // from it on was applied, now or later: this node has to stop, with this text.
  absl::Status status;
  VersionPtr version;  // After the batch.
  std::vector<Outcome> outcomes;
  std::vector<Change> changes;
};

class Machine {
 public:
  virtual ~Machine() = default;
  // `applied`: up to where the log is covered, at least the index that the root was made at.
  // FailedPrecondition: made by a newer Pontoon. DataLoss: no checkpoint, or a damaged one; then
  // nothing has changed.
  virtual absl::Status Restore(uint64_t applied, absl::string_view root) = 0;
  // The same at run time, in place of what was applied so far; `changes` says what differs.
  virtual absl::StatusOr<AppliedBatch> Install(uint64_t applied, absl::string_view root) = 0;
  // Entries in log order: (index, encoded command). One version for the whole batch.
  virtual AppliedBatch Apply(absl::Span<const std::pair<uint64_t, std::string>> entries) = 0;
  // The root after the last applied entry. Slow where there is much (about a microsecond for each
  // thing), so a loop takes the task, which is cheap and holds the state as it is now, and has it
  // run once on a thread that may block.
  std::string MakeCheckpoint() const { return CheckpointTask()(); }
  virtual std::function<std::string()> CheckpointTask() const = 0;
  virtual VersionPtr version() const = 0;
  virtual uint64_t digest() const = 0;
};
std::unique_ptr<Machine> NewMachine();
// Whether Restore would take it; looks at nothing else.
absl::Status CheckCheckpoint(uint64_t applied, absl::string_view root);

// ---- checks that the front-end makes on its own version before (or instead of) a command, with
// the same texts.

// OK if `command` is equivalent to what exists; else 406 PRECONDITION_FAILED with RabbitMQ's
// "inequivalent arg" text, or 405 RESOURCE_LOCKED for another connection's exclusive queue.
absl::Status CheckQueueEquivalence(const Version& version, const QueueRecord& existing,
                                   const DeclareQueue& command);
absl::Status CheckExchangeEquivalence(const Version& version, const ExchangeRecord& existing,
                                      const DeclareExchange& command);
// 405 RESOURCE_LOCKED, for whatever another connection wants of an exclusive queue.
absl::Status ExclusiveRefusal(const Version& version, const QueueRecord& queue);
// x-arguments of a queue (406 invalid arg ...) and of an exchange. Only what does not exist yet is
// checked.
absl::Status CheckQueueArguments(absl::string_view queue, absl::string_view vhost,
                                 const amqp::Table& arguments);
absl::Status CheckExchangeArguments(absl::string_view exchange, absl::string_view vhost,
                                    const amqp::Table& arguments);
// 403 for a client's new `kind` ("queue" or "exchange") named amq.*. Not checked by DeclareQueue,
// whose name the server may have made up.
absl::Status CheckReservedName(absl::string_view kind, absl::string_view name);
// "direct", "fanout", "topic", "headers"; lives for ever.
absl::string_view ExchangeKindName(ExchangeKind kind);
// 503 COMMAND_INVALID "unknown exchange type 'x'".
absl::StatusOr<ExchangeKind> ParseExchangeKind(absl::string_view type);
// Names of arguments that are stored but not acted upon yet (x-message-ttl and others), for the
// warning in the log.
std::vector<std::string> UnsupportedQueueArguments(const amqp::Table& arguments);

// Passwords in RabbitMQ's format: salt and digest.
std::string HashPassword(absl::string_view password, HashAlgorithm algorithm, uint32_t salt);
bool CheckPassword(const UserRecord& user, absl::string_view password);

enum class Right : uint8_t { kConfigure, kWrite, kRead };
// A user's rights in one virtual host, compiled: one per connection, made anew when the version's
// permission record changed. Remembers its latest answers. A pattern that exceeds its match limit
// refuses.
class Rights {
 public:
  virtual ~Rights() = default;
  // `kind` is "queue" or "exchange"; 403 ACCESS_REFUSED with RabbitMQ's text.
  virtual absl::Status Check(const Version& version, Right right, absl::string_view kind,
                             absl::string_view name) = 0;
};
std::unique_ptr<Rights> NewRights(std::string user, std::string vhost);
// OK if it compiles; InvalidArgument with the pattern and the reason.
absl::Status CheckPattern(absl::string_view pattern);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_CATALOG_H_
