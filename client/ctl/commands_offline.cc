// Commands that ask no node.

#include <openssl/evp.h>

#include <cstring>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "client/ctl/commands.h"

namespace pontoon::ctl {

ExitCode Help(CommandContext* context) {
  if (context->line().Has("list-commands")) {
    for (const CommandSpec& command : AllCommands()) context->Print(command.name);
    return kExitOk;
  }
  if (context->line().arguments.empty()) {
    context->Print(HelpOnAll());
    return kExitOk;
  }
  const std::string& name = context->argument(0);
  if (const CommandSpec* command = FindCommand(name)) {
    context->Print(HelpOn(*command));
    return kExitOk;
  }
  const CommandSpec* like = SuggestCommand(name);
  return context->Fail(
      kExitUsage,
      absl::StrCat("\nCommand '", name, "' not found.",
                   like == nullptr ? "" : absl::StrCat(" \nDid you mean '", like->name, "'? \n")));
}

ExitCode Version(CommandContext* context) {
  // Scripts compare it with the RabbitMQ versions that they know; server_version tells the node's.
  context->Print("3.10.8");
  return kExitOk;
}

ExitCode Autocomplete(CommandContext* context) {
  for (const CommandSpec& command : AllCommands()) {
    if (context->line().arguments.empty() || absl::StartsWith(command.name, context->argument(0))) {
      context->Print(command.name);
    }
  }
  return kExitOk;
}

ExitCode ListHashes(CommandContext* context) {
  context->Banner("Listing supported hash algorithms ...");
  context->Print("[sha512,sha256,md5]");
  return kExitOk;
}

// base64(salt || SHA-256(salt || password)), as the user database and definitions files keep it.
ExitCode HashPassword(CommandContext* context) {
  const std::string algorithm = context->line().Option("hashing-algorithm", "sha256");
  const EVP_MD* digest = algorithm == "sha256"   ? EVP_sha256()
                         : algorithm == "sha512" ? EVP_sha512()
                         : algorithm == "md5"    ? EVP_md5()
                                                 : nullptr;
  if (digest == nullptr)
    return context->FailArguments("Bad argument: no such hashing algorithm", kExitData);
  context->Banner("Will hash password " + context->argument(0));
  const auto salt = static_cast<uint32_t>(base::SystemRandom().Next());
  std::string salted(sizeof(salt), '\0');
  std::memcpy(salted.data(), &salt, sizeof(salt));
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const std::string input = salted + context->argument(0);
  EVP_Digest(input.data(), input.size(), hash, &size, digest, nullptr);
  context->Print(
      absl::Base64Escape(salted + std::string(reinterpret_cast<const char*>(hash), size)));
  return kExitOk;
}

}  // namespace pontoon::ctl
