#ifndef PONTOON_CLIENT_CTL_LISTING_H_
#define PONTOON_CLIENT_CTL_LISTING_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/admin.pb.h"

namespace pontoon::ctl {

enum class Formatter { kTable, kJson, kCsv, kPrettyTable, kErlang };

// InvalidArgument: there is no formatter of that name. "" is the default: a table.
absl::StatusOr<Formatter> FormatterNamed(const std::string& name);
// Programs read its output: no banners.
bool IsForMachines(Formatter formatter);

// The chosen columns of a table in the chosen order; columns that the table does not have are empty
// cells.
struct Listing {
  Listing(const admin::Table& table, std::vector<std::string> columns);

  std::vector<std::string> columns;
  std::vector<std::vector<admin::Value>> rows;
};

// As rabbitmqctl prints it, with a line break at the end unless it is empty. Without rows only JSON
// and Erlang print anything.
std::string FormatListing(const Listing& listing, Formatter formatter, bool headers);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_LISTING_H_
