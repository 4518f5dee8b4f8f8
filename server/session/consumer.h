#ifndef PONTOON_SERVER_SESSION_CONSUMER_H_
#define PONTOON_SERVER_SESSION_CONSUMER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/broker/shard_protocol.h"
#include "server/cluster/front_end.h"

namespace pontoon::session {

// One consumer of a channel, with the account of what its queue may still send.
struct Consumer {
  std::string tag;
  broker::ConsumerKey key;
  base::QueueId queue;
  bool no_ack = false;
  bool started = false;     // consume_ok is out.
  bool cancelling = false;  // basic.cancel is on its way to the queue.
  uint32_t prefetch = 0;    // Its own limit of unacknowledged messages; 0 = none.

  // Message credit that was given and not yet used; counted only while the channel has a limit of
  // its own.
  uint64_t unused = 0;
  bool taking = false;  // TakeCredit is under way.
  bool due = false;     // A message waits that it has no share for: the next to be served.
  bool idle = false;    // Its queue has no use for its share now.
  uint64_t held = 0;    // Delivered through it and not settled.

  // To be granted at the end of the turn.
  uint64_t regained_messages = 0;

  // The window: what the queue may still send by our count, and what it has sent and the socket has
  // not taken. A queue may send one message beyond its credit, so we do not give back what was sent
  // but fill the window up.
  uint64_t credit_bytes = 0;
  uint64_t unwritten_bytes = 0;
  uint64_t MissingBytes(uint64_t window) const {
    const uint64_t used = credit_bytes + unwritten_bytes;
    return used < window ? window - used : 0;
  }

  // Of this turn's deliveries, for the mark that is set behind them in what goes to the socket.
  bool marked = false;
  uint64_t turn_bytes = 0;
  uint64_t turn_stream_bytes = 0;
  std::vector<cluster::OutgoingSettle> turn_settles;  // no-ack only.
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_CONSUMER_H_
