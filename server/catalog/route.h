#ifndef PONTOON_SERVER_CATALOG_ROUTE_H_
#define PONTOON_SERVER_CATALOG_ROUTE_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/catalog/state.h"

namespace pontoon::catalog {

// Appends to `targets` the queues that a message goes to; see Version::Route.
void RouteMessage(const State& state, const ExchangeRecord& exchange,
                  absl::Span<const absl::string_view> keys, const amqp::Table* headers,
                  std::vector<Target>* targets);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_ROUTE_H_
