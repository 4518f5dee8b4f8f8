// What RabbitMQ 3.10.8's rabbitmqctl printed for the same values.
#include "client/ctl/listing.h"

#include <gtest/gtest.h>

#include "client/ctl/value_text.h"
#include "server/amqp/table.h"

namespace pontoon::ctl {
namespace {

void AddQueue(admin::Table* table, const std::string& name, const amqp::Table& arguments,
              int messages) {
  admin::Row* row = table->add_rows();
  row->add_values()->set_text(name);
  row->add_values()->set_amqp_table(arguments.EncodeContents());
  row->add_values()->set_integer(messages);
}

admin::Table Queues() {
  admin::Table table;
  for (const char* column : {"name", "arguments", "messages"}) table.add_columns(column);
  AddQueue(&table, "events",
           {{"x-queue-type", amqp::Value::String("stream")},
            {"x-max-length-bytes", amqp::Value::Int(100000000)}},
           4999);
  AddQueue(&table, "excl", {}, 0);
  return table;
}

TEST(ListingTest, TableIsTabSeparatedWithAHeaderRow) {
  EXPECT_EQ(
      FormatListing(Listing(Queues(), {"name", "arguments", "messages"}), Formatter::kTable, true),
      "name\targuments\tmessages\n"
      "events\t[{\"x-queue-type\",\"stream\"},{\"x-max-length-bytes\",100000000}]\t4999\n"
      "excl\t[]\t0\n");
}

TEST(ListingTest, ColumnsAreThoseAskedForInTheirOrder) {
  EXPECT_EQ(FormatListing(Listing(Queues(), {"messages", "name"}), Formatter::kTable, false),
            "4999\tevents\n0\texcl\n");
}

TEST(ListingTest, ColumnThatTheNodeDoesNotKnowIsEmpty) {
  EXPECT_EQ(FormatListing(Listing(Queues(), {"policy", "name"}), Formatter::kTable, false),
            "\tevents\n\texcl\n");
}

TEST(ListingTest, NothingToListPrintsNoHeader) {
  admin::Table empty;
  EXPECT_EQ(FormatListing(Listing(empty, {"name"}), Formatter::kTable, true), "");
  EXPECT_EQ(FormatListing(Listing(empty, {"name"}), Formatter::kJson, true), "[\n]\n");
  EXPECT_EQ(FormatListing(Listing(empty, {"name"}), Formatter::kErlang, true), "[]\n");
}

TEST(ListingTest, JsonIsOneObjectALine) {
  EXPECT_EQ(
      FormatListing(Listing(Queues(), {"name", "arguments", "messages"}), Formatter::kJson, true),
      "[\n"
      "{\"name\":\"events\",\"arguments\":[[\"x-queue-type\",\"longstr\",\"stream\"],"
      "[\"x-max-length-bytes\",\"signedint\",100000000]],\"messages\":4999}\n"
      ",{\"name\":\"excl\",\"arguments\":[],\"messages\":0}\n"
      "]\n");
}

TEST(ListingTest, CsvQuotesEveryFieldAndKeepsItsHeader) {
  EXPECT_EQ(
      FormatListing(Listing(Queues(), {"name", "arguments", "messages"}), Formatter::kCsv, false),
      "\"name\",\"arguments\",\"messages\"\n"
      "\"events\",\"[{\"\"x-queue-type\"\",\"\"stream\"\"},{\"\"x-max-length-bytes\"\",100000000}]"
      "\",\"4999\"\n"
      "\"excl\",\"[]\",\"0\"\n");
}

TEST(ListingTest, ErlangTermsBreakWhereErlangBreaksThem) {
  EXPECT_EQ(
      FormatListing(Listing(Queues(), {"name", "arguments", "messages"}), Formatter::kErlang, true),
      "[[{name,<<\"events\">>},\n"
      "  {arguments,[{<<\"x-queue-type\">>,longstr,<<\"stream\">>},\n"
      "              {<<\"x-max-length-bytes\">>,signedint,100000000}]},\n"
      "  {messages,4999}],\n"
      " [{name,<<\"excl\">>},{arguments,[]},{messages,0}]]\n");
}

TEST(ListingTest, NestedErlangTermsShareLinesAsFarAsTheyFit) {
  admin::Value value;
  value.set_amqp_table(
      amqp::Table({{"product", amqp::Value::String("Pika Python Client Library")},
                   {"capabilities", amqp::Value::Of(amqp::Table(
                                        {{"authentication_failure_close", amqp::Value::Bool(true)},
                                         {"basic.nack", amqp::Value::Bool(true)}}))},
                   {"information", amqp::Value::String("See http://pika.rtfd.org")}})
          .EncodeContents());
  admin::Table table;
  table.add_columns("client_properties");
  *table.add_rows()->add_values() = value;
  EXPECT_EQ(FormatListing(Listing(table, {"client_properties"}), Formatter::kErlang, true),
            "[[{client_properties,[{<<\"product\">>,longstr,<<\"Pika Python Client Library\">>},\n"
            "                      {<<\"capabilities\">>,table,\n"
            "                       [{<<\"authentication_failure_close\">>,bool,true},\n"
            "                        {<<\"basic.nack\">>,bool,true}]},\n"
            "                      {<<\"information\">>,longstr,\n"
            "                       <<\"See http://pika.rtfd.org\">>}]}]]\n");
}

TEST(ListingTest, PrettyTableIsABox) {
  admin::Table users;
  users.add_columns("user");
  users.add_columns("tags");
  for (const std::string name : {"lqz", "guest"}) {
    admin::Row* row = users.add_rows();
    row->add_values()->set_text(name);
    row->add_values()->mutable_list();
  }
  users.mutable_rows(1)->mutable_values(1)->mutable_list()->add_items("administrator");
  EXPECT_EQ(
      FormatListing(Listing(users, {"user", "tags"}), Formatter::kPrettyTable, true),
      "\033(0lqqqqqqqwqqqqqqqqqqqqqqqk\033(B\n"
      "\033(0x\033(B \033[1muser\033[0m  \033(0x\033(B \033[1mtags\033[0m          \033(0x\033(B\n"
      "\033(0tqqqqqqqnqqqqqqqqqqqqqqqu\033(B\n"
      "\033(0x\033(B lqz   \033(0x\033(B               \033(0x\033(B\n"
      "\033(0tqqqqqqqnqqqqqqqqqqqqqqqu\033(B\n"
      "\033(0x\033(B guest \033(0x\033(B administrator \033(0x\033(B\n"
      "\033(0mqqqqqqqvqqqqqqqqqqqqqqqj\033(B\n");
}

TEST(ListingTest, UnknownFormatterIsRefused) { EXPECT_FALSE(FormatterNamed("frob").ok()); }

admin::Value Atom(const std::string& atom) {
  admin::Value value;
  value.set_atom(atom);
  return value;
}

TEST(ValueTextTest, ClientPropertiesArePrintedAsTheJavaTestsReadThem) {
  admin::Value value;
  value.set_amqp_table(
      amqp::Table({{"product", amqp::Value::String("Pika")},
                   {"capabilities",
                    amqp::Value::Of(amqp::Table({{"basic.nack", amqp::Value::Bool(true)}}))},
                   {"connection_name", amqp::Value::String("eco-declare")}})
          .EncodeContents());
  EXPECT_EQ(PlainText(value),
            "[{\"product\",\"Pika\"},{\"capabilities\",[{\"basic.nack\",true}]},{\"connection_"
            "name\",\"eco-declare\"}]");
}

TEST(ValueTextTest, ProtocolAndAddressesAreNumbersForPrograms) {
  EXPECT_EQ(PlainText(Atom("{0,9,1}")), "{0,9,1}");
  EXPECT_EQ(JsonText(Atom("{0,9,1}")), "[0,9,1]");
  EXPECT_EQ(JsonText(Atom("running")), "\"running\"");
  admin::Value address;
  address.set_address("127.0.0.1");
  EXPECT_EQ(PlainText(address), "127.0.0.1");
  EXPECT_EQ(JsonText(address), "[127,0,0,1]");
  EXPECT_EQ(OneLine(TermOf(address)), "{127,0,0,1}");
  address.set_address("::1");
  EXPECT_EQ(JsonText(address), "[0,0,0,0,0,0,0,1]");
}

TEST(ValueTextTest, NodeThatIsNewerThanTheToolIsNoCrash) {
  admin::Value value;
  value.set_amqp_table("\x05no table");
  EXPECT_EQ(PlainText(value), "[]");
  EXPECT_EQ(JsonText(admin::Value()), "\"\"");
}

TEST(ValueTextTest, JsonStringsEscapeWhatMustBe) {
  EXPECT_EQ(JsonString("tab\there \"quoted\" back\\slash h\xc3\xa9/\x01"),
            "\"tab\\there \\\"quoted\\\" back\\\\slash h\xc3\xa9/\\u0001\"");
}

TEST(ValueTextTest, RealsAreTheShortestThatReadBack) {
  EXPECT_EQ(RealText(0.4), "0.4");
  EXPECT_EQ(RealText(1), "1.0");
  EXPECT_EQ(RealText(60), "60.0");
}

}  // namespace
}  // namespace pontoon::ctl
