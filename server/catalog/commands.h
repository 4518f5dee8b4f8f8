#ifndef PONTOON_SERVER_CATALOG_COMMANDS_H_
#define PONTOON_SERVER_CATALOG_COMMANDS_H_

#include <cstdint>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/catalog/editor.h"
#include "server/catalog/members.h"

namespace pontoon::catalog {

// What each command does, one Run per kind: checks it against the newest state, and either refuses
// it in RabbitMQ's words and changes nothing, or edits the state and notes what changed.
class Commands {
 public:
  // All borrowed. `index` is the entry's; `home` of things that it declares is the origin's when it
  // names none.
  Commands(uint64_t index, Editor* editor, Members* members, std::vector<Change>* changes)
      : index_(index), editor_(editor), members_(members), changes_(changes) {}

  Answer Run(const DeclareExchange& command);
  Answer Run(const DeleteExchange& command);
  Answer Run(const DeclareQueue& command);
  Answer Run(const ForgetQueue& command);
  Answer Run(const Bind& command);
  Answer Run(const Unbind& command);
  Answer Run(const AddVhost& command);
  Answer Run(const DeleteVhost& command);
  Answer Run(const PutUser& command);
  Answer Run(const SetUserTags& command);
  Answer Run(const DeleteUser& command);
  Answer Run(const SetPermission& command);
  Answer Run(const ClearPermission& command);
  Answer Run(const RegisterBoot& command);
  Answer Run(const FoundCluster& command);

 private:
  const State& state() const { return editor_->state(); }
  void NoteForgotten(const QueueRecord& queue, bool closed_by_shard);
  void ErasePermissions(absl::string_view user, absl::string_view vhost);

  const uint64_t index_;
  Editor* const editor_;
  Members* const members_;
  std::vector<Change>* const changes_;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_COMMANDS_H_
