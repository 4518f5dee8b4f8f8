#include "client/ctl/node_address.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pontoon::ctl {
namespace {

constexpr uint16_t kDefaultPort = 25672;
constexpr uint32_t kAmqpToAdminPort = 20000;
constexpr char kCookieFile[] = ".erlang.cookie";

std::string Get(const Words& words, const std::string& name) {
  const auto it = words.find(name);
  return it == words.end() ? std::string() : it->second;
}

std::string ShortName(const std::string& host_name) {
  return host_name.substr(0, host_name.find('.'));
}

bool ReadCookie(const std::string& path, NodeAddress* address) {
  std::ifstream file(path);
  std::string cookie;
  if (!(file >> cookie)) return false;
  address->cookie = cookie;
  address->cookie_source = path;
  return true;
}

absl::StatusOr<uint16_t> PortOf(const std::string& text, uint32_t added) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text, &port) || port == 0 || port + added > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not a port"));
  }
  return static_cast<uint16_t>(port + added);
}

}  // namespace

bool IsThisHost(const std::string& host, const std::string& host_name) {
  return host == "localhost" || host == "127.0.0.1" || host == host_name ||
         host == ShortName(host_name);
}

absl::StatusOr<NodeAddress> FindNode(const Words& options, const Words& environment,
                                     const std::string& host_name) {
  NodeAddress address;
  address.node = Get(options, "node");
  if (address.node.empty()) address.node = Get(environment, "RABBITMQ_NODENAME");
  std::string data_dir = Get(options, "data-dir");
  if (data_dir.empty()) data_dir = Get(environment, "PONTOON_DATA_DIR");

  std::string named_by_file;
  if (const std::string port = Get(options, "port"); !port.empty()) {
    absl::StatusOr<uint16_t> number = PortOf(port, 0);
    if (!number.ok()) return number.status();
    address.port = *number;
  } else if (!data_dir.empty()) {
    std::ifstream file(data_dir + "/admin.endpoint");
    std::string host, port_text;
    if (file >> host >> port_text >> named_by_file) {
      absl::StatusOr<uint16_t> number = PortOf(port_text, 0);
      if (!number.ok()) return number.status();
      address.host = host;
      address.port = *number;
    }
  }
  if (address.port == 0) {
    const std::string admin_port = Get(environment, "RABBITMQ_DIST_PORT");
    const std::string amqp_port = Get(environment, "RABBITMQ_NODE_PORT");
    absl::StatusOr<uint16_t> number = kDefaultPort;
    if (!admin_port.empty()) {
      number = PortOf(admin_port, 0);
    } else if (!amqp_port.empty()) {
      number = PortOf(amqp_port, kAmqpToAdminPort);
    }
    if (!number.ok()) return number.status();
    address.port = *number;
  }

  const bool long_names = Get(options, "longnames") == "true";
  const std::string this_host = long_names ? host_name : ShortName(host_name);
  if (address.node.empty()) {
    address.node_is_named = !named_by_file.empty();
    address.node = named_by_file.empty() ? absl::StrCat("rabbit@", this_host) : named_by_file;
  } else if (address.node.find('@') == std::string::npos) {
    absl::StrAppend(&address.node, "@", this_host);
  }

  if (const std::string file = Get(options, "cookie-file"); !file.empty()) {
    if (!ReadCookie(file, &address)) address.cookie_source = file;
    return address;
  }
  std::string cookie = Get(options, "erlang-cookie");
  if (cookie.empty()) cookie = Get(environment, "RABBITMQ_ERLANG_COOKIE");
  if (!cookie.empty()) {
    address.cookie = cookie;
    address.cookie_source = "RABBITMQ_ERLANG_COOKIE";
    return address;
  }
  if (!data_dir.empty() && ReadCookie(absl::StrCat(data_dir, "/", kCookieFile), &address))
    return address;
  const std::string home = Get(environment, "HOME");
  if (!home.empty()) {
    const std::string file = absl::StrCat(home, "/", kCookieFile);
    if (!ReadCookie(file, &address)) address.cookie_source = file;
  }
  return address;
}

Words ReadEnvironment() {
  Words words;
  for (const char* name :
       {"RABBITMQ_NODENAME", "RABBITMQ_NODE_PORT", "RABBITMQ_DIST_PORT", "RABBITMQ_ERLANG_COOKIE",
        "RABBITMQ_CTL_TIMEOUT", "PONTOON_DATA_DIR", "HOME"}) {
    if (const char* value = std::getenv(name)) words[name] = value;
  }
  return words;
}

std::string HostName() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

}  // namespace pontoon::ctl
