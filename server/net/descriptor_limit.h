#ifndef PONTOON_SERVER_NET_DESCRIPTOR_LIMIT_H_
#define PONTOON_SERVER_NET_DESCRIPTOR_LIMIT_H_

#include <cstdint>

namespace pontoon::net {

// Raises this process's limit of open descriptors as far as the system allows, and returns it.
uint64_t RaiseDescriptorLimit();

// How many of `descriptors` may be connections: the database, the log and the command line keep
// theirs, so that the limit is met at the door and never in the middle of a write.
uint64_t ConnectionsFor(uint64_t descriptors);

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_DESCRIPTOR_LIMIT_H_
