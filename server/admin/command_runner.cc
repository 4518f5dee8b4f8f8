#include "server/admin/command_runner.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/admin/await.h"
#include "server/amqp/reply_code.h"

namespace pontoon::admin {
namespace {

constexpr char kNotRunning[] =
    "this command requires the 'rabbit' app to be running on the target node. Start it with "
    "'rabbitmqctl start_app'.";

Result Counted(const absl::StatusOr<uint64_t>& count) {
  if (!count.ok()) {
    if (absl::IsUnavailable(count.status())) return Refused(NOT_RUNNING, kNotRunning);
    const Refusal refusal =
        amqp::ReplyCodeOf(count.status()) == amqp::ReplyCode::kPreconditionFailed ? PRECONDITION
                                                                                  : NO_SUCH_OBJECT;
    return Refused(refusal, std::string(count.status().message()));
  }
  Result result;
  result.set_count(*count);
  return result;
}

Result Lived(const absl::Status& status) {
  return status.ok() ? Result() : Refused(FAILED, std::string(status.message()));
}

}  // namespace

Result Refused(Refusal refusal, std::string text) {
  Result result;
  result.set_refusal(refusal);
  result.set_text(std::move(text));
  return result;
}

const catalog::VhostRecord* FindVhost(const catalog::VersionPtr& version, const std::string& name) {
  return version == nullptr ? nullptr : version->FindVhost(name);
}

Result NoVhost(const std::string& name) {
  return Refused(NO_SUCH_VHOST, absl::StrCat("Virtual host '", name, "' does not exist"));
}

Result CommandRunner::RunBlocking(const Command& command) {
  Result result;
  if (!command.node().empty() && command.node() != node_name_) {
    result = Refused(WRONG_NODE, absl::StrCat("this is node ", node_name_));
  } else {
    result = RunCommand(command);
  }
  result.set_node(node_name_);
  switch (control_->state()) {
    case NodeControl::State::kStarting:
      result.set_state(STARTING);
      break;
    case NodeControl::State::kRunning:
      result.set_state(RUNNING);
      break;
    case NodeControl::State::kAppStopped:
      result.set_state(APP_STOPPED);
      break;
  }
  return result;
}

Result CommandRunner::RunCommand(const Command& command) {
  switch (command.what_case()) {
    case Command::kPing:
    case Command::kAwaitStartup: {  // The caller looks at the state, and asks again.
      Result result;
      result.mutable_status()->set_os_pid(static_cast<uint64_t>(getpid()));
      return result;
    }
    case Command::kStopApp:
      return Lived(Await<absl::Status>([this](auto done) { control_->StopApp(done); }));
    case Command::kStartApp:
      return Lived(Await<absl::Status>([this](auto done) { control_->StartApp(done); }));
    case Command::kStop: {
      Result result = Lived(Await<absl::Status>([this](auto done) { control_->Stop(done); }));
      result.mutable_status()->set_os_pid(static_cast<uint64_t>(getpid()));
      return result;
    }
    default:
      break;
  }
  if (control_->state() != NodeControl::State::kRunning) return Refused(NOT_RUNNING, kNotRunning);
  switch (command.what_case()) {
    case Command::kStatus:
      return DescribeStatus();
    case Command::kAddUser:
      return AddUserCommand(command.add_user());
    case Command::kDeleteUser:
      return DeleteUserCommand(command.delete_user());
    case Command::kChangePassword:
      return ChangePassword(command.change_password(), false);
    case Command::kClearPassword: {
      AddUser user;
      user.set_name(command.clear_password().name());
      return ChangePassword(user, true);
    }
    case Command::kAuthenticateUser:
      return AuthenticateUser(command.authenticate_user());
    case Command::kSetUserTags:
      return SetTags(command.set_user_tags());
    case Command::kListUsers:
      return ListUsers();
    case Command::kAddVhost:
      return AddVhostCommand(command.add_vhost());
    case Command::kDeleteVhost:
      return DeleteVhostCommand(command.delete_vhost());
    case Command::kListVhosts:
      return ListVhosts();
    case Command::kSetPermissions:
      return SetPermissionsCommand(command.set_permissions());
    case Command::kClearPermissions:
      return ClearPermissions(command.clear_permissions());
    case Command::kListPermissions:
      return ListPermissions(command.list_permissions());
    case Command::kListUserPermissions:
      return ListUserPermissions(command.list_user_permissions());
    case Command::kListQueues:
      return ListQueues(command.list_queues());
    case Command::kListExchanges:
      return ListExchanges(command.list_exchanges());
    case Command::kListBindings:
      return ListBindings(command.list_bindings());
    case Command::kListConsumers:
      return ListConsumers(command.list_consumers());
    case Command::kListConnections:
      return ListConnections();
    case Command::kListChannels:
      return ListChannels();
    case Command::kDeleteQueue:
      return OnQueue(command.delete_queue().vhost(), command.delete_queue().name(),
                     [&](base::QueueId queue, CountDone done) {
                       control_->DeleteQueue(queue, command.delete_queue().if_unused(),
                                             command.delete_queue().if_empty(), std::move(done));
                     });
    case Command::kPurgeQueue:
      return OnQueue(command.purge_queue().vhost(), command.purge_queue().name(),
                     [this](base::QueueId queue, CountDone done) {
                       control_->PurgeQueue(queue, std::move(done));
                     });
    case Command::kCloseConnections:
      return CloseConnectionsCommand(command.close_connections());
    case Command::kSetVmMemoryHighWatermark: {
      const SetMemoryWatermark& set = command.set_vm_memory_high_watermark();
      const absl::Status status = control_->SetMemoryWatermark(
          set.is_absolute() ? 0 : set.relative(), set.is_absolute() ? set.absolute() : 0);
      return status.ok() ? Result() : Refused(BAD_ARGUMENT, std::string(status.message()));
    }
    case Command::kSetDiskFreeLimit: {
      const SetDiskFreeLimit& set = command.set_disk_free_limit();
      const absl::Status status = control_->SetDiskFreeLimit(
          set.is_relative() ? 0 : set.bytes(), set.is_relative() ? set.mem_relative() : 0);
      return status.ok() ? Result() : Refused(BAD_ARGUMENT, std::string(status.message()));
    }
    default:
      return Refused(BAD_ARGUMENT,
                     "the node does not know this command; the tool is newer than the node");
  }
}

Result CommandRunner::Change(catalog::Command change, Refusal missing) {
  const absl::StatusOr<catalog::Outcome> outcome = Await<absl::StatusOr<catalog::Outcome>>(
      [&](auto done) { control_->Change(std::move(change), std::move(done)); });
  if (!outcome.ok()) return Refused(NOT_RUNNING, kNotRunning);
  if (!outcome->status.ok()) return Refused(missing, std::string(outcome->status.message()));
  return Result();
}

Result CommandRunner::ChangeAndTell(catalog::Command change, Refusal missing,
                                    const std::string& done) {
  Result result = Change(std::move(change), missing);
  if (result.refusal() == NONE) Tell(base::LogLevel::kInfo, done);
  return result;
}

Result CommandRunner::OnQueue(const std::string& vhost, const std::string& queue,
                              const std::function<void(base::QueueId, CountDone)>& ask) {
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return Refused(NOT_RUNNING, kNotRunning);
  const catalog::VhostRecord* found = FindVhost(version, vhost);
  if (found == nullptr) return NoVhost(vhost);
  const catalog::QueueRecord* record = version->FindQueue(found->id, queue);
  if (record == nullptr) return Refused(NO_SUCH_OBJECT, "Queue not found");
  return Counted(
      Await<absl::StatusOr<uint64_t>>([&](CountDone done) { ask(record->id, std::move(done)); }));
}

Result CommandRunner::CloseConnectionsCommand(const CloseConnections& which) {
  return Counted(Await<absl::StatusOr<uint64_t>>([&](auto done) {
    control_->CloseConnections({which.pid(), which.user(), which.vhost(), which.limit()},
                               which.reason(), std::move(done));
  }));
}

}  // namespace pontoon::admin
