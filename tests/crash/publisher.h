#ifndef PONTOON_TESTS_CRASH_PUBLISHER_H_
#define PONTOON_TESTS_CRASH_PUBLISHER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/time.h"
#include "client/amqp/channel.h"
#include "client/amqp/connection.h"
#include "tests/crash/history.h"

namespace pontoon::crash {

struct LoadOptions {
  uint16_t port = 5672;
  std::string run;  // Names this run in every message.
  uint64_t seed = 1;
  uint32_t rate = 500;  // Messages a second of each publisher; 0: as fast as confirms come.
  uint32_t outstanding_max = 200;
  uint32_t bytes_max = 300'000;  // Of a body.
};

// The durable queues and the fanout of content.h; declares are the same every time.
absl::Status DeclareTopology(client::Channel* channel, HistoryWriter* history);

// Publishes with confirms on a thread of its own, connects again whenever the connection is lost,
// and writes down everything. Messages that were unconfirmed then are not sent again: what became
// of them is for the checker to see. Prints `blocked` and `unblocked` when the broker says so.
class Publisher {
 public:
  // `history` is borrowed.
  Publisher(const LoadOptions& options, uint32_t number, HistoryWriter* history);
  // Publishes no more, waits up to `patience` for what is unconfirmed, and ends the thread.
  void Stop(base::Duration patience);

 private:
  void ThreadMain();
  absl::Status Connect();
  absl::Status PublishOne();
  void Leave();
  void OnConfirm(uint64_t sequence, bool acknowledged);

  const LoadOptions options_;
  const uint32_t number_;
  HistoryWriter* const history_;
  base::SeededRandom random_;
  std::unique_ptr<client::Channel> channel_;
  uint32_t channels_ = 0;
  uint32_t sequence_ = 0;

  base::Mutex mutex_;
  std::shared_ptr<client::Connection> connection_ ABSL_GUARDED_BY(mutex_);
  std::set<uint32_t> unconfirmed_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace pontoon::crash

#endif  // PONTOON_TESTS_CRASH_PUBLISHER_H_
