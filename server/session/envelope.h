#ifndef PONTOON_SERVER_SESSION_ENVELOPE_H_
#define PONTOON_SERVER_SESSION_ENVELOPE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/slice.h"

namespace pontoon::session {

// What a stored envelope holds (broker::MessageBytes).
struct EnvelopeView {
  absl::string_view exchange;
  absl::string_view routing_key;
  absl::string_view properties;  // Flags and list.
};

// Room for an envelope that does not lie in one piece.
struct EnvelopeBuffer {
  char small[512];
  std::string large;
};

// Reads an envelope in place, or from `buffer` where its pieces are cut differently from its parts;
// the view is good while both live. False if it is damaged.
bool ReadEnvelope(const base::SliceChain& envelope, EnvelopeBuffer* buffer, EnvelopeView* view);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_ENVELOPE_H_
