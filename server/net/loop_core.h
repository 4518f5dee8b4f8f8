#ifndef PONTOON_SERVER_NET_LOOP_CORE_H_
#define PONTOON_SERVER_NET_LOOP_CORE_H_

// Inside of this room only: what sockets and mailboxes need of their loop. Free of Asio, which is
// seen by event_loop.cc and descriptor.cc alone.

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/slice.h"
#include "base/time.h"
#include "server/net/event_loop.h"
#include "server/net/mailbox.h"
#include "server/net/timer_queue.h"

namespace pontoon::net {

struct AsioContext;  // asio_context.h

// Something that is served in its turn once it is ready (a descriptor).
class ReadySource {
 public:
  virtual ~ReadySource() = default;
  virtual void OnReady() = 0;
};

// Something that has bytes to write at the end of the turn.
class TurnWriter {
 public:
  virtual ~TurnWriter() = default;
  virtual void WriteAtTurnEnd() = 0;
};

class LoopCore {
 public:
  explicit LoopCore(EventLoop::Options options);
  ~LoopCore();
  void Open(EventLoop* loop);
  void Close();

  void Start();
  void Stop();
  void Wake();
  bool running() const { return here_.load(std::memory_order_relaxed) != std::thread::id(); }
  bool IsHere() const {
    return here_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  void AssertHere() const;

  void AddMailbox(MailboxBase* mailbox);
  void RemoveMailbox(MailboxBase* mailbox);
  // Served in this turn if there is time, else in the next.
  void MakeReady(std::shared_ptr<ReadySource> source) { ready_.push_back(std::move(source)); }
  void WriteThisTurn(std::shared_ptr<TurnWriter> writer) { writers_.push_back(std::move(writer)); }

  // The next turn comes without waiting: something was gathered after this turn's end hooks ran.
  void RequestTurn() { again_ = true; }

  // A block that nobody has seen, shared by all sockets that read little: what they get is copied
  // out of it, and a socket that got much keeps it. The caller owns the reference.
  base::Block* TakeSpareBlock();
  void GiveSpareBlock(base::Block* block);
  // Contiguous room for one TLS record.
  std::vector<char>& scratch() { return scratch_; }

  TimerQueue& timers() { return timers_; }
  uint64_t AddHook(EventLoop::Task hook);
  void RemoveHook(uint64_t number);
  void PostTask(EventLoop::Task task) { tasks_->Post(std::move(task)); }
  base::MonotonicTime now() const { return now_; }
  const EventLoop::Options& options() const { return options_; }
  EventLoop::Metrics metrics() const;
  AsioContext& asio() { return *asio_; }

 private:
  enum State : int { kRunning, kSleeping, kNotified };
  struct Hook {
    uint64_t number;
    EventLoop::Task task;
  };
  // How often mail that the turn's end sent to the loop itself is taken within the same turn.
  static constexpr int kRoundsMax = 3;

  void Run();
  void WaitForWork();
  void RunTurn();
  bool DeliverMail(MailPriority priority);
  void ServeReady(base::MonotonicTime until);
  void EndTurn();
  std::vector<MailboxBase*>& MailboxesOf(MailPriority priority) {
    return mailboxes_[priority == MailPriority::kHigh ? 0 : 1];
  }

  std::unique_ptr<base::Clock> own_clock_;  // Set before options_, which point to it.
  const EventLoop::Options options_;
  const std::unique_ptr<AsioContext> asio_;

  std::atomic<int> state_{kRunning};
  std::atomic<bool> stop_{false};
  std::atomic<std::thread::id> here_{};
  std::thread thread_;

  // Everything below belongs to the loop's thread.
  base::MonotonicTime now_;
  TimerQueue timers_;
  std::vector<MailboxBase*> mailboxes_[2];  // A removed one leaves a null until its round is over.
  std::vector<Hook> hooks_;
  uint64_t last_hook_ = 0;
  std::deque<std::shared_ptr<ReadySource>> ready_;
  std::vector<std::shared_ptr<TurnWriter>> writers_;
  std::vector<std::shared_ptr<TurnWriter>> writing_;
  bool again_ = false;
  base::Block* spare_ = nullptr;
  std::vector<char> scratch_;
  std::unique_ptr<Mailbox<EventLoop::Task>> tasks_;

  std::atomic<uint64_t> turns_{0};
  std::atomic<uint64_t> sleeps_{0};
  std::atomic<uint64_t> wakeups_{0};
  std::atomic<uint64_t> busy_nanos_{0};
  std::atomic<uint64_t> longest_turn_nanos_{0};
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_LOOP_CORE_H_
