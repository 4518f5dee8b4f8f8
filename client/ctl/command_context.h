#ifndef PONTOON_CLIENT_CTL_COMMAND_CONTEXT_H_
#define PONTOON_CLIENT_CTL_COMMAND_CONTEXT_H_

#include <functional>
#include <istream>
#include <optional>
#include <string>

#include "client/ctl/invocation.h"
#include "client/ctl/listing.h"
#include "client/ctl/node_link.h"

namespace pontoon::ctl {

// rabbitmqctl's exit codes, which are those of sysexits.h.
enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 64,
  kExitData = 65,
  kExitNoUser = 67,
  kExitUnavailable = 69,
  kExitSoftware = 70,
  kExitTempFail = 75,
  kExitConfig = 78,
};

// One command being carried out: what was asked, whom to ask, and what is to be printed. Output is
// gathered, so that nothing is on stdout where a command could not even begin.
class CommandContext {
 public:
  struct Edges {
    NodeLink* link = nullptr;
    std::string node;             // For texts.
    std::string cookie_note;      // Where the cookie came from, for texts.
    std::string address;          // "127.0.0.1:25672"
    double default_timeout = 60;  // Seconds, where the line names none; 0: as long as it takes.
    // Its banner tells what was tried also where no node could be asked.
    bool is_life_cycle = false;
    bool in_diagnostics = false;    // Called as rabbitmq-diagnostics.
    std::istream* input = nullptr;  // Passwords that are not arguments.
    std::function<void(double)> sleep_seconds;
    std::function<void(const std::string&)> flush_output;
  };

  CommandContext(const Invocation& line, Formatter formatter, Edges edges);

  const Invocation& line() const { return line_; }
  const std::string& argument(size_t i) const { return line_.arguments[i]; }
  const std::string& node() const { return edges_.node; }
  Formatter formatter() const { return formatter_; }
  bool in_diagnostics() const { return edges_.in_diagnostics; }
  // Seconds; 0: as long as it takes.
  double timeout() const { return timeout_; }
  std::string timeout_text() const;

  // A line before the result, unless it is not wanted (-q, -s, JSON, CSV).
  void Banner(const std::string& text);
  // On stdout, with a line break.
  void Print(const std::string& text);
  // What `Print` gathered goes out now.
  void Flush();

  // Asks the node. nullopt: it could not be asked, or its broker does not run; all is said then,
  // and `exit_code` is what to end with.
  std::optional<admin::Result> Ask(admin::Command command);
  // The same, but a node that could not be asked is nothing to talk about.
  absl::StatusOr<admin::Result> AskQuietly(admin::Command command);
  ExitCode exit_code() const { return exit_code_; }

  // "Error:\n<text>" on stderr.
  ExitCode Fail(ExitCode code, const std::string& text);
  // "Error (argument validation): <text>" with the command line and its usage.
  ExitCode FailArguments(const std::string& text, ExitCode code = kExitUsage);
  // As it is.
  ExitCode FailRaw(ExitCode code, const std::string& text);
  // What is said of a node that could not be asked.
  ExitCode FailUnreachable(const absl::Status& why);

  // Ends a command that has nothing to say: "ok" for programs, else the text, if there is one.
  ExitCode Done(const std::string& text = "");
  ExitCode PrintListing(const admin::Table& table, const std::vector<std::string>& columns);

  std::istream* input() { return edges_.input; }
  void Sleep(double seconds) { edges_.sleep_seconds(seconds); }
  const std::string& output() const { return output_; }
  const std::string& errors() const { return errors_; }

 private:
  ExitCode FailNotRunning(admin::NodeState state);

  const Invocation& line_;
  const Formatter formatter_;
  Edges edges_;
  double timeout_ = 0;
  std::string banner_;
  std::string output_, errors_;
  ExitCode exit_code_ = kExitOk;
};

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_COMMAND_CONTEXT_H_
