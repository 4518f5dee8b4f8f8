#ifndef PONTOON_SERVER_AMQP_TABLE_H_
#define PONTOON_SERVER_AMQP_TABLE_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pontoon::amqp {

// The octet that says which type a field value has, as RabbitMQ reads them (AMQP 0-9-1
// section 4.2.5.5 with the errata: the published grammar names other letters for the short types,
// and nobody follows it). 'L' is read as 'l'.
enum class FieldType : char {
  kBool = 't',
  kByte = 'b',           // int8
  kUnsignedByte = 'B',   // uint8
  kShort = 's',          // int16
  kUnsignedShort = 'u',  // uint16
  kInt = 'I',            // int32
  kUnsignedInt = 'i',    // uint32
  kLong = 'l',           // int64
  kLongUpper = 'L',      // int64 too
  kFloat = 'f',
  kDouble = 'd',
  kDecimal = 'D',  // uint8 scale, uint32 value
  kString = 'S',   // long string: any octets
  kBinary = 'x',   // any octets
  kArray = 'A',
  kTimestamp = 'T',  // uint64, seconds since 1970
  kTable = 'F',
  kVoid = 'V',
};

// RabbitMQ's word for the type: "longstr", "signedint", "long", "bool" ...; both 'l' and 'L' are
// "long".
absl::string_view FieldTypeName(FieldType type);

// Tables and arrays may lie inside each other this deep (the outermost table is at depth 1); deeper
// is SYNTAX_ERROR. The reason is our own stack; nothing real nests deeper than a handful.
inline constexpr int kTableDepthMax = 128;

class Value;
struct TableEntry;
using Array = std::vector<Value>;

// A field table: names with values, in the order in which they came, duplicates and all. Encoding a
// parsed table gives the bytes that were parsed.
class Table {
 public:
  Table();
  Table(std::initializer_list<TableEntry> entries);
  Table(const Table&);
  Table(Table&&) noexcept;
  Table& operator=(const Table&);
  Table& operator=(Table&&) noexcept;
  ~Table();

  // `contents`: a table's octets without the four of its length. SYNTAX_ERROR (502) if they are not
  // exactly that.
  static absl::StatusOr<Table> Parse(absl::string_view contents);

  bool empty() const;
  size_t size() const;
  const std::vector<TableEntry>& entries() const { return entries_; }

  // The first value of that name (as RabbitMQ looks up), or null. Valid until the table changes.
  const Value* Find(absl::string_view name) const;
  bool Contains(absl::string_view name) const { return Find(name) != nullptr; }
  // Replaces the first value of that name, or appends one. `name` must fit a short string.
  void Set(absl::string_view name, Value value);
  void Append(absl::string_view name, Value value);
  // Takes out all values of that name; how many there were.
  size_t Remove(absl::string_view name);

  // The octets as on the wire without and with the length in front; the first gives what Parse
  // takes.
  size_t ContentsSize() const;
  char* EncodeContents(char* out) const;
  size_t EncodedSize() const { return 4 + ContentsSize(); }
  char* Encode(char* out) const;
  std::string EncodeContents() const;

  // Same entries of the same types in the same order.
  friend bool operator==(const Table& a, const Table& b);

 private:
  std::vector<TableEntry> entries_;
};

// One field value with its type. Regular: copied, moved, compared (by type and bits) like an int.
class Value {
 public:
  struct DecimalParts {
    uint8_t scale = 0;  // Digits behind the point.
    uint32_t unscaled = 0;
    friend bool operator==(const DecimalParts&, const DecimalParts&) = default;
  };

  Value() : type_(FieldType::kVoid) {}
  static Value Void() { return Value(); }
  static Value Bool(bool value) { return Value(FieldType::kBool, value ? 1 : 0); }
  static Value Byte(int8_t value) { return Value(FieldType::kByte, static_cast<uint8_t>(value)); }
  static Value UnsignedByte(uint8_t value) { return Value(FieldType::kUnsignedByte, value); }
  static Value Short(int16_t value) {
    return Value(FieldType::kShort, static_cast<uint16_t>(value));
  }
  static Value UnsignedShort(uint16_t value) { return Value(FieldType::kUnsignedShort, value); }
  static Value Int(int32_t value) { return Value(FieldType::kInt, static_cast<uint32_t>(value)); }
  static Value UnsignedInt(uint32_t value) { return Value(FieldType::kUnsignedInt, value); }
  static Value Long(int64_t value) { return Value(FieldType::kLong, static_cast<uint64_t>(value)); }
  static Value Timestamp(uint64_t seconds) { return Value(FieldType::kTimestamp, seconds); }
  static Value Float(float value);
  static Value Double(double value);
  static Value Decimal(uint8_t scale, uint32_t unscaled);
  static Value String(absl::string_view text);
  static Value Binary(absl::string_view octets);
  static Value Of(Array array);
  static Value Of(Table table);

  FieldType type() const { return type_; }
  // Any of the eight integer types and bool's octet aside: the number. nullopt for other types. A
  // timestamp is none.
  std::optional<int64_t> AsInteger() const;
  std::optional<bool> AsBool() const;  // Any octet but 0 is true.
  std::optional<uint64_t> AsTimestamp() const;
  std::optional<double> AsDouble() const;  // float or double.
  std::optional<DecimalParts> AsDecimal() const;
  std::optional<absl::string_view> AsString() const;  // longstr only; valid while the value lives.
  std::optional<absl::string_view> AsBinary() const;  // binary only.
  const Array* AsArray() const { return std::get_if<Array>(&data_); }
  const Table* AsTable() const { return std::get_if<Table>(&data_); }
  bool is_void() const { return type_ == FieldType::kVoid; }

  // Octets on the wire: the type's octet and the value.
  size_t EncodedSize() const;
  char* Encode(char* out) const;

  friend bool operator==(const Value& a, const Value& b);

 private:
  friend class TableParser;
  Value(FieldType type, uint64_t bits) : type_(type), data_(bits) {}

  FieldType type_;
  // Numbers as their octets were, extended by zeros (so NaNs and odd booleans keep theirs).
  std::variant<std::monostate, uint64_t, DecimalParts, std::string, Array, Table> data_;
};

struct TableEntry {
  std::string name;
  Value value;
  friend bool operator==(const TableEntry&, const TableEntry&) = default;
};

// SYNTAX_ERROR (502) unless `contents` are those of a table, by the same rules as Table::Parse but
// without building one: no allocation, so that each publish can be checked at the door.
absl::Status ValidateTable(absl::string_view contents);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_TABLE_H_
