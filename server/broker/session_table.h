#ifndef PONTOON_SERVER_BROKER_SESSION_TABLE_H_
#define PONTOON_SERVER_BROKER_SESSION_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/broker/codec.h"
#include "server/broker/shard_protocol.h"

namespace pontoon::broker {

// What the log says of one front-end's session: the numbers that come next, and what travelled
// ahead of a publish. Apply takes only the next number, so that every leader gives the same answer
// to a number.
struct SessionState {
  struct Piece {
    uint64_t entry;
    uint32_t bytes;
  };
  SessionId id;
  uint64_t next_publish = 1;
  uint64_t next_settle = 1;
  std::vector<uint64_t> refused;  // Publishes that a full queue rejected and whose answer was not
                                  // read yet; ascending.
  uint64_t pieces_for = 0;        // The first number of the Enqueue that will name `pieces`.
  std::vector<Piece> pieces;
  std::vector<std::string> facts_ahead;

  void Encode(Encoder* out) const;
  bool Restore(Decoder* in);
};

// The sessions that the shard knows; any other is refused. Iterated in the order of their ids.
class SessionTable {
 public:
  using Map = absl::btree_map<SessionId, std::unique_ptr<SessionState>>;

  SessionState* Find(const SessionId& id);
  // Does nothing if it is open.
  SessionState* Open(const SessionId& id);
  void Erase(const SessionId& id);
  const Map& all() const { return sessions_; }

  void Encode(Encoder* out) const;
  bool Restore(Decoder* in);

 private:
  Map sessions_;
  SessionState* hot_ = nullptr;  // The one asked for last.
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_SESSION_TABLE_H_
