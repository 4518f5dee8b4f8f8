#include "client/ctl/listing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/ctl/erlang_term.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

std::string TabTable(const Listing& listing, bool headers) {
  std::string text;
  if (headers && !listing.rows.empty()) text = absl::StrJoin(listing.columns, "\t") + "\n";
  for (const std::vector<admin::Value>& row : listing.rows) {
    for (size_t i = 0; i < row.size(); ++i)
      absl::StrAppend(&text, i == 0 ? "" : "\t", PlainText(row[i]));
    text += "\n";
  }
  return text;
}

std::string CsvField(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string Csv(const Listing& listing) {
  std::string text;
  const auto append_field = [](std::string* out, const std::string& column) {
    out->append(CsvField(column));
  };
  if (!listing.rows.empty()) text = absl::StrJoin(listing.columns, ",", append_field) + "\n";
  for (const std::vector<admin::Value>& row : listing.rows) {
    for (size_t i = 0; i < row.size(); ++i)
      absl::StrAppend(&text, i == 0 ? "" : ",", CsvField(PlainText(row[i])));
    text += "\n";
  }
  return text;
}

std::string Json(const Listing& listing) {
  std::string text = "[\n";
  for (size_t r = 0; r < listing.rows.size(); ++r) {
    text += r == 0 ? "{" : ",{";
    for (size_t i = 0; i < listing.columns.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? "" : ",", JsonString(listing.columns[i]), ":",
                      JsonText(listing.rows[r][i]));
    }
    text += "}\n";
  }
  return text + "]\n";
}

std::string Erlang(const Listing& listing) {
  std::vector<ErlangTerm> rows;
  for (const std::vector<admin::Value>& row : listing.rows) {
    std::vector<ErlangTerm> fields;
    for (size_t i = 0; i < row.size(); ++i) {
      fields.push_back(ErlangTerm::Tuple({ErlangTerm::Leaf(listing.columns[i]), TermOf(row[i])}));
    }
    rows.push_back(ErlangTerm::List(std::move(fields)));
  }
  return PrettyPrint(ErlangTerm::List(std::move(rows))) + "\n";
}

// How many places the text takes on the screen: UTF-8's following octets take none.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// A box of the terminal's line drawing characters.
std::string PrettyTable(const Listing& listing) {
  if (listing.rows.empty()) return "";
  std::vector<size_t> widths;
  for (size_t i = 0; i < listing.columns.size(); ++i) {
    size_t width = Width(listing.columns[i]);
    for (const std::vector<admin::Value>& row : listing.rows)
      width = std::max(width, Width(PrettyText(row[i])));
    widths.push_back(width);
  }
  const auto rule = [&](char left, char middle, char right) {
    std::string text(1, left);
    for (size_t i = 0; i < widths.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? "" : std::string(1, middle), std::string(widths[i] + 2, 'q'));
    }
    return absl::StrCat("\033(0", text, std::string(1, right), "\033(B\n");
  };
  constexpr char kBar[] = "\033(0x\033(B";
  std::string text = absl::StrCat(rule('l', 'w', 'k'), kBar);
  for (size_t i = 0; i < widths.size(); ++i) {
    absl::StrAppend(&text, " \033[1m", listing.columns[i], "\033[0m",
                    std::string(widths[i] - Width(listing.columns[i]), ' '), " ", kBar);
  }
  text += "\n";
  for (const std::vector<admin::Value>& row : listing.rows) {
    absl::StrAppend(&text, rule('t', 'n', 'u'), kBar);
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = PrettyText(row[i]);
      absl::StrAppend(&text, " ", cell, std::string(widths[i] - Width(cell), ' '), " ", kBar);
    }
    text += "\n";
  }
  return text + rule('m', 'v', 'j');
}

}  // namespace

absl::StatusOr<Formatter> FormatterNamed(const std::string& name) {
  if (name.empty() || name == "table") return Formatter::kTable;
  if (name == "json" || name == "json_stream") return Formatter::kJson;
  if (name == "csv") return Formatter::kCsv;
  if (name == "pretty_table") return Formatter::kPrettyTable;
  if (name == "erlang") return Formatter::kErlang;
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no formatter '", name, "'; use table, json, csv, pretty_table or erlang"));
}

bool IsForMachines(Formatter formatter) {
  return formatter == Formatter::kJson || formatter == Formatter::kCsv;
}

Listing::Listing(const admin::Table& table, std::vector<std::string> wanted)
    : columns(std::move(wanted)) {
  std::vector<int> places;
  for (const std::string& column : columns) {
    const auto it = std::find(table.columns().begin(), table.columns().end(), column);
    places.push_back(it == table.columns().end() ? -1
                                                 : static_cast<int>(it - table.columns().begin()));
  }
  for (const admin::Row& row : table.rows()) {
    std::vector<admin::Value>& cells = rows.emplace_back();
    for (const int place : places) {
      cells.push_back(place >= 0 && place < row.values_size() ? row.values(place) : admin::Value());
    }
  }
}

std::string FormatListing(const Listing& listing, Formatter formatter, bool headers) {
  switch (formatter) {
    case Formatter::kTable:
      return TabTable(listing, headers);
    case Formatter::kJson:
      return Json(listing);
    case Formatter::kCsv:
      return Csv(listing);
    case Formatter::kPrettyTable:
      return PrettyTable(listing);
    case Formatter::kErlang:
      return Erlang(listing);
  }
  return "";
}

}  // namespace pontoon::ctl
