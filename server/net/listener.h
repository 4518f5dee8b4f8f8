#ifndef PONTOON_SERVER_NET_LISTENER_H_
#define PONTOON_SERVER_NET_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/net/accepted_socket.h"
#include "server/net/endpoint.h"
#include "server/net/event_loop.h"

namespace pontoon::net {

// A port on which clients arrive. Connections go to the given loops in turn.
class Listener {
 public:
  struct Options {
    // A numeric address or a host name. Empty: all addresses, IPv6 and IPv4 (only IPv4 where there
    // is no IPv6).
    std::string host;
    uint16_t port = 0;  // 0: a free one, see local().
    int backlog = 128;
    bool reuse_address = true;
    bool nodelay = true;
    bool keepalive = false;
    int send_buffer_bytes = 0;               // 0: the kernel's choice.
    int receive_buffer_bytes = 0;            // 0: the kernel's choice.
    std::shared_ptr<ConnectionLimit> limit;  // Null: none but the process's descriptors.
    std::shared_ptr<const TlsContext> tls;   // Null: plain TCP.
  };
  // A connection came; runs on the loop that got it.
  using OnAccept = std::function<void(EventLoop* loop, AcceptedSocket socket)>;
  // `count` connections were refused, for `why`; the first at once, more are counted and told once
  // a second. Runs on the loop that accepts. ResourceExhausted: the connection limit, or the
  // process has no descriptor left.
  using OnRefuse = std::function<void(const absl::Status& why, uint64_t count)>;

  // Binds and listens; connections are accepted from now on, by the first of `loops` (all of which
  // outlive this). AlreadyExists: the port is in use, and by whom if that can be found out.
  // InvalidArgument: no such address here. PermissionDenied: the port is privileged. Every message
  // names address and port.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(std::vector<EventLoop*> loops,
                                                        Options options, OnAccept on_accept,
                                                        OnRefuse on_refuse);
  // Stops listening; waits for the accepting loop unless called on it. No OnRefuse comes after
  // this; an OnAccept may still be on its way to another loop.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The address in use, with the port that was given for port 0.
  const Endpoint& local() const { return local_; }
  bool is_tls() const { return is_tls_; }

 private:
  class Impl;
  Listener(EventLoop* loop, std::shared_ptr<Impl> impl, Endpoint local, bool is_tls);

  EventLoop* const loop_;
  std::shared_ptr<Impl> impl_;
  const Endpoint local_;
  const bool is_tls_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_LISTENER_H_
