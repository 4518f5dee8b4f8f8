#ifndef PONTOON_CLIENT_CTL_INVOCATION_H_
#define PONTOON_CLIENT_CTL_INVOCATION_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/ctl/command_spec.h"

namespace pontoon::ctl {

// A command line taken apart as rabbitmqctl does it: options may stand anywhere, --opt value or
// --opt=value, --no-FLAG turns a flag off, a lone -- ends the options, negative numbers are no
// options.
struct Invocation {
  std::vector<std::string> words;  // All of the line after the program's name.
  std::string command;             // The first word that is no option; may be empty.
  const CommandSpec* spec = nullptr;
  std::vector<std::string> arguments;  // The rest of them.
  std::map<std::string, std::string>
      options;  // By long name without dashes; flags have "true" or "false".
  std::vector<std::pair<std::string, std::string>>
      invalid;  // Options that cannot be, as written, with their value.

  bool Has(const std::string& flag) const;
  std::string Option(const std::string& name, const std::string& otherwise = "") const;
  std::string vhost() const { return Option("vhost", "/"); }
};

Invocation ParseCommandLine(const std::vector<std::string>& words);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_INVOCATION_H_
