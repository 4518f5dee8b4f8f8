#ifndef PONTOON_SERVER_NET_NET_TEST_SUPPORT_H_
#define PONTOON_SERVER_NET_NET_TEST_SUPPORT_H_

// For this room's tests: a listener with recording sessions, and a blocking client.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "server/net/event_loop.h"
#include "server/net/listener.h"
#include "server/net/stream_socket.h"

namespace pontoon::net {

// Runs `work` on the loop and waits for it.
inline void RunOn(EventLoop* loop, const std::function<void()>& work) {
  std::promise<void> done;
  loop->Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

// Waits for something that a loop will bring about.
class Signal {
 public:
  base::Mutex mutex;
  void Changed() { condition_.NotifyAll(); }
  template <typename F>
  bool Await(F condition) {
    base::MutexLock lock(&mutex);
    for (int i = 0; i < 200; ++i) {
      if (condition()) return true;
      condition_.WaitFor(&mutex, std::chrono::milliseconds(100));
    }
    return condition();
  }

 private:
  base::CondVar condition_;
};

// The server's end of a connection: what came of it can be awaited by the test's thread.
class TestSession final : public StreamHandler {
 public:
  TestSession(EventLoop* l, AcceptedSocket accepted, StreamSocket::Options options = {})
      : loop(l), socket(std::make_unique<StreamSocket>(l, std::move(accepted), this, options)) {}

  void OnOpen() override {
    base::MutexLock lock(&signal.mutex);
    open = true;
    signal.Changed();
  }
  void OnBytes(base::Slice bytes) override {
    if (on_bytes) on_bytes(bytes);
    base::MutexLock lock(&signal.mutex);
    received.append(bytes.data(), bytes.size());
    kept.push_back(std::move(bytes));
    signal.Changed();
  }
  void OnWritten(uint64_t position) override {
    base::MutexLock lock(&signal.mutex);
    written = position;
    signal.Changed();
  }
  void OnWriteQueueLow() override {
    base::MutexLock lock(&signal.mutex);
    ++lows;
    signal.Changed();
  }
  void OnClosed(const absl::Status& reason) override {
    base::MutexLock lock(&signal.mutex);
    closed = reason;
    signal.Changed();
  }

  bool AwaitReceived(size_t bytes) {
    return signal.Await([&] { return received.size() >= bytes; });
  }
  absl::Status AwaitClosed() {
    return signal.Await([&] { return closed.has_value(); }) ? *closed
                                                            : absl::InternalError("not closed");
  }

  EventLoop* const loop;
  std::unique_ptr<StreamSocket> socket;
  std::function<void(const base::Slice&)> on_bytes;
  Signal signal;
  bool open = false;
  std::string received;
  std::vector<base::Slice> kept;
  uint64_t written = 0;
  int lows = 0;
  std::optional<absl::Status> closed;
};

// Some loops, a listener on a free port of 127.0.0.1, and all sessions that came.
class TestServer {
 public:
  explicit TestServer(int loop_count = 1) {
    for (int i = 0; i < loop_count; ++i) {
      loops.push_back(
          std::make_unique<EventLoop>(EventLoop::Options{.id = {static_cast<uint16_t>(i)}}));
    }
  }

  absl::Status Start(Listener::Options options = {}, StreamSocket::Options socket_options = {}) {
    std::vector<EventLoop*> all;
    for (auto& loop : loops) {
      loop->Start();
      all.push_back(loop.get());
    }
    options.host = "127.0.0.1";
    auto opened = Listener::Open(
        all, options,
        [this, socket_options](EventLoop* loop, AcceptedSocket accepted) {
          auto session = std::make_shared<TestSession>(loop, std::move(accepted), socket_options);
          if (prepare) prepare(session.get());
          session->socket->Start();
          base::MutexLock lock(&signal.mutex);
          sessions.push_back(std::move(session));
          signal.Changed();
        },
        [this](const absl::Status& why, uint64_t count) {
          base::MutexLock lock(&signal.mutex);
          refused += count;
          ++refusals_told;
          refused_why = why;
          signal.Changed();
        });
    if (!opened.ok()) return opened.status();
    listener = std::move(*opened);
    return absl::OkStatus();
  }

  ~TestServer() {
    listener.reset();
    for (auto& session : sessions) RunOn(session->loop, [&] { session->socket.reset(); });
    for (auto& loop : loops) loop->Stop();
  }

  std::shared_ptr<TestSession> AwaitSession(size_t number = 0) {
    if (!signal.Await([&] { return sessions.size() > number; })) return nullptr;
    base::MutexLock lock(&signal.mutex);
    return sessions[number];
  }
  EventLoop* loop() { return loops[0].get(); }
  uint16_t port() const { return listener->local().port; }

  std::vector<std::unique_ptr<EventLoop>> loops;
  std::unique_ptr<Listener> listener;
  std::function<void(TestSession*)> prepare;
  Signal signal;
  std::vector<std::shared_ptr<TestSession>> sessions;
  uint64_t refused = 0;
  int refusals_told = 0;
  absl::Status refused_why;
};

// A client with a blocking socket.
class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TestClient() { Close(); }
  TestClient(const TestClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Up to `bytes`, fewer if the server closes before.
  std::string Receive(size_t bytes) {
    std::string all;
    char buffer[65536];
    while (all.size() < bytes) {
      pollfd ask{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&ask, 1, 20000) != 1) break;
      const ssize_t n = recv(fd_, buffer, std::min(sizeof buffer, bytes - all.size()), 0);
      if (n <= 0) break;
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }
  // True once the server has closed (or reset) and nothing is left to read.
  bool AwaitEnd() {
    char byte;
    pollfd ask{.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&ask, 1, 20000) == 1 && recv(fd_, &byte, 1, 0) <= 0;
  }
  void Reset() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    Close();
  }
  void ShutdownWrites() { shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  bool connected_ = false;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_NET_TEST_SUPPORT_H_
