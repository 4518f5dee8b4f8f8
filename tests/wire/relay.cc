#include "tests/wire/relay.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace pontoon::tests {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Relay::Relay(uint16_t target) : target_(target) {
  PONTOON_CHECK(pipe(wake_) == 0);
  Listen();
  thread_ = std::thread([this] { Run(); });
}

Relay::~Relay() {
  Give(Order::kStop);
  thread_.join();
  for (const Pair& pair : pairs_) close(pair.client), close(pair.server);
  if (listener_ >= 0) close(listener_);
  close(wake_[0]);
  close(wake_[1]);
}

void Relay::Listen() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = Loopback(port_);
  PONTOON_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  PONTOON_CHECK(listen(listener_, 64) == 0);
  socklen_t size = sizeof(address);
  PONTOON_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
}

void Relay::Give(Order order) {
  base::MutexLock lock(&mutex_);
  order_ = order;
  PONTOON_CHECK(write(wake_[1], "x", 1) == 1);
  while (order_ != Order::kNone) changed_.Wait(&mutex_);
}

void Relay::Kill() { Give(Order::kKill); }
void Relay::Revive() { Give(Order::kRevive); }

void Relay::Reset(int fd) {
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

void Relay::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(target_);
  if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Reset(client);
    close(server);
    return;
  }
  pairs_.push_back({client, server});
}

bool Relay::Forward(int from, int to, bool to_target) {
  char buffer[65536];
  const ssize_t size = recv(from, buffer, sizeof(buffer), 0);
  if (size <= 0) return false;
  if (to_target) forwarded_ += static_cast<uint64_t>(size);
  for (ssize_t at = 0; at < size;) {
    const ssize_t n = send(to, buffer + at, static_cast<size_t>(size - at), MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += n;
  }
  return true;
}

void Relay::Run() {
  std::vector<pollfd> polled;
  while (true) {
    polled.assign({{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}});
    for (const Pair& pair : pairs_) {
      polled.push_back({pair.client, POLLIN, 0});
      polled.push_back({pair.server, POLLIN, 0});
    }
    poll(polled.data(), polled.size(), -1);
    for (size_t i = pairs_.size(); i-- > 0;) {
      const auto [client, server] = pairs_[i];
      const bool alive = (polled[2 + 2 * i].revents == 0 || Forward(client, server, true)) &&
                         (polled[3 + 2 * i].revents == 0 || Forward(server, client, false));
      if (alive) continue;
      Reset(client);
      Reset(server);
      pairs_.erase(pairs_.begin() + static_cast<ptrdiff_t>(i));
    }
    if (polled[1].revents != 0) Accept();
    if (polled[0].revents == 0) continue;
    char byte;
    PONTOON_CHECK(read(wake_[0], &byte, 1) == 1);
    base::MutexLock lock(&mutex_);
    const Order order = order_;
    if (order == Order::kKill) {
      for (const Pair& pair : pairs_) Reset(pair.client), Reset(pair.server);
      pairs_.clear();
      close(listener_);
      listener_ = -1;
    } else if (order == Order::kRevive) {
      Listen();
    }
    order_ = Order::kNone;
    changed_.NotifyAll();
    if (order == Order::kStop) return;
  }
}

}  // namespace pontoon::tests
