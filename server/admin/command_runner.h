#ifndef PONTOON_SERVER_ADMIN_COMMAND_RUNNER_H_
#define PONTOON_SERVER_ADMIN_COMMAND_RUNNER_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/logger.h"
#include "base/random.h"
#include "proto/admin.pb.h"
#include "server/admin/node_control.h"

namespace pontoon::admin {

// Carries out administration commands on the node, one at a time per caller's thread. Any thread.
class CommandRunner {
 public:
  // All borrowed; `random` must bear being asked by several threads. What changed and who asked for
  // what cannot be is logged in RabbitMQ's words.
  CommandRunner(std::string node_name, NodeControl* control, base::Random* random,
                base::Logger* logger)
      : node_name_(std::move(node_name)), control_(control), random_(random), logger_(logger) {}

  // Waits for the node's answer. Refusals are in the result.
  Result RunBlocking(const Command& command);

 private:
  Result RunCommand(const Command& command);
  // Users and permissions: command_users.cc.
  Result AddUserCommand(const AddUser& user);
  Result ChangePassword(const AddUser& user, bool clear);
  Result AuthenticateUser(const AddUser& user);
  Result DeleteUserCommand(const UserName& user);
  Result SetTags(const SetUserTags& tags);
  Result ListUsers();
  Result SetPermissionsCommand(const SetPermissions& permissions);
  Result ClearPermissions(const SetPermissions& permissions);
  // Why not, told in the log after `failed`, where the user or the virtual host is not there.
  std::optional<Result> CheckSubject(const SetPermissions& permissions, const std::string& failed);
  Result ListPermissions(const VhostName& vhost);
  Result ListUserPermissions(const UserName& user);
  Result AddVhostCommand(const AddVhost& vhost);
  Result DeleteVhostCommand(const VhostName& vhost);
  Result ListVhosts();
  // Listings: command_lists.cc.
  Result ListQueues(const VhostName& vhost);
  Result ListExchanges(const VhostName& vhost);
  Result ListBindings(const VhostName& vhost);
  Result ListConsumers(const VhostName& vhost);
  // The pids of the connections that own exclusive queues, by the connections' numbers.
  std::map<uint64_t, std::string> OwnersOf(const std::vector<const catalog::QueueRecord*>& queues);
  Result ListConnections();
  Result ListChannels();
  Result DescribeStatus();
  // The rest: command_runner.cc.
  using CountDone = std::function<void(absl::StatusOr<uint64_t>)>;
  // `ask` of the queue, if there is one: a count of messages.
  Result OnQueue(const std::string& vhost, const std::string& queue,
                 const std::function<void(base::QueueId, CountDone)>& ask);
  Result CloseConnectionsCommand(const CloseConnections& which);

  Result Change(catalog::Command change, Refusal missing);
  // The same, and a line in the log if it was done.
  Result ChangeAndTell(catalog::Command change, Refusal missing, const std::string& done);
  void Tell(base::LogLevel level, const std::string& text) { logger_->Log(level, 0, text); }
  catalog::UserRecord UserWithPassword(const AddUser& user);

  const std::string node_name_;
  NodeControl* const control_;
  base::Random* const random_;
  base::Logger* const logger_;
};

// A result that only says why not.
Result Refused(Refusal refusal, std::string text);
Result NoVhost(const std::string& name);
// Null where there is none, or no catalog.
const catalog::VhostRecord* FindVhost(const catalog::VersionPtr& version, const std::string& name);

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_COMMAND_RUNNER_H_
