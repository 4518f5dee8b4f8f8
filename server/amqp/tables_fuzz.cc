// Any octets as a table: refused with 502, or kept byte for byte; the view and the table agree.
#include "base/check.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/table.h"
#include "server/amqp/table_view.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pontoon::amqp;
  const absl::string_view octets(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Table> table = Table::Parse(octets);
  PONTOON_CHECK(table.ok() == ValidateTable(octets).ok());
  if (!table.ok()) {
    PONTOON_CHECK(ReplyCodeOf(table.status()) == ReplyCode::kSyntaxError);
    return 0;
  }
  PONTOON_CHECK(table->EncodeContents() == octets);
  PONTOON_CHECK(*table == *Table::Parse(octets));
  TableView view(octets);
  absl::string_view name;
  ValueView value;
  size_t entries = 0;
  while (view.Next(&name, &value)) {
    const TableEntry& entry = table->entries()[entries++];
    PONTOON_CHECK(entry.name == name && entry.value == value.ToValue());
    PONTOON_CHECK(!DescribeTyped(&entry.value).empty());
    PONTOON_CHECK(EquivalentArguments(&entry.value, &entry.value));
  }
  PONTOON_CHECK(entries == table->size());
  return 0;
}
