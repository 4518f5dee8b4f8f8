#include "server/amqp/table.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "server/amqp/utf8.h"
#include "server/amqp/wire.h"

namespace pontoon::amqp {

absl::string_view FieldTypeName(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return "bool";
    case FieldType::kByte:
      return "byte";
    case FieldType::kUnsignedByte:
      return "unsignedbyte";
    case FieldType::kShort:
      return "short";
    case FieldType::kUnsignedShort:
      return "unsignedshort";
    case FieldType::kInt:
      return "signedint";
    case FieldType::kUnsignedInt:
      return "unsignedint";
    case FieldType::kLong:
    case FieldType::kLongUpper:
      return "long";
    case FieldType::kFloat:
      return "float";
    case FieldType::kDouble:
      return "double";
    case FieldType::kDecimal:
      return "decimal";
    case FieldType::kString:
      return "longstr";
    case FieldType::kBinary:
      return "binary";
    case FieldType::kArray:
      return "array";
    case FieldType::kTimestamp:
      return "timestamp";
    case FieldType::kTable:
      return "table";
    case FieldType::kVoid:
      return "void";
  }
  return "";
}

// Out of line, because TableEntry is only complete behind Table.
Table::Table() = default;
Table::Table(std::initializer_list<TableEntry> entries) : entries_(entries) {}
Table::Table(const Table&) = default;
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(const Table&) = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

bool Table::empty() const { return entries_.empty(); }
size_t Table::size() const { return entries_.size(); }

const Value* Table::Find(absl::string_view name) const {
  for (const TableEntry& entry : entries_) {
    if (entry.name == name) return &entry.value;
  }
  return nullptr;
}

void Table::Set(absl::string_view name, Value value) {
  for (TableEntry& entry : entries_) {
    if (entry.name != name) continue;
    entry.value = std::move(value);
    return;
  }
  Append(name, std::move(value));
}

void Table::Append(absl::string_view name, Value value) {
  PONTOON_CHECK_MSG(FitsShortString(name), "a field's name is a short string");
  entries_.push_back({std::string(name), std::move(value)});
}

size_t Table::Remove(absl::string_view name) {
  const size_t before = entries_.size();
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [&](const TableEntry& entry) { return entry.name == name; }),
                 entries_.end());
  return before - entries_.size();
}

size_t Table::ContentsSize() const {
  size_t size = 0;
  for (const TableEntry& entry : entries_) {
    size += 1 + entry.name.size() + entry.value.EncodedSize();
  }
  return size;
}

char* Table::EncodeContents(char* out) const {
  for (const TableEntry& entry : entries_) {
    PONTOON_CHECK_MSG(FitsShortString(entry.name), "a field's name is a short string");
    out = StoreOctet(out, static_cast<uint8_t>(entry.name.size()));
    out = StoreBytes(out, entry.name);
    out = entry.value.Encode(out);
  }
  return out;
}

char* Table::Encode(char* out) const {
  char* const end = EncodeContents(out + 4);
  StoreLong(out, static_cast<uint32_t>(end - out - 4));
  return end;
}

std::string Table::EncodeContents() const {
  std::string contents(ContentsSize(), '\0');
  EncodeContents(contents.data());
  return contents;
}

bool operator==(const Table& a, const Table& b) { return a.entries_ == b.entries_; }

Value Value::Float(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return Value(FieldType::kFloat, bits);
}

Value Value::Double(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return Value(FieldType::kDouble, bits);
}

Value Value::Decimal(uint8_t scale, uint32_t unscaled) {
  Value value(FieldType::kDecimal, 0);
  value.data_ = DecimalParts{scale, unscaled};
  return value;
}

Value Value::String(absl::string_view text) {
  Value value(FieldType::kString, 0);
  value.data_ = std::string(text);
  return value;
}

Value Value::Binary(absl::string_view octets) {
  Value value(FieldType::kBinary, 0);
  value.data_ = std::string(octets);
  return value;
}

Value Value::Of(Array array) {
  Value value(FieldType::kArray, 0);
  value.data_ = std::move(array);
  return value;
}

Value Value::Of(Table table) {
  Value value(FieldType::kTable, 0);
  value.data_ = std::move(table);
  return value;
}

std::optional<int64_t> Value::AsInteger() const {
  const uint64_t* bits = std::get_if<uint64_t>(&data_);
  switch (type_) {
    case FieldType::kByte:
      return static_cast<int8_t>(*bits);
    case FieldType::kShort:
      return static_cast<int16_t>(*bits);
    case FieldType::kInt:
      return static_cast<int32_t>(*bits);
    case FieldType::kUnsignedByte:
    case FieldType::kUnsignedShort:
    case FieldType::kUnsignedInt:
    case FieldType::kLong:
    case FieldType::kLongUpper:
      return static_cast<int64_t>(*bits);
    default:
      return std::nullopt;
  }
}

std::optional<bool> Value::AsBool() const {
  if (type_ != FieldType::kBool) return std::nullopt;
  return std::get<uint64_t>(data_) != 0;
}

std::optional<uint64_t> Value::AsTimestamp() const {
  if (type_ != FieldType::kTimestamp) return std::nullopt;
  return std::get<uint64_t>(data_);
}

std::optional<double> Value::AsDouble() const {
  if (type_ == FieldType::kFloat) {
    const auto bits = static_cast<uint32_t>(std::get<uint64_t>(data_));
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  if (type_ != FieldType::kDouble) return std::nullopt;
  const uint64_t bits = std::get<uint64_t>(data_);
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

std::optional<Value::DecimalParts> Value::AsDecimal() const {
  if (const auto* parts = std::get_if<DecimalParts>(&data_)) return *parts;
  return std::nullopt;
}

std::optional<absl::string_view> Value::AsString() const {
  if (type_ != FieldType::kString) return std::nullopt;
  return absl::string_view(std::get<std::string>(data_));
}

std::optional<absl::string_view> Value::AsBinary() const {
  if (type_ != FieldType::kBinary) return std::nullopt;
  return absl::string_view(std::get<std::string>(data_));
}

bool operator==(const Value& a, const Value& b) { return a.type_ == b.type_ && a.data_ == b.data_; }

}  // namespace pontoon::amqp
