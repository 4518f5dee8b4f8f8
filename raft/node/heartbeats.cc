#include "raft/node/heartbeats.h"

#include <iterator>
#include <utility>

#include "base/check.h"

namespace pontoon::raft {

HeartbeatGatherer::HeartbeatGatherer(Options options) : options_(options) {
  PONTOON_CHECK(options.loops > 0 && options.interval > base::Duration{});
}

void HeartbeatGatherer::Gather(size_t loop, base::MonotonicTime now,
                               std::vector<Message>* heartbeats, std::vector<Message>* replies,
                               std::vector<Message>* leaving) {
  PONTOON_CHECK(loop < options_.loops);
  base::MutexLock lock(&mutex_);
  Add(loop, now, heartbeats, &heartbeats_);
  // All groups' heartbeats are due at multiples of the interval: who has ticked since the one in
  // question has nothing more to say to it.
  const base::MonotonicTime due{heartbeats_.begun.nanos -
                                heartbeats_.begun.nanos % options_.interval.nanos};
  if (!heartbeats_.messages.empty() && now >= due) Join(loop, &heartbeats_);
  Leave(now, &heartbeats_, leaving);
  // The questions came to all loops at about the same time.
  Add(loop, now, replies, &replies_);
  if (!replies_.messages.empty()) Join(loop, &replies_);
  Leave(now, &replies_, leaving);
}

void HeartbeatGatherer::Add(size_t loop, base::MonotonicTime now, std::vector<Message>* share,
                            Round* round) {
  if (share->empty()) return;
  if (round->messages.empty()) {
    round->begun = now;
    round->joined.assign(options_.loops, false);
    round->missing = options_.loops;
    std::swap(round->messages, *share);
  } else {
    round->messages.insert(round->messages.end(), std::make_move_iterator(share->begin()),
                           std::make_move_iterator(share->end()));
    share->clear();
  }
  Join(loop, round);
}

void HeartbeatGatherer::Join(size_t loop, Round* round) {
  if (round->joined[loop]) return;
  round->joined[loop] = true;
  --round->missing;
}

void HeartbeatGatherer::Leave(base::MonotonicTime now, Round* round,
                              std::vector<Message>* leaving) {
  if (round->messages.empty()) return;
  if (round->missing > 0 && now - round->begun < options_.patience) return;
  if (leaving->empty()) {
    std::swap(*leaving, round->messages);
  } else {
    leaving->insert(leaving->end(), std::make_move_iterator(round->messages.begin()),
                    std::make_move_iterator(round->messages.end()));
  }
  round->messages.clear();
}

}  // namespace pontoon::raft
