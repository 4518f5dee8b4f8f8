#ifndef PONTOON_SERVER_SESSION_NAMES_H_
#define PONTOON_SERVER_SESSION_NAMES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

// What RabbitMQ does with names and texts of clients before it uses them.
namespace pontoon::session {

// Without carriage returns and line feeds.
std::string StripLineEnds(absl::string_view name);
// ACCESS_REFUSED (403) for "amq.": reserved for the server. `kind` is "exchange" or "queue".
absl::Status CheckNotReserved(absl::string_view kind, absl::string_view name);
// PRECONDITION_FAILED (406) unless it is a whole number of milliseconds, 0 to ten years.
absl::Status CheckExpiration(absl::string_view expiration);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_NAMES_H_
