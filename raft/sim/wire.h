#ifndef PONTOON_RAFT_SIM_WIRE_H_
#define PONTOON_RAFT_SIM_WIRE_H_

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/slice.h"
#include "raft/sim/chance.h"
#include "raft/sim/network.h"

namespace pontoon::raft::sim {

// What travels between two nodes as the production transport has it: raft/node/wire.h.

base::Slice EncodePacket(const Packet& packet);
// The packet's messages are those of its bytes. The status of DecodeBatch: it has none, and is to
// be dropped.
absl::Status DecodePacket(Packet* packet);

// Some bits are flipped, some bytes are zeroed or others, or the end is missing. Always another
// value than before.
base::Slice DamageBytes(const base::Slice& bytes, Chance* chance);
// The bytes of some root or body in a part of a snapshot are others, as if they had been damaged
// before they were packed. False: there is none.
bool DamageParts(Packet* packet, Chance* chance);
// Its appends with an entry that is not what its checksums say: of which group and term.
std::vector<std::pair<GroupId, Term>> DamagedAppends(const Packet& packet);

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_WIRE_H_
