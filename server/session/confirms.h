#ifndef PONTOON_SERVER_SESSION_CONFIRMS_H_
#define PONTOON_SERVER_SESSION_CONFIRMS_H_

#include <cstdint>
#include <vector>

namespace pontoon::session {

// Publisher confirms of one channel (RabbitMQ: extension). Publishes finish in any order; a client
// hears of them once per turn, everything up to the oldest unfinished one in as few frames as there
// are changes between ack and nack, what finished beyond that one by one.
class Confirms {
 public:
  struct Answer {
    uint64_t sequence = 0;
    bool multiple = false;
    bool nack = false;
    friend bool operator==(const Answer&, const Answer&) = default;
  };

  // The next message of the channel; sequence numbers start at 1.
  uint64_t Begin();
  // Finished: stored, or refused by a full queue. At most once for each number.
  void Finish(uint64_t sequence, bool refused);
  // Answers for what finished since the last call, in the order to send them.
  void Take(std::vector<Answer>* answers);

  bool has_answers() const { return has_answers_; }
  uint64_t unconfirmed() const { return unfinished_; }

 private:
  enum class Fate : uint8_t { kPending, kStored, kRefused, kTold };

  Fate& At(uint64_t sequence) { return ring_[sequence & (ring_.size() - 1)]; }
  void Grow();

  // Fates of the numbers low_ .. next_ - 1, each at its number modulo the size, which is a power of
  // two.
  std::vector<Fate> ring_;
  uint64_t low_ = 1;  // Everything below is told.
  uint64_t next_ = 1;
  uint64_t unfinished_ = 0;
  bool has_answers_ = false;
  std::vector<uint64_t>
      finished_;  // Since the last Take, in order of finishing, unless they were at the low end.
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_CONFIRMS_H_
