#ifndef PONTOON_CLIENT_CTL_COMMAND_SPEC_H_
#define PONTOON_CLIENT_CTL_COMMAND_SPEC_H_

#include <string>
#include <vector>

#include "absl/types/span.h"

namespace pontoon::ctl {

// Under which heading `help` lists a command.
enum class Section {
  kHelp,
  kNodes,
  kCluster,
  kUsers,
  kAccessControl,
  kMonitoring,
  kVhosts,
  kConfiguration,
  kOperations,
  kQueues,
};

// What is known of a command without running it.
struct CommandSpec {
  const char* name;
  Section section;
  int arguments_min;
  int arguments_max;
  const char* usage;        // Behind the general options.
  const char* description;  // A sentence without its full stop.
  // The columns of a listing, each between single spaces, those that are shown if none is asked for
  // first; else null.
  const char* columns = nullptr;
  int default_columns = 0;
};

absl::Span<const CommandSpec> AllCommands();
// Null if there is none of that name.
const CommandSpec* FindCommand(const std::string& name);
// The command whose name is most like that, or null if none is like it.
const CommandSpec* SuggestCommand(const std::string& name);

// "rabbitmqctl [--node <node>] [--longnames] [--quiet] ping [--timeout <timeout>]" under its
// heading.
std::string UsageOf(const CommandSpec& command, bool in_diagnostics = false);
// What `help COMMAND` prints.
std::string HelpOn(const CommandSpec& command);
// What `help` prints: all commands by section.
std::string HelpOnAll();

std::vector<std::string> ColumnsOf(const CommandSpec& command);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_COMMAND_SPEC_H_
