#ifndef PONTOON_SERVER_NET_ACCEPTED_SOCKET_H_
#define PONTOON_SERVER_NET_ACCEPTED_SOCKET_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "server/net/endpoint.h"
#include "server/net/tls_context.h"

namespace pontoon::net {

// How many connections a node may have at once, over all its listeners. Any thread.
class ConnectionLimit {
 public:
  explicit ConnectionLimit(uint64_t most) : most_(most) {}
  uint64_t open() const { return open_.load(std::memory_order_relaxed); }
  uint64_t most() const { return most_; }

 private:
  friend class ConnectionSlot;
  const uint64_t most_;
  std::atomic<uint64_t> open_{0};
};

// One connection's place under the limit, given back when destroyed.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  // An empty slot when there is no room. A null limit has room for all.
  static bool Take(std::shared_ptr<ConnectionLimit> limit, ConnectionSlot* slot) {
    if (limit != nullptr && limit->open_.fetch_add(1, std::memory_order_relaxed) >= limit->most_) {
      limit->open_.fetch_sub(1, std::memory_order_relaxed);
      return false;
    }
    *slot = ConnectionSlot();
    slot->limit_ = std::move(limit);
    return true;
  }
  ConnectionSlot(ConnectionSlot&& other) noexcept = default;
  ConnectionSlot& operator=(ConnectionSlot&& other) noexcept {
    std::swap(limit_, other.limit_);
    return *this;
  }
  ~ConnectionSlot() {
    if (limit_ != nullptr) limit_->open_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<ConnectionLimit> limit_;
};

// A connection on its way from the listener to the loop that will serve it. Closes the socket
// unless it was taken.
class AcceptedSocket {
 public:
  AcceptedSocket(int fd, ConnectionSlot slot, std::shared_ptr<const TlsContext> tls);
  AcceptedSocket(AcceptedSocket&& other) noexcept;
  AcceptedSocket& operator=(AcceptedSocket&&) = delete;
  ~AcceptedSocket();

  int fd() const { return fd_; }
  int TakeFd() { return std::exchange(fd_, -1); }
  ConnectionSlot TakeSlot() { return std::move(slot_); }
  const std::shared_ptr<const TlsContext>& tls() const { return tls_; }
  const Endpoint& peer() const { return peer_; }
  const Endpoint& local() const { return local_; }

 private:
  int fd_;
  ConnectionSlot slot_;
  std::shared_ptr<const TlsContext> tls_;
  Endpoint peer_;
  Endpoint local_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_ACCEPTED_SOCKET_H_
