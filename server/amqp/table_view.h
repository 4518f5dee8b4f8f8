#ifndef PONTOON_SERVER_AMQP_TABLE_VIEW_H_
#define PONTOON_SERVER_AMQP_TABLE_VIEW_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "server/amqp/table.h"

namespace pontoon::amqp {

// One value inside encoded bytes. Valid while these live.
struct ValueView {
  FieldType type = FieldType::kVoid;
  // The value's octets behind its type; of strings, tables and arrays without the length.
  absl::string_view octets;

  std::optional<absl::string_view> AsString() const;
  std::optional<int64_t> AsInteger() const;
  Value ToValue() const;  // Copies.
};

// Walks the entries of an encoded table in place, in order. Stops early at bytes that are no table;
// check them first with ValidateTable (BasicProperties::Parse does).
class TableView {
 public:
  TableView() = default;
  explicit TableView(absl::string_view contents) : rest_(contents) {}

  // The next entry; false at the end.
  bool Next(absl::string_view* name, ValueView* value);
  // The first value of that name among the entries not yet passed; nullopt if there is none. Leaves
  // the position.
  std::optional<ValueView> Find(absl::string_view name) const;

 private:
  absl::string_view rest_;
};

// Walks the elements of an encoded array, like TableView.
class ArrayView {
 public:
  explicit ArrayView(absl::string_view contents) : rest_(contents) {}
  bool Next(ValueView* value);

 private:
  absl::string_view rest_;
};

// Takes one value (its type and octets, not what lies inside a table or array) off the front of
// `*rest`; false, with nothing taken, if it is not there in full or its type is unknown.
bool TakeValue(absl::string_view* rest, ValueView* value);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_TABLE_VIEW_H_
