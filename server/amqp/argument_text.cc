#include "server/amqp/argument_text.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/amqp/reply_code.h"

namespace pontoon::amqp {
namespace {

// What Erlang takes for a printable character of Latin-1.
bool IsPrintable(uint8_t octet) {
  return (octet >= 32 && octet <= 126) || octet >= 160 || (octet >= 8 && octet <= 13) ||
         octet == 27;
}

void AppendEscaped(uint8_t octet, std::string* out) {
  switch (octet) {
    case '\b':
      *out += "\\b";
      return;
    case '\t':
      *out += "\\t";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\v':
      *out += "\\v";
      return;
    case '\f':
      *out += "\\f";
      return;
    case '\r':
      *out += "\\r";
      return;
    case 27:
      *out += "\\e";
      return;
    case '"':
    case '\\':
      *out += '\\';
      break;
    default:
      break;
  }
  *out += static_cast<char>(octet);
}

// The shortest digits that read back as the same number, with a point as Erlang wants
// it: 5.0, 1.5e20.
std::string ErlangFloat(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  char digits[40];
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size >= 1e16 || size < 1e-4);
  const auto end =
      std::to_chars(digits, digits + sizeof(digits), value,
                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(digits, end.ptr);
  const size_t e = text.find('e');
  if (e == std::string::npos) return text.find('.') == std::string::npos ? text + ".0" : text;
  std::string mantissa = text.substr(0, e);
  if (mantissa.find('.') == std::string::npos) mantissa += ".0";
  size_t first = e + 1;
  const bool negative = text[first] == '-';
  if (text[first] == '+' || negative) ++first;
  while (first + 1 < text.size() && text[first] == '0') ++first;
  return absl::StrCat(mantissa, negative ? "e-" : "e", text.substr(first));
}

// A value as the term that Erlang holds: strings as binaries.
std::string Term(const Value& value) {
  if (const auto text = value.AsString()) return ErlangBinary(*text);
  if (const auto octets = value.AsBinary()) return ErlangBinary(*octets);
  return ErlangText(value);
}

// One object for what Erlang compares: the value as a term, types of outer strings and numbers
// aside.
bool SameTerm(const Value& a, const Value& b) {
  if (a == b) return true;
  if (a.is_void() && b.is_void()) return true;
  return ErlangText(a) == ErlangText(b) &&
         // 'true' the text and true the boolean print alike but are not.
         (a.AsString() || a.AsBinary()) == (b.AsString() || b.AsBinary());
}

}  // namespace

std::string ErlangBinaryNumbers(absl::string_view octets) {
  return absl::StrCat("<<",
                      absl::StrJoin(octets, ",",
                                    [](std::string* out, char octet) {
                                      absl::StrAppend(
                                          out, static_cast<int>(static_cast<uint8_t>(octet)));
                                    }),
                      ">>");
}

std::string ErlangBinary(absl::string_view octets) {
  if (octets.empty()) return "<<>>";
  std::string text = "<<\"";
  for (const char c : octets) {
    const auto octet = static_cast<uint8_t>(c);
    if (!IsPrintable(octet)) return ErlangBinaryNumbers(octets);
    AppendEscaped(octet, &text);
  }
  return text + "\">>";
}

std::string ErlangText(const Value& value) {
  if (const auto text = value.AsString()) return std::string(*text);
  if (const auto octets = value.AsBinary()) return std::string(*octets);
  if (const auto number = value.AsInteger()) return absl::StrCat(*number);
  if (const auto seconds = value.AsTimestamp()) return absl::StrCat(*seconds);
  if (const auto truth = value.AsBool()) return *truth ? "true" : "false";
  if (const auto number = value.AsDouble()) return ErlangFloat(*number);
  if (const auto parts = value.AsDecimal())
    return absl::StrCat("{", parts->scale, ",", parts->unscaled, "}");
  if (const Array* array = value.AsArray()) {
    std::string text = "[";
    for (const Value& element : *array) {
      if (text.size() > 1) text += ",";
      absl::StrAppend(&text, "{", FieldTypeName(element.type()), ",", Term(element), "}");
    }
    return text + "]";
  }
  if (const Table* table = value.AsTable()) {
    std::string text = "[";
    for (const TableEntry& entry : table->entries()) {
      if (text.size() > 1) text += ",";
      absl::StrAppend(&text, "{", ErlangBinary(entry.name), ",", FieldTypeName(entry.value.type()),
                      ",", Term(entry.value), "}");
    }
    return text + "]";
  }
  return "undefined";
}

std::string DescribeTyped(const Value* value) {
  if (value == nullptr) return "none";
  return absl::StrCat("the value '", ErlangText(*value), "' of type '",
                      FieldTypeName(value->type()), "'");
}

bool EquivalentArguments(const Value* current, const Value* received) {
  if (current == nullptr || received == nullptr) return current == received;
  return SameTerm(*current, *received);
}

absl::Status CheckArgumentEquivalence(absl::string_view name, absl::string_view resource,
                                      const Table& current, const Table& received) {
  const Value* const old_value = current.Find(name);
  const Value* const new_value = received.Find(name);
  if (EquivalentArguments(old_value, new_value)) return absl::OkStatus();
  // With a value on both sides RabbitMQ prints no types.
  if (old_value != nullptr && new_value != nullptr) {
    return InequivalentField(name, resource, ErlangText(*old_value), ErlangText(*new_value));
  }
  return PreconditionFailed(absl::StrCat("inequivalent arg '", name, "' for ", resource,
                                         ": received ", DescribeTyped(new_value),
                                         " but current is ", DescribeTyped(old_value)));
}

absl::Status InequivalentField(absl::string_view name, absl::string_view resource,
                               absl::string_view current, absl::string_view received) {
  return PreconditionFailed(absl::StrCat("inequivalent arg '", name, "' for ", resource,
                                         ": received '", received, "' but current is '", current,
                                         "'"));
}

}  // namespace pontoon::amqp
