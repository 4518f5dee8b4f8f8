#include "client/ctl/command_context.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

constexpr char kAppMustRun[] =
    "Error: this command requires the 'rabbit' app to be running on the target node. Start it with "
    "'rabbitmqctl start_app'.";
constexpr char kAppIsStarting[] =
    "Error: this command requires the 'rabbit' app to be running on the target node, which is "
    "still starting. Wait for "
    "it with 'rabbitmqctl await_startup'.";

std::string NodeNameOnly(const std::string& node) { return node.substr(0, node.find('@')); }
std::string HostOnly(const std::string& node) {
  const size_t at = node.find('@');
  return at == std::string::npos ? node : node.substr(at + 1);
}

}  // namespace

CommandContext::CommandContext(const Invocation& line, Formatter formatter, Edges edges)
    : line_(line), formatter_(formatter), edges_(std::move(edges)) {
  timeout_ = edges_.default_timeout;
  const std::string timeout = line.Option("timeout");
  if (!timeout.empty() && (!absl::SimpleAtod(timeout, &timeout_) || timeout_ < 0)) timeout_ = 0;
}

std::string CommandContext::timeout_text() const {
  return timeout_ > 0 ? RealText(timeout_) : "infinity";
}

void CommandContext::Banner(const std::string& text) {
  if (line_.Has("quiet") || line_.Has("silent") || IsForMachines(formatter_)) return;
  absl::StrAppend(&banner_, text, "\n");
}

void CommandContext::Print(const std::string& text) {
  absl::StrAppend(&output_, std::exchange(banner_, ""), text, "\n");
}

void CommandContext::Flush() {
  edges_.flush_output(absl::StrCat(std::exchange(output_, ""), std::exchange(banner_, "")));
}

absl::StatusOr<admin::Result> CommandContext::AskQuietly(admin::Command command) {
  return edges_.link->Execute(command, timeout_);
}

std::optional<admin::Result> CommandContext::Ask(admin::Command command) {
  command.set_node(edges_.node);
  absl::StatusOr<admin::Result> result = AskQuietly(std::move(command));
  if (!result.ok()) {
    exit_code_ = FailUnreachable(result.status());
    return std::nullopt;
  }
  switch (result->refusal()) {
    case admin::NOT_RUNNING:
      exit_code_ = FailNotRunning(result->state());
      return std::nullopt;
    case admin::WRONG_NODE:
      exit_code_ = FailUnreachable(absl::NotFoundError(result->node()));
      return std::nullopt;
    default:
      absl::StrAppend(&output_, std::exchange(banner_, ""));
      return *std::move(result);
  }
}

ExitCode CommandContext::Fail(ExitCode code, const std::string& text) {
  return FailRaw(code, absl::StrCat("Error:\n", text, "\n"));
}

ExitCode CommandContext::FailRaw(ExitCode code, const std::string& text) {
  absl::StrAppend(&output_, std::exchange(banner_, ""));
  absl::StrAppend(&errors_, text);
  return code;
}

ExitCode CommandContext::FailArguments(const std::string& text, ExitCode code) {
  banner_.clear();
  return FailRaw(code, absl::StrCat("Error (argument validation): ", text, "\nArguments given:\n\t",
                                    absl::StrJoin(line_.words, " "), "\n",
                                    UsageOf(*line_.spec, edges_.in_diagnostics)));
}

ExitCode CommandContext::FailNotRunning(admin::NodeState state) {
  banner_.clear();
  return FailRaw(kExitUsage, absl::StrCat(state == admin::STARTING ? kAppIsStarting : kAppMustRun,
                                          "\nArguments given:\n\t", absl::StrJoin(line_.words, " "),
                                          "\n", UsageOf(*line_.spec, edges_.in_diagnostics)));
}

ExitCode CommandContext::FailUnreachable(const absl::Status& why) {
  if (absl::IsDeadlineExceeded(why)) {
    return Fail(kExitTempFail, absl::StrCat("operation ", line_.command, " on node ", edges_.node,
                                            " timed out. Timeout value used: ",
                                            static_cast<int64_t>(timeout_ * 1000)));
  }
  if (!edges_.is_life_cycle) banner_.clear();
  std::string found;
  if (absl::IsUnauthenticated(why)) {
    found = absl::StrCat(
        "  * TCP connection to ", edges_.address,
        " succeeded, but the node and this tool do not have the same cookie\n"
        "  * suggestion: check that the cookie is the node's: the file .erlang.cookie in its data "
        "directory; see --cookie-file, --data-dir and RABBITMQ_ERLANG_COOKIE\n");
  } else if (absl::IsNotFound(why)) {
    found = absl::StrCat(
        "  * connected to ", edges_.address, "\n  * node '", NodeNameOnly(edges_.node),
        "' not running there\n                  other nodes on ", HostOnly(edges_.node), ": [",
        NodeNameOnly(std::string(why.message())), "]\n  * suggestion: start the node\n");
  } else if (absl::IsUnavailable(why)) {
    found = absl::StrCat(
        "  * unable to connect to ", edges_.address,
        ": nothing that serves administration listens there",
        "\n  * suggestion: start the node, or name its administration port (its AMQP port + 20000) "
        "with --port or its data directory with --data-dir\n");
  } else {
    found = absl::StrCat("  * connected to ", edges_.address,
                         ", but what listens there is no node that this tool knows: ",
                         std::string(why.message()), "\n");
  }
  return FailRaw(
      kExitUnavailable,
      absl::StrCat(
          "Error: unable to perform an operation on node '", edges_.node,
          "'. Please see diagnostics information and suggestions below.\n\nMost common reasons for "
          "this are:\n\n"
          " * Target node is unreachable (e.g. due to hostname resolution, TCP connection or "
          "firewall issues)\n"
          " * CLI tool fails to authenticate with the server (e.g. due to CLI tool's cookie not "
          "matching that of the "
          "server)\n * Target node is not running\n\nIn addition to the diagnostics info below:\n\n"
          " * Consult server logs on node ",
          edges_.node, "\n\nDIAGNOSTICS\n===========\n\nattempted to contact: [", edges_.node,
          "]\n\n", edges_.node, ":\n", found,
          "\nCurrent node details:\n * cookie: ", edges_.cookie_note, "\n\n"));
}

ExitCode CommandContext::Done(const std::string& text) {
  if (formatter_ == Formatter::kJson) {
    Print(absl::StrCat("{\"node\":", JsonString(edges_.node), ",\"result\":\"ok\"",
                       text.empty() ? "" : absl::StrCat(",\"message\":", JsonString(text)), "}"));
  } else if (!text.empty()) {
    Print(text);
  }
  absl::StrAppend(&output_, std::exchange(banner_, ""));
  return kExitOk;
}

ExitCode CommandContext::PrintListing(const admin::Table& table,
                                      const std::vector<std::string>& columns) {
  const bool headers = !line_.Has("silent") && line_.Option("table-headers", "true") == "true";
  absl::StrAppend(&output_, std::exchange(banner_, ""),
                  FormatListing(Listing(table, columns), formatter_, headers));
  return kExitOk;
}

}  // namespace pontoon::ctl
