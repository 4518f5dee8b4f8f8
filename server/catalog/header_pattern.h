#ifndef PONTOON_SERVER_CATALOG_HEADER_PATTERN_H_
#define PONTOON_SERVER_CATALOG_HEADER_PATTERN_H_

#include <vector>

#include "absl/status/status.h"
#include "server/amqp/table.h"

namespace pontoon::catalog {

// A message's headers in the order of their names, as patterns compare them; made once per message.
class SortedHeaders {
 public:
  // `headers` may be null, and must outlive this.
  explicit SortedHeaders(const amqp::Table* headers);
  const std::vector<const amqp::TableEntry*>& entries() const { return entries_; }

 private:
  std::vector<const amqp::TableEntry*> entries_;
};

// What the arguments of a binding ask of a message's headers (AMQP 0-9-1 section 3.1.3.4, with
// RabbitMQ's two more forms of x-match).
class HeaderPattern {
 public:
  explicit HeaderPattern(const amqp::Table& arguments);

  // "all" (the default) asks for every field, "any" for one of them; a void field asks only that
  // the name is there. Fields whose name begins with "x-" count only in "all-with-x" and
  // "any-with-x". With nothing to ask, "all" matches every message and "any" none. Values are
  // compared as RabbitMQ does: numbers by value, strings by octets, whatever their types.
  bool Matches(const SortedHeaders& headers) const;

 private:
  bool any_ = false;
  std::vector<amqp::TableEntry> fields_;  // In the order of their names.
};

// 406 for an x-match that is none of the four.
absl::Status CheckHeadersBinding(const amqp::Table& arguments);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_HEADER_PATTERN_H_
