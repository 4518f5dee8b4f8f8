#ifndef PONTOON_SERVER_CATALOG_CHECKS_H_
#define PONTOON_SERVER_CATALOG_CHECKS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/catalog/catalog.h"

// The checks of catalog.h for who knows the virtual host's name but has no version.

namespace pontoon::catalog {

absl::Status QueueEquivalence(absl::string_view vhost, const QueueRecord& existing,
                              const DeclareQueue& command);
absl::Status ExchangeEquivalence(absl::string_view vhost, const ExchangeRecord& existing,
                                 const DeclareExchange& command);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_CHECKS_H_
