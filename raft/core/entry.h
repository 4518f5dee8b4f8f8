#ifndef PONTOON_RAFT_CORE_ENTRY_H_
#define PONTOON_RAFT_CORE_ENTRY_H_

#include <cstdint>

#include "base/slice.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// An entry to propose, with its checksums made here. The log sets its id.
Entry MakeEntry(base::SliceChain header, base::SliceChain body = {});

// The same with the body's checksum made earlier, where the body entered the node.
Entry MakeEntry(base::SliceChain header, base::SliceChain body, uint32_t body_crc);

// What an entry counts in quotas and towards the next checkpoint: its bytes and a flat share for
// key and record.
inline constexpr uint64_t kEntryOverheadBytes = 32;
inline uint64_t HeaderCost(const Entry& entry) { return entry.header.size() + kEntryOverheadBytes; }
inline uint64_t EntryCost(const Entry& entry) { return HeaderCost(entry) + entry.body.size(); }

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_ENTRY_H_
