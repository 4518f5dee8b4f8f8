#include "server/catalog/header_pattern.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"

namespace pontoon::catalog {
namespace {

using amqp::FieldType;
using amqp::Value;

bool SameTerm(const Value& a, const Value& b);

// An integer and a float are equal if they are the same number exactly.
bool SameNumber(double real, int64_t integer) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (!(real >= -kLimit && real < kLimit) || real != std::floor(real)) return false;
  return static_cast<int64_t>(real) == integer;
}

// Entries of a table inside a value keep their types, as its Erlang term does.
bool SameTable(const amqp::Table& a, const amqp::Table& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const amqp::TableEntry& x = a.entries()[i];
    const amqp::TableEntry& y = b.entries()[i];
    if (x.name != y.name ||
        amqp::FieldTypeName(x.value.type()) != amqp::FieldTypeName(y.value.type()) ||
        !SameTerm(x.value, y.value)) {
      return false;
    }
  }
  return true;
}

bool SameArray(const amqp::Array& a, const amqp::Array& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (amqp::FieldTypeName(a[i].type()) != amqp::FieldTypeName(b[i].type()) ||
        !SameTerm(a[i], b[i]))
      return false;
  }
  return true;
}

std::optional<absl::string_view> Octets(const Value& value) {
  if (const auto text = value.AsString()) return *text;
  if (const auto octets = value.AsBinary()) return *octets;
  return std::nullopt;
}

std::optional<int64_t> Integer(const Value& value) {
  if (const auto integer = value.AsInteger()) return *integer;
  if (const auto seconds = value.AsTimestamp()) return static_cast<int64_t>(*seconds);
  return std::nullopt;
}

// The values as RabbitMQ holds them are equal terms; their types were left outside.
bool SameTerm(const Value& a, const Value& b) {
  if (const auto x = Integer(a)) {
    if (const auto y = Integer(b)) return *x == *y;
    if (const auto y = b.AsDouble()) return SameNumber(*y, *x);
    return false;
  }
  if (const auto x = a.AsDouble()) {
    if (const auto y = b.AsDouble()) return *x == *y;
    if (const auto y = Integer(b)) return SameNumber(*x, *y);
    return false;
  }
  if (const auto x = Octets(a)) {
    const auto y = Octets(b);
    return y && *x == *y;
  }
  if (const auto x = a.AsBool()) {
    const auto y = b.AsBool();
    return y && *x == *y;
  }
  if (const auto x = a.AsDecimal()) {
    const auto y = b.AsDecimal();
    return y && *x == *y;
  }
  if (const amqp::Table* x = a.AsTable())
    return b.AsTable() != nullptr && SameTable(*x, *b.AsTable());
  if (const amqp::Array* x = a.AsArray())
    return b.AsArray() != nullptr && SameArray(*x, *b.AsArray());
  return a.is_void() && b.is_void();
}

}  // namespace

SortedHeaders::SortedHeaders(const amqp::Table* headers) {
  if (headers == nullptr) return;
  entries_.reserve(headers->size());
  for (const amqp::TableEntry& entry : headers->entries()) entries_.push_back(&entry);
  std::stable_sort(
      entries_.begin(), entries_.end(),
      [](const amqp::TableEntry* a, const amqp::TableEntry* b) { return a->name < b->name; });
}

HeaderPattern::HeaderPattern(const amqp::Table& arguments) {
  bool with_x = false;
  if (const Value* match = arguments.Find("x-match")) {
    const auto word = match->AsString();
    any_ = word && (*word == "any" || *word == "any-with-x");
    with_x = word && (*word == "all-with-x" || *word == "any-with-x");
  }
  for (const amqp::TableEntry& entry : arguments.entries()) {
    if (with_x ? entry.name == "x-match" : absl::StartsWith(entry.name, "x-")) continue;
    fields_.push_back(entry);
  }
  std::stable_sort(
      fields_.begin(), fields_.end(),
      [](const amqp::TableEntry& a, const amqp::TableEntry& b) { return a.name < b.name; });
}

// Both lists are walked side by side, so of a name that comes twice the first is compared with the
// first, the second with the second: what RabbitMQ does with such tables.
bool HeaderPattern::Matches(const SortedHeaders& headers) const {
  size_t next = 0;
  const auto& entries = headers.entries();
  for (const amqp::TableEntry& field : fields_) {
    while (next < entries.size() && entries[next]->name < field.name) ++next;
    bool found = false;
    if (next < entries.size() && entries[next]->name == field.name) {
      found = field.value.is_void() || SameTerm(field.value, entries[next]->value);
      ++next;
    }
    if (found && any_) return true;
    if (!found && !any_) return false;
  }
  return !any_;
}

absl::Status CheckHeadersBinding(const amqp::Table& arguments) {
  const Value* match = arguments.Find("x-match");
  if (match == nullptr) return absl::OkStatus();
  const auto word = match->AsString();
  if (!word) {
    return amqp::PreconditionFailed(absl::StrCat(
        "Invalid x-match field type ", absl::string_view(amqp::FieldTypeName(match->type())),
        " (value ", amqp::ErlangText(*match), "); expected longstr"));
  }
  if (*word == "all" || *word == "any" || *word == "all-with-x" || *word == "any-with-x")
    return absl::OkStatus();
  return amqp::PreconditionFailed(absl::StrCat("Invalid x-match field value ",
                                               amqp::ErlangBinary(*word),
                                               "; expected all, any, all-with-x, or any-with-x"));
}

}  // namespace pontoon::catalog
