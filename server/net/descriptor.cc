#include "server/net/descriptor.h"

#include <cstdint>
#include <utility>

#include "server/net/asio_context.h"
#include "server/net/event_loop.h"
#include "server/net/loop_core.h"

namespace pontoon::net {

using boost::asio::posix::descriptor_base;

// Outlives the Descriptor while Asio or the ready list still hold it; `observer` is null from then
// on.
struct Descriptor::State final : ReadySource, std::enable_shared_from_this<Descriptor::State> {
  enum Event : uint8_t { kRead = 1, kWrite = 2, kError = 4 };

  State(EventLoop* l, int fd, DescriptorObserver* o)
      : loop(l), observer(o), io(l->core().asio().io, fd) {
    boost::system::error_code ignored;
    io.native_non_blocking(true, ignored);
  }

  void Wait(Event event, descriptor_base::wait_type type) {
    if (waiting & event) return;
    waiting |= event;
    io.async_wait(type, [self = shared_from_this(), event](const boost::system::error_code& error) {
      self->waiting &= static_cast<uint8_t>(~event);
      if (!error) self->Happened(event);
    });
  }

  void Happened(Event event) {
    if (observer == nullptr) return;
    happened |= event;
    if (!std::exchange(queued, true)) loop->core().MakeReady(shared_from_this());
  }

  void OnReady() override {
    queued = false;
    const uint8_t events = std::exchange(happened, 0);
    // Each may end this descriptor.
    if (observer != nullptr && (events & kWrite)) observer->OnWritable();
    if (observer != nullptr && (events & kRead)) observer->OnReadable();
    if (observer != nullptr && (events & kError)) observer->OnBroken();
  }

  EventLoop* const loop;
  DescriptorObserver* observer;
  boost::asio::posix::stream_descriptor io;
  uint8_t waiting = 0;
  uint8_t happened = 0;
  bool queued = false;
};

Descriptor::Descriptor(EventLoop* loop, int fd, DescriptorObserver* observer)
    : state_(std::make_shared<State>(loop, fd, observer)) {}

Descriptor::~Descriptor() {
  state_->loop->AssertHere();
  state_->observer = nullptr;
  boost::system::error_code ignored;
  state_->io.close(ignored);
}

int Descriptor::fd() const { return state_->io.native_handle(); }
void Descriptor::WaitReadable() { state_->Wait(State::kRead, descriptor_base::wait_read); }
void Descriptor::WaitWritable() { state_->Wait(State::kWrite, descriptor_base::wait_write); }
void Descriptor::WaitError() { state_->Wait(State::kError, descriptor_base::wait_error); }
void Descriptor::PretendReadable() { state_->Happened(State::kRead); }

}  // namespace pontoon::net
