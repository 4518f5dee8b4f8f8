#ifndef PONTOON_CLIENT_AMQP_CONFIRM_WINDOW_H_
#define PONTOON_CLIENT_AMQP_CONFIRM_WINDOW_H_

#include <cstdint>
#include <deque>

namespace pontoon::client {

// Which publishes of a channel the broker has not yet answered for (RabbitMQ: extension, publisher
// confirms). Sequence numbers count from 1. Not thread-safe.
class ConfirmWindow {
 public:
  // A message goes out; its number.
  uint64_t Add() {
    settled_.push_back(false);
    ++outstanding_;
    return first_ + settled_.size() - 1;
  }
  // The broker answered for `sequence`, or for all up to it. Calls settle(number) for each that was
  // still open, in order. Numbers that are not open are ignored: a broker may say a thing twice.
  template <typename F>
  void Settle(uint64_t sequence, bool multiple, F settle) {
    const uint64_t end = first_ + settled_.size();
    if (multiple && sequence == 0) sequence = end - 1;
    if (sequence < first_ || sequence >= end) return;
    if (multiple) {
      while (first_ <= sequence) TakeFirst(settle);
    } else if (!settled_[sequence - first_]) {
      settled_[sequence - first_] = true;
      --outstanding_;
      settle(sequence);
    }
    while (!settled_.empty() && settled_.front()) TakeFirst(settle);
  }
  uint64_t outstanding() const { return outstanding_; }

 private:
  template <typename F>
  void TakeFirst(F& settle) {
    if (!settled_.front()) {
      --outstanding_;
      settle(first_);
    }
    settled_.pop_front();
    ++first_;
  }

  std::deque<bool> settled_;  // Of the numbers from first_ on.
  uint64_t first_ = 1;
  uint64_t outstanding_ = 0;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_CONFIRM_WINDOW_H_
