#include "client/ctl/erlang_term.h"

#include "absl/strings/str_cat.h"
#include "server/amqp/argument_text.h"

namespace pontoon::ctl {
namespace {

constexpr size_t kLineLength = 80;

const char* Open(const ErlangTerm& term) {
  return term.kind == ErlangTerm::Kind::kTuple ? "{" : "[";
}
const char* Close(const ErlangTerm& term) {
  return term.kind == ErlangTerm::Kind::kTuple ? "}" : "]";
}

// `after`: closing brackets that follow on the same line.
std::string Print(const ErlangTerm& term, size_t column, size_t after) {
  const std::string line = OneLine(term);
  if (term.kind == ErlangTerm::Kind::kLeaf || column + line.size() + after <= kLineLength)
    return line;
  // Items share lines as far as they fit, but compound items of a list have one each.
  bool shares_lines = true;
  for (const ErlangTerm& item : term.items) {
    shares_lines = shares_lines &&
                   (term.kind == ErlangTerm::Kind::kTuple || item.kind == ErlangTerm::Kind::kLeaf);
  }
  std::string text = Open(term);
  size_t at = column + 1;
  for (size_t i = 0; i < term.items.size(); ++i) {
    const bool last = i + 1 == term.items.size();
    const size_t following = last ? after + 1 : 1;
    // {tag,[...]}: the value begins beside its tag.
    const bool beside_tag =
        term.kind == ErlangTerm::Kind::kTuple && i == 1 && term.items.size() == 2;
    if (i > 0) {
      const bool fits =
          shares_lines && at + 1 + OneLine(term.items[i]).size() + following <= kLineLength;
      if (fits || beside_tag) {
        text += ",";
        at += 1;
      } else {
        absl::StrAppend(&text, ",\n", std::string(column + 1, ' '));
        at = column + 1;
      }
    }
    const std::string item = Print(term.items[i], at, following);
    text += item;
    const size_t line_start = item.rfind('\n');
    at = line_start == std::string::npos ? at + item.size() : item.size() - line_start - 1;
  }
  return text + Close(term);
}

}  // namespace

ErlangTerm ErlangTerm::Binary(const std::string& octets) {
  return Leaf(amqp::ErlangBinary(octets));
}

std::string OneLine(const ErlangTerm& term) {
  if (term.kind == ErlangTerm::Kind::kLeaf) return term.text;
  std::string text = Open(term);
  for (size_t i = 0; i < term.items.size(); ++i)
    absl::StrAppend(&text, i == 0 ? "" : ",", OneLine(term.items[i]));
  return text + Close(term);
}

std::string PrettyPrint(const ErlangTerm& term, size_t column) { return Print(term, column, 0); }

}  // namespace pontoon::ctl
