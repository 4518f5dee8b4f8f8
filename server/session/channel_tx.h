#ifndef PONTOON_SERVER_SESSION_CHANNEL_TX_H_
#define PONTOON_SERVER_SESSION_CHANNEL_TX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/slice.h"
#include "server/cluster/front_end.h"
#include "server/session/channel.h"
#include "server/session/unacked.h"

namespace pontoon::session {

// What a channel in tx mode has gathered since tx.select or the last commit: publishes and settles,
// not declares.
struct Channel::Transaction {
  // A mandatory message without a queue: returned when the transaction commits.
  struct Return {
    std::string exchange;
    std::string routing_key;
    std::string properties;
    base::SliceChain body;
  };
  struct Settled {
    UnackedRun run;
    bool requeue = false;
    bool reject = false;
  };

  uint64_t publish_count() const { return publishes.size() + returns.size(); }
  uint64_t settle_count() const {
    uint64_t count = 0;
    for (const Settled& settled : settles) count += settled.run.run.count;
    return count;
  }
  // What the client still holds, should the channel end before the commit.
  void TakeHeld(std::vector<UnackedRun>* held) {
    for (const Settled& settled : settles) held->push_back(settled.run);
    settles.clear();
  }
  void Clear() {
    publishes.clear();
    returns.clear();
    settles.clear();
    bytes = 0;
  }

  std::vector<cluster::OutgoingPublish> publishes;
  std::vector<Return> returns;
  std::vector<Settled> settles;
  uint64_t bytes = 0;  // Of messages.
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_CHANNEL_TX_H_
