// Tables from and to octets: checking, building, writing (AMQP 0-9-1 section 4.2.5.5).
#include <array>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/table.h"
#include "server/amqp/table_view.h"
#include "server/amqp/wire.h"

namespace pontoon::amqp {

absl::Status ValidateTable(absl::string_view contents) {
  struct Level {
    absl::string_view rest;
    bool is_table;
  };
  // Our own stack instead of recursion: nesting costs the sender more than it costs us.
  std::array<Level, kTableDepthMax> levels;
  levels[0] = {contents, true};
  int depth = 1;
  while (depth > 0) {
    Level& level = levels[static_cast<size_t>(depth - 1)];
    if (level.rest.empty()) {
      --depth;
      continue;
    }
    ValueView value;
    if (level.is_table) {
      const size_t name_size = static_cast<uint8_t>(level.rest.front());
      if (level.rest.size() - 1 < name_size)
        return SyntaxError("malformed field table: truncated field name");
      level.rest.remove_prefix(1 + name_size);
    }
    if (!TakeValue(&level.rest, &value)) {
      return SyntaxError("malformed field table: truncated value or unknown type");
    }
    if (value.type != FieldType::kTable && value.type != FieldType::kArray) continue;
    if (depth == kTableDepthMax) {
      return SyntaxError(
          absl::StrCat("malformed field table: nested deeper than ", kTableDepthMax, " levels"));
    }
    levels[static_cast<size_t>(depth++)] = {value.octets, value.type == FieldType::kTable};
  }
  return absl::OkStatus();
}

// Builds values from octets that ValidateTable has passed; so recursion is bounded and nothing can
// fail.
class TableParser {
 public:
  static Value Build(const ValueView& view) {
    const char* const at = view.octets.data();
    switch (view.type) {
      case FieldType::kVoid:
        return Value();
      case FieldType::kBool:
      case FieldType::kByte:
      case FieldType::kUnsignedByte:
        return Value(view.type, static_cast<uint8_t>(*at));
      case FieldType::kShort:
      case FieldType::kUnsignedShort:
        return Value(view.type, LoadShort(at));
      case FieldType::kInt:
      case FieldType::kUnsignedInt:
      case FieldType::kFloat:
        return Value(view.type, LoadLong(at));
      case FieldType::kLong:
      case FieldType::kLongUpper:
      case FieldType::kDouble:
      case FieldType::kTimestamp:
        return Value(view.type, LoadLongLong(at));
      case FieldType::kDecimal:
        return Value::Decimal(static_cast<uint8_t>(*at), LoadLong(at + 1));
      case FieldType::kString:
        return Value::String(view.octets);
      case FieldType::kBinary:
        return Value::Binary(view.octets);
      case FieldType::kArray: {
        Array array;
        ArrayView elements(view.octets);
        ValueView element;
        while (elements.Next(&element)) array.push_back(Build(element));
        return Value::Of(std::move(array));
      }
      case FieldType::kTable:
        return Value::Of(BuildTable(view.octets));
    }
    return Value();
  }

  static Table BuildTable(absl::string_view contents) {
    Table table;
    TableView entries(contents);
    absl::string_view name;
    ValueView value;
    while (entries.Next(&name, &value)) table.Append(name, Build(value));
    return table;
  }
};

absl::StatusOr<Table> Table::Parse(absl::string_view contents) {
  if (absl::Status valid = ValidateTable(contents); !valid.ok()) return valid;
  return TableParser::BuildTable(contents);
}

Value ValueView::ToValue() const { return TableParser::Build(*this); }

size_t Value::EncodedSize() const {
  switch (type_) {
    case FieldType::kVoid:
      return 1;
    case FieldType::kBool:
    case FieldType::kByte:
    case FieldType::kUnsignedByte:
      return 2;
    case FieldType::kShort:
    case FieldType::kUnsignedShort:
      return 3;
    case FieldType::kInt:
    case FieldType::kUnsignedInt:
    case FieldType::kFloat:
      return 5;
    case FieldType::kDecimal:
      return 6;
    case FieldType::kLong:
    case FieldType::kLongUpper:
    case FieldType::kDouble:
    case FieldType::kTimestamp:
      return 9;
    case FieldType::kString:
    case FieldType::kBinary:
      return 5 + std::get<std::string>(data_).size();
    case FieldType::kArray: {
      size_t size = 5;
      for (const Value& element : std::get<Array>(data_)) size += element.EncodedSize();
      return size;
    }
    case FieldType::kTable:
      return 1 + std::get<Table>(data_).EncodedSize();
  }
  return 1;
}

char* Value::Encode(char* out) const {
  out = StoreOctet(out, static_cast<uint8_t>(type_));
  switch (type_) {
    case FieldType::kVoid:
      return out;
    case FieldType::kBool:
    case FieldType::kByte:
    case FieldType::kUnsignedByte:
      return StoreOctet(out, static_cast<uint8_t>(std::get<uint64_t>(data_)));
    case FieldType::kShort:
    case FieldType::kUnsignedShort:
      return StoreShort(out, static_cast<uint16_t>(std::get<uint64_t>(data_)));
    case FieldType::kInt:
    case FieldType::kUnsignedInt:
    case FieldType::kFloat:
      return StoreLong(out, static_cast<uint32_t>(std::get<uint64_t>(data_)));
    case FieldType::kLong:
    case FieldType::kLongUpper:
    case FieldType::kDouble:
    case FieldType::kTimestamp:
      return StoreLongLong(out, std::get<uint64_t>(data_));
    case FieldType::kDecimal: {
      const auto& parts = std::get<DecimalParts>(data_);
      return StoreLong(StoreOctet(out, parts.scale), parts.unscaled);
    }
    case FieldType::kString:
    case FieldType::kBinary: {
      const std::string& text = std::get<std::string>(data_);
      return StoreBytes(StoreLong(out, static_cast<uint32_t>(text.size())), text);
    }
    case FieldType::kArray: {
      char* end = out + 4;
      for (const Value& element : std::get<Array>(data_)) end = element.Encode(end);
      StoreLong(out, static_cast<uint32_t>(end - out - 4));
      return end;
    }
    case FieldType::kTable:
      return std::get<Table>(data_).Encode(out);
  }
  return out;
}

}  // namespace pontoon::amqp
