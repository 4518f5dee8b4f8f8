#include "server/amqp/table_view.h"

#include "server/amqp/wire.h"

namespace pontoon::amqp {
namespace {

// Octets of a value of fixed size; -1: a length of four octets comes first; -2: no such type.
constexpr int kCounted = -1;
constexpr int kUnknown = -2;
int FixedSize(char type) {
  switch (static_cast<FieldType>(type)) {
    case FieldType::kVoid:
      return 0;
    case FieldType::kBool:
    case FieldType::kByte:
    case FieldType::kUnsignedByte:
      return 1;
    case FieldType::kShort:
    case FieldType::kUnsignedShort:
      return 2;
    case FieldType::kInt:
    case FieldType::kUnsignedInt:
    case FieldType::kFloat:
      return 4;
    case FieldType::kDecimal:
      return 5;
    case FieldType::kLong:
    case FieldType::kLongUpper:
    case FieldType::kDouble:
    case FieldType::kTimestamp:
      return 8;
    case FieldType::kString:
    case FieldType::kBinary:
    case FieldType::kArray:
    case FieldType::kTable:
      return kCounted;
  }
  return kUnknown;
}

bool TakeEntry(absl::string_view* rest, absl::string_view* name, ValueView* value) {
  if (rest->empty()) return false;
  const size_t name_size = static_cast<uint8_t>(rest->front());
  if (rest->size() - 1 < name_size) return false;
  absl::string_view behind = rest->substr(1 + name_size);
  if (!TakeValue(&behind, value)) return false;
  *name = rest->substr(1, name_size);
  *rest = behind;
  return true;
}

}  // namespace

bool TakeValue(absl::string_view* rest, ValueView* value) {
  if (rest->empty()) return false;
  const char type = rest->front();
  const int fixed = FixedSize(type);
  size_t start = 1;
  size_t size = static_cast<size_t>(fixed);
  if (fixed == kUnknown) return false;
  if (fixed == kCounted) {
    if (rest->size() < 5) return false;
    start = 5;
    size = LoadLong(rest->data() + 1);
  }
  if (rest->size() - start < size) return false;
  value->type = static_cast<FieldType>(type);
  value->octets = rest->substr(start, size);
  rest->remove_prefix(start + size);
  return true;
}

std::optional<absl::string_view> ValueView::AsString() const {
  if (type != FieldType::kString) return std::nullopt;
  return octets;
}

std::optional<int64_t> ValueView::AsInteger() const {
  switch (type) {
    case FieldType::kByte:
      return static_cast<int8_t>(octets[0]);
    case FieldType::kUnsignedByte:
      return static_cast<uint8_t>(octets[0]);
    case FieldType::kShort:
      return static_cast<int16_t>(LoadShort(octets.data()));
    case FieldType::kUnsignedShort:
      return LoadShort(octets.data());
    case FieldType::kInt:
      return static_cast<int32_t>(LoadLong(octets.data()));
    case FieldType::kUnsignedInt:
      return LoadLong(octets.data());
    case FieldType::kLong:
    case FieldType::kLongUpper:
      return static_cast<int64_t>(LoadLongLong(octets.data()));
    default:
      return std::nullopt;
  }
}

bool TableView::Next(absl::string_view* name, ValueView* value) {
  return TakeEntry(&rest_, name, value);
}

std::optional<ValueView> TableView::Find(absl::string_view name) const {
  absl::string_view rest = rest_;
  absl::string_view found;
  ValueView value;
  while (TakeEntry(&rest, &found, &value)) {
    if (found == name) return value;
  }
  return std::nullopt;
}

bool ArrayView::Next(ValueView* value) { return TakeValue(&rest_, value); }

}  // namespace pontoon::amqp
