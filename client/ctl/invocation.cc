#include "client/ctl/invocation.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pontoon::ctl {
namespace {

enum class Kind { kFlag, kText, kNumber, kWhole };

struct Switch {
  const char* name;
  Kind kind;
  const char* alias;  // One letter, or null.
  // The commands that take it, between spaces; null: all do.
  const char* commands;
};

constexpr Switch kSwitches[] = {
    {"node", Kind::kText, "n", nullptr},
    {"quiet", Kind::kFlag, "q", nullptr},
    {"silent", Kind::kFlag, "s", nullptr},
    {"longnames", Kind::kFlag, "l", nullptr},
    {"timeout", Kind::kNumber, "t", nullptr},
    {"vhost", Kind::kText, "p", nullptr},
    {"formatter", Kind::kText, nullptr, nullptr},
    {"help", Kind::kFlag, "?", nullptr},
    {"version", Kind::kFlag, nullptr, nullptr},
    {"dry-run", Kind::kFlag, nullptr, nullptr},
    {"printer", Kind::kText, nullptr, nullptr},
    {"print-stacktrace", Kind::kFlag, nullptr, nullptr},
    {"script-name", Kind::kText, nullptr, nullptr},
    {"erlang-cookie", Kind::kText, nullptr, nullptr},
    {"table-headers", Kind::kFlag, nullptr, nullptr},
    {"cookie-file", Kind::kText, nullptr, nullptr},
    {"data-dir", Kind::kText, nullptr, nullptr},
    {"port", Kind::kWhole, nullptr, nullptr},
    {"online", Kind::kFlag, nullptr, " list_queues "},
    {"offline", Kind::kFlag, nullptr, " list_queues "},
    {"local", Kind::kFlag, nullptr, " list_queues "},
    {"if-empty", Kind::kFlag, "e", " delete_queue "},
    {"if-unused", Kind::kFlag, "u", " delete_queue "},
    {"description", Kind::kText, nullptr, " add_vhost "},
    {"tags", Kind::kText, nullptr, " add_vhost "},
    {"default-queue-type", Kind::kText, nullptr, " add_vhost "},
    {"idempotent", Kind::kFlag, nullptr, " stop "},
    {"wait", Kind::kFlag, nullptr, " shutdown "},
    {"pid", Kind::kWhole, "P", " wait "},
    {"limit", Kind::kWhole, nullptr, " close_all_connections "},
    {"global", Kind::kFlag, nullptr, " close_all_connections "},
    {"per-connection-delay", Kind::kWhole, nullptr, " close_all_connections "},
    {"unit", Kind::kText, nullptr, " status memory_breakdown "},
    {"list-commands", Kind::kFlag, nullptr, " help "},
    {"hashing-algorithm", Kind::kText, nullptr, " hash_password "},
};

bool Takes(const Switch& one, const std::string& command) {
  return one.commands == nullptr ||
         absl::string_view(one.commands).find(absl::StrCat(" ", command, " ")) !=
             absl::string_view::npos;
}

const Switch* FindSwitch(const std::string& name, bool by_alias, const std::string& command) {
  for (const Switch& one : kSwitches) {
    const bool same = by_alias ? one.alias != nullptr && name == one.alias : name == one.name;
    if (same && Takes(one, command)) return &one;
  }
  return nullptr;
}

bool LooksLikeOption(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  double number = 0;
  return !absl::SimpleAtod(word, &number);
}

bool Fits(Kind kind, const std::string& value) {
  double real = 0;
  int64_t whole = 0;
  if (kind == Kind::kNumber) return absl::SimpleAtod(value, &real);
  return kind != Kind::kWhole || absl::SimpleAtoi(value, &whole);
}

// One pass; options of other commands than `command` are invalid.
Invocation ParseFor(const std::vector<std::string>& words, const std::string& command) {
  Invocation line;
  line.words = words;
  std::vector<std::string> plain;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      plain.insert(plain.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (!LooksLikeOption(word)) {
      plain.push_back(word);
      continue;
    }
    const bool is_long = word[1] == '-';
    std::string name = word.substr(is_long ? 2 : 1);
    std::optional<std::string> value;
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Switch* found = FindSwitch(name, !is_long, command);
    bool on = true;
    if (found == nullptr && is_long && name.starts_with("no-")) {
      found = FindSwitch(name.substr(3), false, command);
      if (found != nullptr && found->kind != Kind::kFlag) found = nullptr;
      on = false;
    }
    const std::string written = word.substr(0, word.find('='));
    if (found == nullptr) {
      line.invalid.emplace_back(written, value.value_or(""));
      continue;
    }
    if (found->kind == Kind::kFlag) {
      if (value && *value != "true" && *value != "false") {
        line.invalid.emplace_back(written, *value);
        continue;
      }
      line.options[found->name] = (value.value_or("true") == "true") == on ? "true" : "false";
      continue;
    }
    if (!value) {
      if (i + 1 == words.size() || LooksLikeOption(words[i + 1])) {
        line.invalid.emplace_back(written, "");
        continue;
      }
      value = words[++i];
    }
    if (!Fits(found->kind, *value)) {
      line.invalid.emplace_back(written, *value);
      continue;
    }
    line.options[found->name] = *value;
  }
  if (!plain.empty()) {
    line.command = plain[0];
    line.arguments.assign(plain.begin() + 1, plain.end());
  }
  return line;
}

}  // namespace

bool Invocation::Has(const std::string& flag) const { return Option(flag) == "true"; }

std::string Invocation::Option(const std::string& name, const std::string& otherwise) const {
  const auto it = options.find(name);
  return it == options.end() ? otherwise : it->second;
}

Invocation ParseCommandLine(const std::vector<std::string>& words) {
  // The command must be known before its own options are, and may stand behind them.
  std::string command = ParseFor(words, "").command;
  Invocation line = ParseFor(words, command);
  if (line.command != command) line = ParseFor(words, line.command);
  line.spec = FindCommand(line.command);
  return line;
}

}  // namespace pontoon::ctl
