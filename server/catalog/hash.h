#ifndef PONTOON_SERVER_CATALOG_HASH_H_
#define PONTOON_SERVER_CATALOG_HASH_H_

#include <cstdint>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"

namespace pontoon::catalog {

// Names come from clients, so their hash is salted per process: nobody can make names that collide.
// Its order must not show anywhere; listings sort.
inline uint64_t HashName(absl::string_view name) { return absl::Hash<absl::string_view>{}(name); }

// Ids are ours: a fixed mix (the finalizer of splitmix64), so that what is walked in its order has
// one order everywhere.
inline uint64_t HashId(uint64_t id) {
  id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9;
  id = (id ^ (id >> 27)) * 0x94d049bb133111eb;
  return id ^ (id >> 31);
}
inline uint64_t HashSession(const base::SessionId& session) {
  return HashId(session.node.value ^
                HashId((uint64_t{session.boot.value} << 16) | session.loop.value));
}

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_HASH_H_
