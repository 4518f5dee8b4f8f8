#ifndef PONTOON_TESTS_CRASH_CONSUMER_H_
#define PONTOON_TESTS_CRASH_CONSUMER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "base/random.h"
#include "client/amqp/channel.h"
#include "tests/crash/history.h"
#include "tests/crash/publisher.h"

namespace pontoon::crash {

// What settles the deliveries of one consumer and writes both down, in this order: the delivery
// before its acknowledgement, that before the frame. Runs on the connection's I/O thread.
class Settler {
 public:
  struct Options {
    std::string run;
    std::string queue;
    std::string session;  // Never used twice in a run.
    // 0: each is acknowledged by itself; else several at once, up to this many.
    uint32_t batch_max = 0;
    // One in so many is given back; 0: none.
    uint32_t give_back_one_in = 0;
    uint64_t seed = 1;
  };
  Settler(Options options, HistoryWriter* history)
      : options_(std::move(options)), history_(history), random_(options_.seed) {}

  void OnMessage(client::Channel* channel, uint64_t tag, bool redelivered,
                 absl::string_view properties, const base::SliceChain& body);
  // Acknowledges what waits for its batch. Only while nothing is delivered.
  void Flush(client::Channel* channel);
  uint64_t taken() const { return taken_; }

 private:
  void Ack(client::Channel* channel, uint64_t tag, bool multiple);

  const Options options_;
  HistoryWriter* const history_;
  base::SeededRandom random_;
  std::atomic<uint64_t> taken_ = 0;
  uint64_t waiting_tag_ = 0;  // Up to here all may be acknowledged; 0: nothing waits.
  uint32_t waiting_ = 0;
  uint32_t batch_ = 1;
};

// Consumes one queue on a thread of its own and connects again whenever the connection is lost.
class Consumer {
 public:
  Consumer(const LoadOptions& options, std::string queue, HistoryWriter* history);
  void Stop();

 private:
  void ThreadMain();
  // One connection's life; false: it never came to be.
  bool RunSession(uint32_t number);

  const LoadOptions options_;
  const std::string queue_;
  HistoryWriter* const history_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// Takes everything out of every queue and says so in the history, from a fresh connection each.
// Unavailable, DeadlineExceeded: it could not be done in time.
absl::Status DrainAll(const LoadOptions& options, HistoryWriter* history, base::Duration timeout);

}  // namespace pontoon::crash

#endif  // PONTOON_TESTS_CRASH_CONSUMER_H_
