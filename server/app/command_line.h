#ifndef PONTOON_SERVER_APP_COMMAND_LINE_H_
#define PONTOON_SERVER_APP_COMMAND_LINE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/config.h"

namespace pontoon::app {

struct CommandLine {
  std::string config_file;           // Empty: not given.
  std::vector<Assignment> settings;  // --listeners.tcp.default 5673, --data-dir DIR, ...
  bool accept_data_loss = false;  // --accept-data-loss: go on with what is left of a damaged store.
  std::string print;              // Not empty: print this and exit (--help, --version).
};

// `arguments` without the program's name. Every key of rabbitmq.conf is an option: `--key value` or
// `--key=value`. InvalidArgument: something that is not an option, or an option without its value.
// Whether a key exists is checked later, with the file's.
absl::StatusOr<CommandLine> ParseCommandLine(std::vector<std::string> arguments);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_COMMAND_LINE_H_
