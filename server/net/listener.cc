#include "server/net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/net/bind.h"
#include "server/net/descriptor.h"
#include "server/net/loop_core.h"
#include "server/net/transport.h"

namespace pontoon::net {
namespace {

// Connections taken per turn; the rest waits in the kernel's backlog.
constexpr int kAcceptsPerTurnMax = 64;
// Refusals are told at most this often.
constexpr base::Duration kTellRefusedEvery = base::Seconds(1);
// Until accepting is tried again after a failure that would otherwise come back at once.
constexpr base::Duration kRetryDelay = base::Millis(100);

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

void SetInt(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

class Listener::Impl final : public DescriptorObserver,
                             public std::enable_shared_from_this<Listener::Impl> {
 public:
  Impl(std::vector<EventLoop*> loops, Options options, OnAccept on_accept, OnRefuse on_refuse)
      : loops_(std::move(loops)),
        loop_(loops_[0]),
        options_(std::move(options)),
        on_accept_(std::make_shared<OnAccept>(std::move(on_accept))),
        on_refuse_(std::move(on_refuse)) {}

  ~Impl() {
    if (spare_ >= 0) close(spare_);
  }

  void Start(int fd) {
    spare_ = OpenSpare();
    descriptor_ = std::make_unique<Descriptor>(loop_, fd, this);
    descriptor_->WaitReadable();
  }

  void Stop() {
    descriptor_.reset();
    loop_->CancelTimer(&retry_);
    loop_->CancelTimer(&tell_);
  }

  void OnReadable() override {
    const auto self = shared_from_this();
    for (int i = 0; i < kAcceptsPerTurnMax; ++i) {
      if (descriptor_ == nullptr) return;
      const int fd = accept4(descriptor_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        Accepted(fd);
      } else if (errno == EMFILE || errno == ENFILE) {
        if (!RefuseForWantOfDescriptors()) return RetryLater();
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      } else if (errno != EINTR && errno != ECONNABORTED) {
        Refused(absl::ResourceExhaustedError(
            absl::StrCat("accept failed: ", SocketError(errno).message())));
        return RetryLater();
      }
    }
    if (descriptor_ != nullptr) descriptor_->WaitReadable();
  }

  void OnWritable() override {}
  void OnBroken() override {}

 private:
  void Accepted(int fd) {
    ConnectionSlot slot;
    if (!ConnectionSlot::Take(options_.limit, &slot)) {
      close(fd);
      Refused(absl::ResourceExhaustedError(
          absl::StrCat("the limit of ", options_.limit->most(), " connections is reached")));
      return;
    }
    if (options_.nodelay) SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options_.keepalive) SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (options_.send_buffer_bytes > 0)
      SetInt(fd, SOL_SOCKET, SO_SNDBUF, options_.send_buffer_bytes);
    if (options_.receive_buffer_bytes > 0)
      SetInt(fd, SOL_SOCKET, SO_RCVBUF, options_.receive_buffer_bytes);
    AcceptedSocket socket(fd, std::move(slot), options_.tls);
    EventLoop* loop = loops_[next_++ % loops_.size()];
    if (loop == loop_) {
      (*on_accept_)(loop, std::move(socket));
    } else {
      loop->Post([on_accept = on_accept_, loop, socket = std::move(socket)]() mutable {
        (*on_accept)(loop, std::move(socket));
      });
    }
  }

  // A connection that cannot be taken is closed at once, by means of a descriptor kept for this, so
  // that the client is not left waiting. False: not even that was possible.
  bool RefuseForWantOfDescriptors() {
    if (spare_ < 0) return false;
    close(spare_);
    const int fd = accept4(descriptor_->fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    spare_ = OpenSpare();
    if (fd < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    Refused(absl::ResourceExhaustedError("the process has no file descriptor left"));
    return true;
  }

  void RetryLater() {
    if (descriptor_ == nullptr || retry_) return;
    retry_ = loop_->RunAfter(kRetryDelay, [self = shared_from_this()] {
      self->retry_ = TimerId();
      if (self->spare_ < 0) self->spare_ = OpenSpare();
      self->OnReadable();
    });
  }

  void Refused(const absl::Status& why) {
    if (tell_) {
      ++untold_;
      untold_why_ = why;
      return;
    }
    on_refuse_(why, 1);
    WaitToTell();
  }

  void WaitToTell() {
    tell_ = loop_->RunAfter(kTellRefusedEvery, [self = shared_from_this()] {
      self->tell_ = TimerId();
      const uint64_t count = std::exchange(self->untold_, 0);
      if (count == 0) return;
      self->on_refuse_(self->untold_why_, count);
      self->WaitToTell();
    });
  }

  const std::vector<EventLoop*> loops_;
  EventLoop* const loop_;
  const Options options_;
  const std::shared_ptr<OnAccept> on_accept_;
  const OnRefuse on_refuse_;
  std::unique_ptr<Descriptor> descriptor_;
  int spare_ = -1;
  size_t next_ = 0;
  TimerId retry_;
  TimerId tell_;
  uint64_t untold_ = 0;
  absl::Status untold_why_;
};

Listener::Listener(EventLoop* loop, std::shared_ptr<Impl> impl, Endpoint local, bool is_tls)
    : loop_(loop), impl_(std::move(impl)), local_(std::move(local)), is_tls_(is_tls) {}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(std::vector<EventLoop*> loops,
                                                         Options options, OnAccept on_accept,
                                                         OnRefuse on_refuse) {
  const absl::StatusOr<int> fd =
      BindAndListen(options.host, options.port, options.backlog, options.reuse_address);
  if (!fd.ok()) return fd.status();
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  getsockname(*fd, address, &size);
  const bool tls = options.tls != nullptr;
  EventLoop* const loop = loops[0];
  auto impl = std::make_shared<Impl>(std::move(loops), std::move(options), std::move(on_accept),
                                     std::move(on_refuse));
  std::unique_ptr<Listener> listener(new Listener(loop, impl, EndpointOf(*address), tls));
  if (loop->IsHere()) {
    impl->Start(*fd);
  } else {
    loop->Post([impl, fd = *fd] { impl->Start(fd); });
  }
  return listener;
}

Listener::~Listener() {
  if (!loop_->core().running() || loop_->IsHere()) {
    impl_->Stop();
    return;
  }
  std::promise<void> stopped;
  loop_->Post([this, &stopped] {
    impl_->Stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

}  // namespace pontoon::net
