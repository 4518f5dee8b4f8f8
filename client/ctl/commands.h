#ifndef PONTOON_CLIENT_CTL_COMMANDS_H_
#define PONTOON_CLIENT_CTL_COMMANDS_H_

#include "client/ctl/command_context.h"

// One function per command, by the files that hold them. Each prints what rabbitmqctl prints and
// gives its exit code; the number of arguments is checked already.

namespace pontoon::ctl {

// commands_access.cc
ExitCode AddUser(CommandContext* context);
ExitCode AddVhost(CommandContext* context);
ExitCode AuthenticateUser(CommandContext* context);
ExitCode ChangePassword(CommandContext* context);
ExitCode ClearPassword(CommandContext* context);
ExitCode ClearPermissions(CommandContext* context);
ExitCode DeleteUser(CommandContext* context);
ExitCode DeleteVhost(CommandContext* context);
ExitCode ListPermissions(CommandContext* context);
ExitCode ListUserPermissions(CommandContext* context);
ExitCode ListUsers(CommandContext* context);
ExitCode SetPermissions(CommandContext* context);
ExitCode SetUserTags(CommandContext* context);

// commands_lists.cc
ExitCode ListBindings(CommandContext* context);
ExitCode ListChannels(CommandContext* context);
ExitCode ListConnections(CommandContext* context);
ExitCode ListConsumers(CommandContext* context);
ExitCode ListExchanges(CommandContext* context);
ExitCode ListQueues(CommandContext* context);
ExitCode ListVhosts(CommandContext* context);

// commands_operations.cc
ExitCode CloseAllConnections(CommandContext* context);
ExitCode CloseAllUserConnections(CommandContext* context);
ExitCode CloseConnection(CommandContext* context);
ExitCode DeleteQueue(CommandContext* context);
ExitCode PurgeQueue(CommandContext* context);
ExitCode SetDiskFreeLimit(CommandContext* context);
ExitCode SetVmMemoryHighWatermark(CommandContext* context);

// commands_node.cc
ExitCode AwaitOnlineNodes(CommandContext* context);
ExitCode AwaitStartup(CommandContext* context);
ExitCode Ping(CommandContext* context);
ExitCode RotateLogs(CommandContext* context);
ExitCode Shutdown(CommandContext* context);
ExitCode StartApp(CommandContext* context);
ExitCode Stop(CommandContext* context);
ExitCode StopApp(CommandContext* context);
ExitCode Wait(CommandContext* context);

// commands_status.cc
ExitCode ClusterStatus(CommandContext* context);
ExitCode Environment(CommandContext* context);
ExitCode Status(CommandContext* context);

// commands_health.cc
ExitCode Alarms(CommandContext* context);
ExitCode CheckAlarms(CommandContext* context);
ExitCode CheckPortConnectivity(CommandContext* context);
ExitCode CheckPortListener(CommandContext* context);
ExitCode CheckProtocolListener(CommandContext* context);
ExitCode CheckRunning(CommandContext* context);
ExitCode CheckVirtualHosts(CommandContext* context);
ExitCode IsBooting(CommandContext* context);
ExitCode IsRunning(CommandContext* context);
ExitCode Listeners(CommandContext* context);
ExitCode LogLocation(CommandContext* context);
ExitCode ServerVersion(CommandContext* context);

// commands_offline.cc: these ask no node.
ExitCode Autocomplete(CommandContext* context);
ExitCode HashPassword(CommandContext* context);
ExitCode Help(CommandContext* context);
ExitCode ListHashes(CommandContext* context);
ExitCode Version(CommandContext* context);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_COMMANDS_H_
