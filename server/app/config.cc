#include "server/app/config.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/app/setting_table.h"
#include "server/app/setting_values.h"

extern char** environ;

namespace pontoon::app {
namespace {

constexpr char kSystemFile[] = "/etc/rabbitmq/rabbitmq.conf";
constexpr char kSystemFolder[] = "/etc/rabbitmq/conf.d";
constexpr size_t kSuggestions = 3;

absl::Status UnknownKey(const Assignment& assignment) {
  std::string text =
      absl::StrCat("You've tried to set ", assignment.key,
                   ", but there is no setting with that name.\n  Did you mean one of these?\n");
  for (const std::string& key : SimilarKeys(assignment.key, kSuggestions))
    absl::StrAppend(&text, "    ", key, "\n");
  absl::StrAppend(&text,
                  "Error preparing configuration in phase transform_datatypes:\n"
                  "  - Conf file attempted to set unknown variable: ",
                  assignment.key, " (", assignment.Where(), ")");
  return absl::InvalidArgumentError(text);
}

absl::Status BadValue(const Assignment& assignment, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("Error preparing configuration in phase transform_datatypes:\n  - Error "
                   "transforming datatype for: ",
                   assignment.key, " (", assignment.Where(), ")\n  - ", why));
}

absl::Status Apply(const Assignment& assignment, LoadedConfig* config) {
  std::string name;
  const SettingSpec* spec = FindSetting(assignment.key, &name);
  if (spec == nullptr) return UnknownKey(assignment);
  if (spec->set == nullptr) {
    if (spec->default_text.empty() || assignment.value != spec->default_text) {
      config->warnings.push_back(absl::StrCat("the setting ", assignment.key, " (",
                                              assignment.Where(),
                                              ") is not supported and has no effect"));
    }
    return absl::OkStatus();
  }
  const absl::Status status = spec->set(name, assignment.value, &config->settings);
  return status.ok() ? status : BadValue(assignment, status.message());
}

// The last line of each key, in the order of these lines.
std::vector<Assignment> LastOfEachKey(const std::vector<Assignment>& all) {
  std::map<std::string, size_t> last;
  for (size_t i = 0; i < all.size(); ++i) last[all[i].key] = i;
  std::vector<Assignment> kept;
  for (size_t i = 0; i < all.size(); ++i) {
    if (last[all[i].key] == i) kept.push_back(all[i]);
  }
  // Numbered lists (auth_mechanisms.2, ...) are in the order of their numbers.
  std::stable_sort(kept.begin(), kept.end(), [](const Assignment& a, const Assignment& b) {
    const auto numbered = [](const Assignment& x) {
      return absl::StartsWith(x.key, "auth_mechanisms.");
    };
    if (!numbered(a) || !numbered(b)) return !numbered(a) && numbered(b);
    return a.key.size() != b.key.size() ? a.key.size() < b.key.size() : a.key < b.key;
  });
  return kept;
}

bool Names(const std::vector<Assignment>& all, absl::string_view prefix) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Assignment& a) { return absl::StartsWith(a.key, prefix); });
}

bool IsNone(const std::vector<Assignment>& all, absl::string_view key) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Assignment& a) { return a.key == key && a.value == "none"; });
}

// Lists in Settings begin with their default; the first line that says something of a list empties
// it.
void EmptyNamedLists(const std::vector<Assignment>& all, Settings* settings) {
  if (Names(all, "listeners.tcp.")) settings->tcp_listeners.clear();
  if (Names(all, "listeners.ssl.")) settings->ssl_listeners.clear();
  if (Names(all, "auth_mechanisms.")) settings->auth_mechanisms.clear();
  if (Names(all, "default_user_tags.")) settings->default_user_tags.clear();
  if (Names(all, "ssl_options.versions.")) settings->tls.versions.clear();
  if (Names(all, "ssl_options.ciphers.")) settings->tls.ciphers.clear();
}

const std::string* Find(const Environment& environment, const std::string& name) {
  const auto it = environment.find(name);
  return it == environment.end() || it->second.empty() ? nullptr : &it->second;
}

// What the environment says with less weight than a file.
absl::Status ApplyEarlyEnvironment(const Environment& environment, LoadedConfig* config) {
  Settings& settings = config->settings;
  if (const std::string* port = Find(environment, "RABBITMQ_NODE_PORT")) {
    const Assignment assignment{"listeners.tcp.default", *port,
                                "RABBITMQ_NODE_PORT in the environment", 0};
    const absl::Status status = ReadInteger(*port, &settings.tcp_listeners[0].port);
    if (!status.ok()) return BadValue(assignment, status.message());
  }
  if (const std::string* address = Find(environment, "RABBITMQ_NODE_IP_ADDRESS")) {
    if (*address != "auto") settings.tcp_listeners[0].host = *address;
  }
  if (const std::string* base = Find(environment, "RABBITMQ_MNESIA_BASE")) {
    settings.data_dir = absl::StrCat(*base, "/", settings.node_name);
  }
  if (const std::string* dir = Find(environment, "RABBITMQ_MNESIA_DIR")) settings.data_dir = *dir;
  if (const std::string* dir = Find(environment, "RABBITMQ_LOG_BASE")) settings.log.dir = *dir;
  if (const std::string* cookie = Find(environment, "RABBITMQ_ERLANG_COOKIE")) {
    settings.cookie = *cookie;
    config->warnings.push_back("Overriding Erlang cookie using the value set in the environment");
  }
  return absl::OkStatus();
}

absl::Status ApplyLateEnvironment(const Environment& environment, LoadedConfig* config) {
  const std::pair<const char*, const char*> keys[] = {
      {"RABBITMQ_DEFAULT_USER", "default_user"},       {"RABBITMQ_DEFAULT_PASS", "default_pass"},
      {"RABBITMQ_DEFAULT_VHOST", "default_vhost"},     {"RABBITMQ_PRODUCT_NAME", "product.name"},
      {"RABBITMQ_PRODUCT_VERSION", "product.version"}, {"RABBITMQ_LOG", "log.default.level"}};
  for (const auto& [variable, key] : keys) {
    const std::string* value = Find(environment, variable);
    if (value == nullptr) continue;
    const absl::Status status =
        Apply({key, *value, absl::StrCat(variable, " in the environment"), 0}, config);
    if (!status.ok()) return status;
  }
  if (const std::string* logs = Find(environment, "RABBITMQ_LOGS")) {
    config->settings.log.file = *logs == "-" ? "" : *logs;
    config->settings.log.console = *logs == "-";
  }
  return absl::OkStatus();
}

absl::Status ApplyAll(const std::vector<Assignment>& all, LoadedConfig* config) {
  const std::vector<Assignment> kept = LastOfEachKey(all);
  EmptyNamedLists(kept, &config->settings);
  for (const Assignment& assignment : kept) {
    const absl::Status status = Apply(assignment, config);
    if (!status.ok()) return status;
  }
  if (IsNone(kept, "listeners.tcp")) config->settings.tcp_listeners.clear();
  if (IsNone(kept, "listeners.ssl")) config->settings.ssl_listeners.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in.good() && text.str().empty() && errno != 0) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the configuration file ", path, ": ", std::strerror(errno)));
  }
  return text.str();
}

void AppendFolder(const std::filesystem::path& folder, std::vector<std::string>* files) {
  std::error_code ignored;
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".conf") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  files->insert(files->end(), found.begin(), found.end());
}

std::string HostName() {
  char name[256] = "localhost";
  gethostname(name, sizeof name - 1);
  return std::string(name).substr(0, std::string(name).find('.'));
}

}  // namespace

std::string Assignment::Where() const {
  return line > 0 ? absl::StrCat(source, ", line ", line) : source;
}

Environment ProcessEnvironment() {
  Environment environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(*variable, absl::MaxSplits('=', 1));
    environment.insert(parts);
  }
  return environment;
}

absl::StatusOr<std::vector<Assignment>> ParseConfText(absl::string_view text,
                                                      const std::string& file) {
  std::vector<Assignment> all;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const size_t equals = line.find('=');
    const absl::string_view key = absl::StripAsciiWhitespace(line.substr(0, equals));
    const bool ill_formed = equals == absl::string_view::npos || key.empty() ||
                            key.find_first_of(" \t\"'") != absl::string_view::npos;
    const absl::string_view value =
        ill_formed ? absl::string_view() : absl::StripAsciiWhitespace(line.substr(equals + 1));
    if (value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("Error parsing configuration:\n  - Syntax error in ", file, ", line ",
                       number, ": expected key = value, found: ", line.substr(0, 100)));
    }
    all.push_back({std::string(key), std::string(value), file, number});
  }
  return all;
}

absl::StatusOr<LoadedConfig> ResolveSettings(const std::vector<Assignment>& from_files,
                                             const Environment& environment,
                                             const std::vector<Assignment>& from_flags,
                                             const std::string& host_name) {
  LoadedConfig config;
  const std::string* node = Find(environment, "RABBITMQ_NODENAME");
  config.settings.node_name = node != nullptr ? *node : "rabbit";
  if (!absl::StrContains(config.settings.node_name, "@")) {
    absl::StrAppend(&config.settings.node_name, "@", host_name);
  }
  absl::Status status = ApplyEarlyEnvironment(environment, &config);
  if (status.ok()) status = ApplyAll(from_files, &config);
  if (status.ok()) status = ApplyLateEnvironment(environment, &config);
  if (status.ok()) status = ApplyAll(from_flags, &config);
  if (!status.ok()) return status;
  Settings& settings = config.settings;
  if (settings.cluster_name.empty()) settings.cluster_name = settings.node_name;
  if (settings.log.dir.empty()) settings.log.dir = settings.data_dir + "/log";
  return config;
}

absl::StatusOr<std::vector<std::string>> ConfigFiles(const std::string& given,
                                                     const Environment& environment) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<std::string> files;
  std::string named = given;
  if (const std::string* file = Find(environment, "RABBITMQ_CONFIG_FILE");
      named.empty() && file != nullptr) {
    // The variable may leave out the extension.
    named = fs::exists(*file + ".conf", ignored) && !fs::is_regular_file(*file, ignored)
                ? *file + ".conf"
                : *file;
  }
  if (!named.empty()) {
    if (!fs::exists(named, ignored)) {
      return absl::NotFoundError(absl::StrCat("the configuration file ", named, " does not exist"));
    }
    files.push_back(named);
  } else if (fs::exists(kSystemFile, ignored)) {
    files.push_back(kSystemFile);
  }
  if (!given.empty()) return files;
  if (const std::string* folder = Find(environment, "RABBITMQ_CONFIG_FILES")) {
    // A folder, or a pattern "folder/*.conf".
    AppendFolder(
        fs::is_directory(*folder, ignored) ? fs::path(*folder) : fs::path(*folder).parent_path(),
        &files);
  } else if (named.empty()) {
    AppendFolder(kSystemFolder, &files);
  }
  return files;
}

absl::StatusOr<LoadedConfig> LoadConfig(const std::string& given_file,
                                        const Environment& environment,
                                        const std::vector<Assignment>& from_flags) {
  absl::StatusOr<std::vector<std::string>> files = ConfigFiles(given_file, environment);
  if (!files.ok()) return files.status();
  std::vector<Assignment> all;
  for (const std::string& file : *files) {
    const absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) return text.status();
    absl::StatusOr<std::vector<Assignment>> lines = ParseConfText(*text, file);
    if (!lines.ok()) return lines.status();
    all.insert(all.end(), lines->begin(), lines->end());
  }
  absl::StatusOr<LoadedConfig> config = ResolveSettings(all, environment, from_flags, HostName());
  if (config.ok()) config->files = *std::move(files);
  return config;
}

}  // namespace pontoon::app
