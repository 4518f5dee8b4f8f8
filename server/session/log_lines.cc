#include "server/session/log_lines.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pontoon::session {
namespace {

constexpr size_t kPrintableBytesMax = 1024;

std::string Endpoint(absl::string_view host, uint16_t port) {
  const bool v6 = absl::StrContains(host, ":");
  return absl::StrCat(v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
}

std::string Pid(uint64_t number) { return absl::StrCat("<0.", number, ".0>"); }

// What stands between the parentheses; `more` is appended.
std::string Inside(const ConnectionLabel& label, bool with_vhost, absl::string_view more = "") {
  std::string text = label.name;
  if (!label.user_provided_name.empty())
    absl::StrAppend(&text, " - ", Printable(label.user_provided_name));
  if (!label.user.empty()) {
    if (with_vhost) {
      absl::StrAppend(&text, ", vhost: '", label.vhost.empty() ? "none" : Printable(label.vhost),
                      "'");
    }
    absl::StrAppend(&text, ", user: '", Printable(label.user), "'");
  }
  return absl::StrCat(text, more);
}

}  // namespace

std::string ConnectionName(const PeerInfo& peer) {
  return absl::StrCat(Endpoint(peer.peer_host, peer.peer_port), " -> ",
                      Endpoint(peer.host, peer.port));
}

std::string PrintedPid(absl::string_view node, int64_t boot_seconds, uint64_t number) {
  return absl::StrCat("<", node, ".", boot_seconds, ".", number, ".0>");
}

std::string Printable(absl::string_view text) {
  const bool cut = text.size() > kPrintableBytesMax;
  std::string printable;
  for (char c : text.substr(0, kPrintableBytesMax)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      absl::StrAppend(&printable, "\\x", absl::Hex(octet, absl::kZeroPad2));
    } else {
      printable.push_back(c);
    }
  }
  if (cut) printable.append("...");
  return printable;
}

std::string AcceptingLine(const ConnectionLabel& label) {
  return absl::StrCat("accepting AMQP connection ", Pid(label.number), " (", label.name, ")");
}

std::string ClientNameLine(const ConnectionLabel& label) {
  return absl::StrCat("connection ", Pid(label.number), " (", label.name,
                      ") has a client-provided name: ", Printable(label.user_provided_name));
}

std::string AuthenticatedLine(const ConnectionLabel& label) {
  ConnectionLabel unnamed = label;
  unnamed.user.clear();
  return absl::StrCat("connection ", Pid(label.number), " (", Inside(unnamed, false), "): user '",
                      Printable(label.user), "' authenticated and granted access to vhost '",
                      Printable(label.vhost), "'");
}

std::string ClosingLine(const ConnectionLabel& label, absl::string_view why) {
  return absl::StrCat("closing AMQP connection ", Pid(label.number), " (", Inside(label, true), ")",
                      why.empty() ? "" : ":\n", why);
}

std::string ErrorLine(const ConnectionLabel& label, absl::string_view state, uint16_t channel,
                      absl::string_view reason) {
  const bool running = state == "running";
  std::string head = absl::StrCat("Error on AMQP connection ", Pid(label.number), " (",
                                  Inside(label, running, absl::StrCat(", state: ", state)), ")");
  if (running) return absl::StrCat(head, ", channel ", channel, ":\n ", reason);
  return absl::StrCat(head, ":\n", reason);
}

std::string OperationText(absl::string_view method, bool channel_only, amqp::ReplyCode code,
                          absl::string_view explanation) {
  return absl::StrCat("operation ", method.empty() ? "none" : method, " caused a ",
                      channel_only ? "channel" : "connection", " exception ",
                      absl::AsciiStrToLower(amqp::ReplyCodeName(code)), ": ",
                      channel_only ? "" : "\"", Printable(explanation), channel_only ? "" : "\"");
}

std::string ChannelErrorLine(const ConnectionLabel& label, uint16_t channel,
                             absl::string_view operation) {
  ConnectionLabel plain = label;
  plain.user_provided_name.clear();
  return absl::StrCat("Channel error on connection ", Pid(label.number), " (", Inside(plain, true),
                      "), channel ", channel, ":\n", operation);
}

}  // namespace pontoon::session
