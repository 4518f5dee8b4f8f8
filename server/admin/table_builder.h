#ifndef PONTOON_SERVER_ADMIN_TABLE_BUILDER_H_
#define PONTOON_SERVER_ADMIN_TABLE_BUILDER_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "proto/admin.pb.h"

namespace pontoon::admin {

// Builds a table one row after another, each with the same columns in the same order.
class TableBuilder {
 public:
  // The columns come with the first row.
  explicit TableBuilder(Table* table) : table_(table) {}
  // They are shown also where there is no row.
  TableBuilder(Table* table, std::initializer_list<const char*> columns)
      : table_(table), named_(true) {
    for (const char* column : columns) table_->add_columns(column);
  }

  void NextRow() {
    row_ = table_->add_rows();
    first_ = !named_ && table_->rows_size() == 1;
  }
  Value* Cell(const char* column) {
    if (first_) table_->add_columns(column);
    return row_->add_values();
  }
  void Text(const char* column, const std::string& text) { Cell(column)->set_text(text); }
  void Atom(const char* column, const std::string& atom) { Cell(column)->set_atom(atom); }
  void Number(const char* column, uint64_t number) {
    Cell(column)->set_integer(static_cast<int64_t>(number));
  }
  void Bool(const char* column, bool value) { Cell(column)->set_boolean(value); }
  void Address(const char* column, const std::string& address) {
    Cell(column)->set_address(address);
  }
  void Arguments(const char* column, const std::string& table) {
    Cell(column)->set_amqp_table(table);
  }
  // An empty cell for "".
  void Optional(const char* column, const std::string& atom) {
    Value* cell = Cell(column);
    if (!atom.empty()) cell->set_atom(atom);
  }
  template <typename Items>
  void List(const char* column, const Items& items) {
    StringList* list = Cell(column)->mutable_list();
    for (const std::string& item : items) list->add_items(item);
  }
  // A list of one; an empty cell for "".
  void Nodes(const char* column, const std::string& node) {
    Value* cell = Cell(column);
    if (!node.empty()) cell->mutable_list()->add_items(node);
  }
  void Nothing(const char* column) { Cell(column); }

 private:
  Table* const table_;
  const bool named_ = false;
  Row* row_ = nullptr;
  bool first_ = false;
};

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_TABLE_BUILDER_H_
