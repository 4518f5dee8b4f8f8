#include "server/net/bind.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/net/endpoint.h"
#include "server/net/transport.h"

namespace pontoon::net {
namespace {

absl::Status BindError(int error, const std::string& host, uint16_t port) {
  const std::string where =
      absl::StrCat("port ", port, " on ", host.empty() ? "all addresses" : host);
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(absl::StrCat(where, " is already in use", PortOwner(port)));
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          "cannot listen on ", where, ": permission denied (ports below 1024 need privileges)"));
    case EADDRNOTAVAIL:
      return absl::InvalidArgumentError(
          absl::StrCat("cannot listen on ", where, ": this machine does not have the address"));
    default:
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", where, ": ", SocketError(error).message()));
  }
}

// The socket, or the errno negated.
int TryListen(const addrinfo& address, int backlog, bool reuse_address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int reuse = reuse_address ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (address.ai_family == AF_INET6) {
    const int only_v6 = 0;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  }
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, backlog) == 0) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

// Inodes of sockets that listen on `port`, from one of the kernel's tables.
void ListeningInodes(const char* table, uint16_t port, std::vector<std::string>* inodes) {
  std::ifstream in(table);
  std::string line;
  while (std::getline(in, line)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    // "sl local_address rem_address st ... uid timeout inode"; state 0A is LISTEN.
    if (words.size() < 10 || words[3] != "0A") continue;
    const std::pair<std::string, std::string> local = absl::StrSplit(words[1], ':');
    uint32_t number = 0;
    if (absl::SimpleHexAtoi(local.second, &number) && number == port) inodes->push_back(words[9]);
  }
}

bool HoldsSocket(const std::string& process, const std::vector<std::string>& sockets) {
  const std::string folder = absl::StrCat("/proc/", process, "/fd");
  const std::unique_ptr<DIR, int (*)(DIR*)> fds(opendir(folder.c_str()), closedir);
  if (fds == nullptr) return false;
  while (const dirent* fd = readdir(fds.get())) {
    char target[64];
    const ssize_t size =
        readlink(absl::StrCat(folder, "/", fd->d_name).c_str(), target, sizeof target);
    if (size <= 0) continue;
    const absl::string_view text(target, static_cast<size_t>(size));
    for (const std::string& socket : sockets) {
      if (text == socket) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<int> BindAndListen(const std::string& host, uint16_t port, int backlog,
                                  bool reuse_address) {
  std::vector<std::string> hosts = {host};
  if (host.empty()) hosts = {"::", "0.0.0.0"};
  int error = EADDRNOTAVAIL;
  for (const std::string& name : hosts) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failed = getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (failed != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot listen on port ", port, " on ", name, ": ", gai_strerror(failed)));
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
    const int fd = TryListen(*addresses, backlog, reuse_address);
    if (fd >= 0) return fd;
    error = -fd;
    // Only where there is no IPv6 at all is the next one tried.
    if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL) break;
  }
  return BindError(error, host, port);
}

std::string PortOwner(uint16_t port) {
  std::vector<std::string> inodes;
  ListeningInodes("/proc/net/tcp", port, &inodes);
  ListeningInodes("/proc/net/tcp6", port, &inodes);
  if (inodes.empty()) return "";
  for (std::string& inode : inodes) inode = absl::StrCat("socket:[", inode, "]");
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(opendir("/proc"), closedir);
  if (processes == nullptr) return "";
  while (const dirent* entry = readdir(processes.get())) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid) || !HoldsSocket(entry->d_name, inodes)) continue;
    std::string name;
    std::getline(std::ifstream(absl::StrCat("/proc/", pid, "/comm")), name);
    return absl::StrCat(" by ", name, " (pid ", pid, ")");
  }
  return "";
}

}  // namespace pontoon::net
