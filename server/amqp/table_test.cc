#include "server/amqp/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/amqp/reply_code.h"
#include "server/amqp/table_view.h"

namespace pontoon::amqp {
namespace {

std::string Raw(absl::string_view a) { return std::string(a); }

// One value of each type that RabbitMQ knows, as octets.
std::string EveryType() {
  std::string all;
  const auto add = [&](absl::string_view octets) { all += Raw(octets); };
  add(
      {"\x01"
       "a"
       "t\x02",
       4});  // An odd boolean.
  add(
      {"\x01"
       "b"
       "b\xff",
       4});
  add(
      {"\x01"
       "c"
       "B\xff",
       4});
  add(
      {"\x01"
       "d"
       "s\xff\xfe",
       5});
  add(
      {"\x01"
       "e"
       "u\xff\xfe",
       5});
  add(
      {"\x01"
       "f"
       "I\xff\xff\xff\xff",
       7});
  add(
      {"\x01"
       "g"
       "i\xff\xff\xff\xff",
       7});
  add(
      {"\x01"
       "h"
       "l\xff\xff\xff\xff\xff\xff\xff\xff",
       11});
  add(
      {"\x01"
       "i"
       "L\x7f\xff\xff\xff\xff\xff\xff\xff",
       11});
  add(
      {"\x01"
       "j"
       "f\x7f\xc0\x00\x01",
       7});  // A NaN with a mark.
  add(
      {"\x01"
       "k"
       "d\x3f\xf8\x00\x00\x00\x00\x00\x00",
       11});
  add(
      {"\x01"
       "l"
       "D\x02\x00\x00\x01\x00",
       8});
  add(
      {"\x01"
       "m"
       "S\x00\x00\x00\x02hi",
       9});
  add(
      {"\x01"
       "n"
       "x\x00\x00\x00\x02\x00\xff",
       9});
  add(
      {"\x01"
       "o"
       "T\x00\x00\x00\x00\x5f\x00\x00\x00",
       11});
  add(
      {"\x01"
       "p"
       "V",
       3});
  add(
      {"\x01"
       "q"
       "A\x00\x00\x00\x04Vt\x01V",
       11});
  add(
      {"\x01"
       "r"
       "F\x00\x00\x00\x03\x01zV",
       10});
  add(
      {"\x01"
       "a"
       "V",
       3});  // The name a second time.
  add(
      {"\x00"
       "V",
       2});  // An empty name.
  return all;
}

TEST(TableTest, EveryTypeComesBackByteForByte) {
  const std::string octets = EveryType();
  const absl::StatusOr<Table> table = Table::Parse(octets);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->size(), 20u);
  EXPECT_EQ(table->ContentsSize(), octets.size());
  EXPECT_EQ(table->EncodeContents(), octets);
}

TEST(TableTest, ValuesReadAsRabbitMqReadsThem) {
  const Table table = *Table::Parse(EveryType());
  EXPECT_EQ(table.Find("a")->AsBool(), true);  // The first of the two.
  EXPECT_EQ(table.Find("b")->AsInteger(), -1);
  EXPECT_EQ(table.Find("c")->AsInteger(), 255);
  EXPECT_EQ(table.Find("d")->AsInteger(), -2);
  EXPECT_EQ(table.Find("e")->AsInteger(), 65534);
  EXPECT_EQ(table.Find("f")->AsInteger(), -1);
  EXPECT_EQ(table.Find("g")->AsInteger(), 4294967295);
  EXPECT_EQ(table.Find("h")->AsInteger(), -1);
  EXPECT_EQ(table.Find("i")->AsInteger(), std::numeric_limits<int64_t>::max());
  EXPECT_TRUE(std::isnan(*table.Find("j")->AsDouble()));
  EXPECT_EQ(table.Find("k")->AsDouble(), 1.5);
  EXPECT_EQ(table.Find("l")->AsDecimal(), (Value::DecimalParts{2, 256}));
  EXPECT_EQ(table.Find("m")->AsString(), "hi");
  EXPECT_EQ(table.Find("m")->AsBinary(), std::nullopt);
  EXPECT_EQ(table.Find("n")->AsBinary(), absl::string_view("\x00\xff", 2));
  EXPECT_EQ(table.Find("o")->AsTimestamp(), 0x5f000000u);
  EXPECT_EQ(table.Find("o")->AsInteger(), std::nullopt);
  EXPECT_TRUE(table.Find("p")->is_void());
  EXPECT_EQ(table.Find("q")->AsArray()->size(), 3u);
  EXPECT_TRUE(table.Find("r")->AsTable()->Contains("z"));
  EXPECT_EQ(table.Find("nobody"), nullptr);
}

TEST(TableTest, CutAnywhereItIsASyntaxErrorUnlessTheCutIsBetweenEntries) {
  const std::string octets = EveryType();
  size_t whole = 0;
  for (size_t size = 0; size < octets.size(); ++size) {
    const std::vector<char> cut(octets.begin(), octets.begin() + static_cast<long>(size));
    const auto table = Table::Parse(absl::string_view(cut.data(), cut.size()));
    if (table.ok()) {
      ++whole;
      EXPECT_EQ(table->ContentsSize(), size);
    } else {
      EXPECT_EQ(ReplyCodeOf(table.status()), ReplyCode::kSyntaxError);
    }
  }
  EXPECT_EQ(whole, 20u);  // Before each of the twenty entries.
}

TEST(TableTest, UnknownTypeIsASyntaxError) {
  EXPECT_EQ(ReplyCodeOf(Table::Parse("\x01kU__").status()), ReplyCode::kSyntaxError);
}

std::string Nested(int depth, char kind) {
  std::string octets;
  for (int i = 1; i < depth; ++i) {
    std::string outer = kind == 'F' || i == depth - 1 ? std::string("\x01k", 2) : std::string();
    outer += kind;
    const auto size = static_cast<uint32_t>(octets.size());
    for (int shift = 24; shift >= 0; shift -= 8) outer += static_cast<char>(size >> shift & 0xff);
    octets = outer + octets;
  }
  return octets;
}

TEST(TableTest, NestingIsRefusedBeyondTheLimitHoweverDeep) {
  for (const char kind : {'F', 'A'}) {
    EXPECT_TRUE(Table::Parse(Nested(kTableDepthMax, kind)).ok());
    const auto deeper = Table::Parse(Nested(kTableDepthMax + 1, kind));
    EXPECT_EQ(ReplyCodeOf(deeper.status()), ReplyCode::kSyntaxError);
    EXPECT_EQ(ReplyCodeOf(Table::Parse(Nested(10000, kind)).status()), ReplyCode::kSyntaxError);
    const std::string deepest = Nested(kTableDepthMax, kind);
    EXPECT_EQ(Table::Parse(deepest)->EncodeContents(), deepest);
  }
}

TEST(TableTest, BuiltByHandItEncodesAsClientsDo) {
  const Table table{{"x-max-length", Value::Int(5)}, {"durable", Value::Bool(true)}};
  EXPECT_EQ(table.EncodeContents(), Raw({"\x0cx-max-lengthI\x00\x00\x00\x05\x07"
                                         "durablet\x01",
                                         28}));
}

TEST(TableTest, SetReplacesTheFirstAndRemoveTakesAll) {
  Table table{{"a", Value::Int(1)}, {"a", Value::Int(2)}};
  table.Set("a", Value::Int(3));
  table.Set("b", Value::Int(4));
  EXPECT_EQ(table, (Table{{"a", Value::Int(3)}, {"a", Value::Int(2)}, {"b", Value::Int(4)}}));
  EXPECT_EQ(table.Remove("a"), 2u);
  EXPECT_EQ(table.size(), 1u);
}

TEST(TableViewTest, SeesInPlaceWhatTheTableHolds) {
  const std::string octets = EveryType();
  const Table table = *Table::Parse(octets);
  TableView view(octets);
  absl::string_view name;
  ValueView value;
  size_t n = 0;
  while (view.Next(&name, &value)) {
    EXPECT_EQ(name, table.entries()[n].name);
    EXPECT_EQ(value.ToValue(), table.entries()[n].value);
    EXPECT_EQ(value.AsInteger(), table.entries()[n].value.AsInteger());
    ++n;
  }
  EXPECT_EQ(n, table.size());
  EXPECT_EQ(TableView(octets).Find("m")->AsString(), "hi");
  EXPECT_FALSE(TableView(octets).Find("nobody").has_value());
}

}  // namespace
}  // namespace pontoon::amqp
