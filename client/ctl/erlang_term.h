#ifndef PONTOON_CLIENT_CTL_ERLANG_TERM_H_
#define PONTOON_CLIENT_CTL_ERLANG_TERM_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace pontoon::ctl {

// An Erlang term to print: a leaf with its text, or a tuple or list of terms.
struct ErlangTerm {
  enum class Kind { kLeaf, kTuple, kList };
  Kind kind = Kind::kLeaf;
  std::string text;
  std::vector<ErlangTerm> items;

  static ErlangTerm Leaf(std::string text) { return {Kind::kLeaf, std::move(text), {}}; }
  static ErlangTerm Tuple(std::vector<ErlangTerm> items) {
    return {Kind::kTuple, {}, std::move(items)};
  }
  static ErlangTerm List(std::vector<ErlangTerm> items) {
    return {Kind::kList, {}, std::move(items)};
  }
  // A binary of UTF-8.
  static ErlangTerm Binary(const std::string& octets);
};

// On one line.
std::string OneLine(const ErlangTerm& term);
// As io:format's ~p breaks lines at 80 characters, where the first line begins at `column`.
std::string PrettyPrint(const ErlangTerm& term, size_t column = 0);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_ERLANG_TERM_H_
