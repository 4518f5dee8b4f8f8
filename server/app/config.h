#ifndef PONTOON_SERVER_APP_CONFIG_H_
#define PONTOON_SERVER_APP_CONFIG_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/app/settings.h"

namespace pontoon::app {

// One setting as somebody wrote it.
struct Assignment {
  std::string key;
  std::string value;
  std::string source;  // A file, "command line" or an environment variable.
  int line = 0;        // In the file, from 1; 0 elsewhere.

  // "/etc/rabbitmq/rabbitmq.conf, line 3".
  std::string Where() const;
};

// The variables of the process, or of a test.
using Environment = std::map<std::string, std::string>;
Environment ProcessEnvironment();

// The lines `key = value` of a rabbitmq.conf (sysctl style: "#" begins a comment, blank lines do
// not matter). InvalidArgument: a line is neither; names file and line.
absl::StatusOr<std::vector<Assignment>> ParseConfText(absl::string_view text,
                                                      const std::string& file);

struct LoadedConfig {
  Settings settings;
  std::vector<std::string> files;     // That were read, in this order.
  std::vector<std::string> warnings;  // For the log, once there is one.
};

// Applies what files, environment and command line say, the later over the earlier; within a file
// the last line wins. As in RabbitMQ a file's listeners win over RABBITMQ_NODE_PORT and
// RABBITMQ_NODE_IP_ADDRESS, and RABBITMQ_DEFAULT_USER, _PASS and _VHOST over a file.
// InvalidArgument, in RabbitMQ's words and with the place: a key that does not exist, a value that
// does not fit. `host_name` names the node if nobody does.
absl::StatusOr<LoadedConfig> ResolveSettings(const std::vector<Assignment>& from_files,
                                             const Environment& environment,
                                             const std::vector<Assignment>& from_flags,
                                             const std::string& host_name);

// The files to read: `given` (from the command line), or RABBITMQ_CONFIG_FILE and
// RABBITMQ_CONFIG_FILES, or /etc/rabbitmq/rabbitmq.conf and /etc/rabbitmq/conf.d/*.conf as far as
// they exist. NotFound: one that was named.
absl::StatusOr<std::vector<std::string>> ConfigFiles(const std::string& given,
                                                     const Environment& environment);

// All of the above for a node's start.
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& given_file,
                                        const Environment& environment,
                                        const std::vector<Assignment>& from_flags);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_CONFIG_H_
