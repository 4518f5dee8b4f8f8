#ifndef PONTOON_RAFT_SCRIPT_TRACE_H_
#define PONTOON_RAFT_SCRIPT_TRACE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "raft/core/core.h"

namespace pontoon::raft::script {

// How the scripts' traces are worded. An entry is `index@term`, with what it holds behind a colon
// and the bytes of its body behind a plus; a replica is its node, with its incarnation behind a dot
// if that is not the first. For tests.

std::string Show(const ReplicaId& replica);
std::string Show(EntryId id);
std::string Show(const Membership& members);
std::string Show(const Entry& entry);
std::string Show(const Message& message);
std::string Show(const StorageTask& task);
std::string Show(const RoleChange& change);
absl::string_view RoleName(Role role);
absl::string_view KindName(MessageKind kind);

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_TRACE_H_
