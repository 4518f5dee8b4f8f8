#include "server/session/envelope.h"

#include "server/amqp/wire.h"

namespace pontoon::session {
namespace {

// Takes both names off the front; what is left is `*rest`.
bool ReadNames(absl::string_view octets, EnvelopeView* view, absl::string_view* rest) {
  amqp::WireReader reader(octets);
  if (!reader.ShortString(&view->exchange) || !reader.ShortString(&view->routing_key)) return false;
  *rest = octets.substr(octets.size() - reader.remaining());
  return true;
}

}  // namespace

bool ReadEnvelope(const base::SliceChain& envelope, EnvelopeBuffer* buffer, EnvelopeView* view) {
  const auto& slices = envelope.slices();
  if (slices.size() == 1) return ReadNames(slices[0].view(), view, &view->properties);
  if (slices.size() == 2) {
    // As it came from the publisher: names in one piece, properties in the other.
    absl::string_view rest;
    if (ReadNames(slices[0].view(), view, &rest) && rest.empty()) {
      view->properties = slices[1].view();
      return true;
    }
  }
  char* flat = buffer->small;
  if (envelope.size() > sizeof(buffer->small)) {
    buffer->large.resize(envelope.size());
    flat = buffer->large.data();
  }
  envelope.AppendTo(flat);
  return ReadNames(absl::string_view(flat, envelope.size()), view, &view->properties);
}

}  // namespace pontoon::session
