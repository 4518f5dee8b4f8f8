#include "client/ctl/value_text.h"

#include <arpa/inet.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "client/ctl/erlang_term.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/table.h"

namespace pontoon::ctl {
namespace {

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

std::string PlainField(const amqp::Value& value);

std::string PlainTable(const amqp::Table& table) {
  std::string text = "[";
  for (const amqp::TableEntry& entry : table.entries()) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", "{", Quoted(entry.name), ",",
                    PlainField(entry.value), "}");
  }
  return text + "]";
}

std::string PlainField(const amqp::Value& value) {
  if (const amqp::Table* table = value.AsTable()) return PlainTable(*table);
  if (const amqp::Array* array = value.AsArray()) {
    return absl::StrCat("[",
                        absl::StrJoin(*array, ",",
                                      [](std::string* out, const amqp::Value& item) {
                                        out->append(PlainField(item));
                                      }),
                        "]");
  }
  if (const auto text = value.AsString()) return Quoted(*text);
  if (const auto octets = value.AsBinary()) return Quoted(*octets);
  if (value.is_void()) return "undefined";
  return amqp::ErlangText(value);
}

std::string JsonField(const amqp::Value& value);

// A table as RabbitMQ's JSON prints Erlang's triples: [["name","type",value],...].
std::string JsonTable(const amqp::Table& table) {
  std::string text = "[";
  for (const amqp::TableEntry& entry : table.entries()) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", "[", JsonString(entry.name), ",",
                    JsonString(amqp::FieldTypeName(entry.value.type())), ",",
                    JsonField(entry.value), "]");
  }
  return text + "]";
}

std::string JsonField(const amqp::Value& value) {
  if (const amqp::Table* table = value.AsTable()) return JsonTable(*table);
  if (const amqp::Array* array = value.AsArray()) {
    return absl::StrCat("[",
                        absl::StrJoin(*array, ",",
                                      [](std::string* out, const amqp::Value& item) {
                                        absl::StrAppend(
                                            out, "[", JsonString(amqp::FieldTypeName(item.type())),
                                            ",", JsonField(item), "]");
                                      }),
                        "]");
  }
  if (const auto text = value.AsString()) return JsonString(*text);
  if (const auto octets = value.AsBinary()) return JsonString(*octets);
  if (value.is_void()) return "\"undefined\"";
  if (const auto number = value.AsDouble(); number && !std::isfinite(*number)) return "null";
  if (const auto decimal = value.AsDecimal())
    return absl::StrCat("[", decimal->scale, ",", decimal->unscaled, "]");
  return amqp::ErlangText(value);
}

ErlangTerm TermOfField(const amqp::Value& value);

ErlangTerm TermOfTable(const amqp::Table& table) {
  std::vector<ErlangTerm> entries;
  for (const amqp::TableEntry& entry : table.entries()) {
    entries.push_back(
        ErlangTerm::Tuple({ErlangTerm::Binary(entry.name),
                           ErlangTerm::Leaf(std::string(amqp::FieldTypeName(entry.value.type()))),
                           TermOfField(entry.value)}));
  }
  return ErlangTerm::List(std::move(entries));
}

ErlangTerm TermOfField(const amqp::Value& value) {
  if (const amqp::Table* table = value.AsTable()) return TermOfTable(*table);
  if (const amqp::Array* array = value.AsArray()) {
    std::vector<ErlangTerm> items;
    for (const amqp::Value& item : *array) {
      items.push_back(ErlangTerm::Tuple(
          {ErlangTerm::Leaf(std::string(amqp::FieldTypeName(item.type()))), TermOfField(item)}));
    }
    return ErlangTerm::List(std::move(items));
  }
  if (const auto text = value.AsString()) return ErlangTerm::Binary(std::string(*text));
  if (const auto octets = value.AsBinary()) return ErlangTerm::Binary(std::string(*octets));
  if (value.is_void()) return ErlangTerm::Leaf("undefined");
  return ErlangTerm::Leaf(amqp::ErlangText(value));
}

// 127,0,0,1 and 0,0,0,0,0,0,0,1; empty for what is no address.
std::string AddressParts(const std::string& address) {
  unsigned char octets[16];
  if (inet_pton(AF_INET, address.c_str(), octets) == 1) {
    return absl::StrJoin(absl::MakeSpan(octets, 4), ",", [](std::string* out, unsigned char octet) {
      absl::StrAppend(out, static_cast<int>(octet));
    });
  }
  if (inet_pton(AF_INET6, address.c_str(), octets) != 1) return "";
  std::string parts;
  for (size_t i = 0; i < sizeof(octets); i += 2) {
    absl::StrAppend(&parts, i == 0 ? "" : ",", octets[i] * 256 + octets[i + 1]);
  }
  return parts;
}

// Empty for what cannot be read: the node is newer than this tool.
amqp::Table TableOf(const admin::Value& value) {
  absl::StatusOr<amqp::Table> table = amqp::Table::Parse(value.amqp_table());
  return table.ok() ? *std::move(table) : amqp::Table();
}

}  // namespace

std::string RealText(double number) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), number);
  std::string shortest(text, end.ptr);
  if (shortest.find_first_of(".en") == std::string::npos) shortest += ".0";
  return shortest;
}

std::string PlainText(const admin::Value& value) {
  switch (value.kind_case()) {
    case admin::Value::kText:
      return value.text();
    case admin::Value::kInteger:
      return absl::StrCat(value.integer());
    case admin::Value::kBoolean:
      return value.boolean() ? "true" : "false";
    case admin::Value::kReal:
      return RealText(value.real());
    case admin::Value::kAmqpTable:
      return PlainTable(TableOf(value));
    case admin::Value::kList:
      return absl::StrCat("[", absl::StrJoin(value.list().items(), ", "), "]");
    case admin::Value::kAtom:
      return value.atom();
    case admin::Value::kAddress:
      return value.address();
    case admin::Value::KIND_NOT_SET:
      break;
  }
  return "";
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escape[8];
          std::snprintf(escape, sizeof(escape), "\\u%04X", c);
          out += escape;
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string JsonText(const admin::Value& value) {
  switch (value.kind_case()) {
    case admin::Value::kText:
      return JsonString(value.text());
    case admin::Value::kAtom:
      // A tuple of numbers ({0,9,1}) is a list of them.
      if (value.atom().size() > 2 && value.atom().front() == '{' &&
          value.atom().find_first_not_of("{0123456789,}") == std::string::npos) {
        return absl::StrCat("[", value.atom().substr(1, value.atom().size() - 2), "]");
      }
      return JsonString(value.atom());
    case admin::Value::kAddress: {
      const std::string parts = AddressParts(value.address());
      return parts.empty() ? JsonString(value.address()) : absl::StrCat("[", parts, "]");
    }
    case admin::Value::kAmqpTable:
      return JsonTable(TableOf(value));
    case admin::Value::kList: {
      std::string text = "[";
      for (const std::string& item : value.list().items()) {
        absl::StrAppend(&text, text.size() > 1 ? "," : "", JsonString(item));
      }
      return text + "]";
    }
    case admin::Value::KIND_NOT_SET:
      return "\"\"";
    default:
      return PlainText(value);
  }
}

std::string PrettyText(const admin::Value& value) {
  if (value.kind_case() == admin::Value::kList) return absl::StrJoin(value.list().items(), "");
  if (value.kind_case() != admin::Value::kAmqpTable) return PlainText(value);
  std::string text;
  for (const ErlangTerm& entry : TermOfTable(TableOf(value)).items) text += OneLine(entry);
  return text;
}

ErlangTerm TermOf(const admin::Value& value) {
  switch (value.kind_case()) {
    case admin::Value::kText:
      return ErlangTerm::Binary(value.text());
    case admin::Value::kAmqpTable:
      return TermOfTable(TableOf(value));
    case admin::Value::kList: {
      std::vector<ErlangTerm> items;
      for (const std::string& item : value.list().items()) items.push_back(ErlangTerm::Leaf(item));
      return ErlangTerm::List(std::move(items));
    }
    case admin::Value::kAddress: {
      const std::string parts = AddressParts(value.address());
      return ErlangTerm::Leaf(parts.empty() ? "undefined" : absl::StrCat("{", parts, "}"));
    }
    case admin::Value::KIND_NOT_SET:
      return ErlangTerm::Leaf("''");
    default:
      return ErlangTerm::Leaf(PlainText(value));
  }
}

}  // namespace pontoon::ctl
