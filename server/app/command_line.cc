#include "server/app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "server/app/setting_table.h"

namespace pontoon::app {
namespace {

constexpr char kSource[] = "command line";

std::string HelpOnSettings() {
  std::string text = "Every setting of rabbitmq.conf is an option too, and wins over the file:\n";
  for (const SettingSpec& spec : SettingTable()) {
    if (spec.set == nullptr) continue;
    absl::StrAppend(&text, absl::StrFormat("  --%-42s %s", spec.key, spec.doc));
    if (!spec.default_text.empty()) absl::StrAppend(&text, " [", spec.default_text, "]");
    absl::StrAppend(&text, "\n");
  }
  return text;
}

absl::Status AddSettings(const std::vector<std::string>& rest, CommandLine* line) {
  for (size_t i = 0; i < rest.size(); ++i) {
    absl::string_view option = rest[i];
    if (!absl::ConsumePrefix(&option, "--") || option.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument \"", rest[i], "\" (see --help)"));
    }
    const size_t equals = option.find('=');
    if (equals != absl::string_view::npos) {
      line->settings.push_back({std::string(option.substr(0, equals)),
                                std::string(option.substr(equals + 1)), kSource, 0});
    } else if (i + 1 < rest.size()) {
      line->settings.push_back({std::string(option), rest[++i], kSource, 0});
    } else {
      return absl::InvalidArgumentError(absl::StrCat("the option ", rest[i], " needs a value"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(std::vector<std::string> arguments) {
  CommandLine line;
  std::string data_dir, node_name, cookie_file;
  bool version = false;
  CLI::App options("An AMQP 0-9-1 broker that RabbitMQ's users can switch to.", "pontoon-server");
  options.add_option("-c,--config", line.config_file,
                     "rabbitmq.conf-style file (default /etc/rabbitmq/rabbitmq.conf)");
  options.add_option("--data-dir", data_dir, "folder of all that is stored");
  options.add_option("-n,--node-name", node_name, "rabbit@host");
  options.add_option("--cookie-file", cookie_file, "secret that pontoonctl must know");
  options.add_flag("--accept-data-loss", line.accept_data_loss,
                   "copy a damaged data directory aside, keep what is left of it, and exit");
  options.add_flag("--version", version, "print the version and exit");
  options.footer(HelpOnSettings());
  options.allow_extras();
  try {
    // CLI11 takes them from the back.
    std::reverse(arguments.begin(), arguments.end());
    options.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    line.print = options.help();
    return line;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (version) {
    line.print = "pontoon-server " PONTOON_VERSION "\n";
    return line;
  }
  const absl::Status status = AddSettings(options.remaining(), &line);
  if (!status.ok()) return status;
  if (!data_dir.empty()) line.settings.push_back({"pontoon.data_dir", data_dir, kSource, 0});
  if (!node_name.empty()) line.settings.push_back({"pontoon.node_name", node_name, kSource, 0});
  if (!cookie_file.empty())
    line.settings.push_back({"pontoon.cookie_file", cookie_file, kSource, 0});
  return line;
}

}  // namespace pontoon::app
