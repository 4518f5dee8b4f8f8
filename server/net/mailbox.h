#ifndef PONTOON_SERVER_NET_MAILBOX_H_
#define PONTOON_SERVER_NET_MAILBOX_H_

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace pontoon::net {

class EventLoop;
class LoopCore;

enum class MailPriority {
  kHigh,    // Ticks, Raft messages, completed writes: first in every turn.
  kNormal,  // Everything else.
};

// What a loop knows of a mailbox, whatever it carries.
class MailboxBase {
 public:
  MailboxBase(const MailboxBase&) = delete;
  MailboxBase& operator=(const MailboxBase&) = delete;

 protected:
  // On the loop's thread, or while it does not run; so is the destructor.
  MailboxBase(EventLoop* loop, MailPriority priority);
  virtual ~MailboxBase();
  // Any thread: there is mail. Wakes the loop if it sleeps.
  void Notify();

 private:
  friend class LoopCore;
  virtual void Deliver() = 0;

  EventLoop* const loop_;
  const MailPriority priority_;
  std::atomic<bool> pending_{false};
};

// Many producers, one consumer: a loop. Mail of one producer arrives in order. The consumer gets
// all that has come as one batch per turn, and the loop is woken at most once per turn however much
// is sent.
template <typename T>
class Mailbox final : public MailboxBase {
 public:
  // May move items out of the batch; what it leaves there is dropped.
  using Consumer = absl::AnyInvocable<void(std::vector<T>& batch)>;

  Mailbox(EventLoop* loop, MailPriority priority, Consumer consumer)
      : MailboxBase(loop, priority), consumer_(std::move(consumer)) {}

  // Any thread.
  void Post(T item) {
    bool first;
    {
      base::MutexLock lock(&mutex_);
      first = incoming_.empty();
      incoming_.push_back(std::move(item));
    }
    if (first) Notify();
  }

  // Any thread. Takes all of `*items`, in order, and leaves it empty.
  void PostAll(std::vector<T>* items) {
    if (items->empty()) return;
    bool first;
    {
      base::MutexLock lock(&mutex_);
      first = incoming_.empty();
      if (first) {
        incoming_.swap(*items);
      } else {
        for (T& item : *items) incoming_.push_back(std::move(item));
      }
    }
    items->clear();
    if (first) Notify();
  }

 private:
  // A vector that grew beyond this for one burst is given back.
  static constexpr size_t kKeptItemsMax = 4096;

  void Deliver() override {
    {
      base::MutexLock lock(&mutex_);
      batch_.swap(incoming_);
    }
    if (batch_.empty()) return;
    consumer_(batch_);
    batch_.clear();
    if (batch_.capacity() > kKeptItemsMax) std::vector<T>().swap(batch_);
  }

  base::Mutex mutex_;
  std::vector<T> incoming_ ABSL_GUARDED_BY(mutex_);
  std::vector<T> batch_;  // The loop's own.
  Consumer consumer_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_MAILBOX_H_
