#ifndef PONTOON_SERVER_BROKER_REFERENCE_H_
#define PONTOON_SERVER_BROKER_REFERENCE_H_

#include <cstdint>

namespace pontoon::broker {

// Where a waiting message lies: what a queue keeps of it.
struct Reference {
  uint64_t entry =
      0;  // Log index of the entry whose body holds the envelope, and the payload right behind it,
  uint32_t offset = 0;  // from here on.
  uint32_t envelope_bytes = 0;
  uint32_t payload_bytes = 0;
  uint64_t first_piece =
      0;  // Not 0: the payload lies in this entry's body and in those with a body that follow.
  bool persistent = false;

  uint64_t bytes() const { return uint64_t{envelope_bytes} + payload_bytes; }
  friend bool operator==(const Reference&, const Reference&) = default;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_REFERENCE_H_
