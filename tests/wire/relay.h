#ifndef PONTOON_TESTS_WIRE_RELAY_H_
#define PONTOON_TESTS_WIRE_RELAY_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pontoon::tests {

// A wire that can be cut: forwards TCP connections on loopback to a port. One thread.
class Relay {
 public:
  explicit Relay(uint16_t target);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  uint16_t port() const { return port_; }
  void SetTarget(uint16_t target) { target_ = target; }
  // What the kernel does for a process that is killed: all connections are reset, new ones refused.
  void Kill();
  // Kill is over.
  void Revive();
  // Bytes that passed towards the target.
  uint64_t forwarded() const { return forwarded_; }

 private:
  struct Pair {
    int client, server;
  };
  void Listen();
  void Run();
  void Accept();
  bool Forward(int from, int to, bool to_target);
  static void Reset(int fd);

  uint16_t port_ = 0;
  std::atomic<uint16_t> target_;
  std::atomic<uint64_t> forwarded_{0};
  int wake_[2];
  std::thread thread_;
  base::Mutex mutex_;
  base::CondVar changed_;
  enum class Order { kNone, kKill, kRevive, kStop } order_ ABSL_GUARDED_BY(mutex_) = Order::kNone;
  void Give(Order order);

  // The thread's own.
  int listener_ = -1;
  std::vector<Pair> pairs_;
};

}  // namespace pontoon::tests

#endif  // PONTOON_TESTS_WIRE_RELAY_H_
