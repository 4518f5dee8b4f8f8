#ifndef PONTOON_SERVER_NET_DESCRIPTOR_H_
#define PONTOON_SERVER_NET_DESCRIPTOR_H_

#include <memory>

namespace pontoon::net {

class EventLoop;

// Told when a descriptor that it waits for may be ready. May destroy the Descriptor in any of
// these.
class DescriptorObserver {
 public:
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;
  // The peer reset the connection, or the kernel gave it up. Only while WaitError runs.
  virtual void OnBroken() = 0;

 protected:
  ~DescriptorObserver() = default;
};

// A non-blocking file descriptor that belongs to a loop; closes it when destroyed. Each wait is for
// one event, is told in the descriptor's turn, and asking again while it runs changes nothing. On
// the loop only.
class Descriptor {
 public:
  // Takes over `fd`. `observer` outlives this.
  Descriptor(EventLoop* loop, int fd, DescriptorObserver* observer);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int fd() const;
  void WaitReadable();
  void WaitWritable();
  void WaitError();
  // OnReadable comes in a turn to come, though the kernel has nothing (bytes that TLS has decrypted
  // already wait).
  void PretendReadable();

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_DESCRIPTOR_H_
