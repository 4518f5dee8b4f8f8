#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"

// The leader's log: Raft thesis §3.5.

namespace pontoon::raft {

absl::StatusOr<Index> Core::Propose(Term expected_term, absl::Span<Entry> entries, Room room) {
  if (absl::Status leads = RequireLeaderOf(expected_term); !leads.ok()) return leads;
  if (entries.empty()) return absl::InvalidArgumentError("nothing to propose");
  uint64_t cost = 0;
  for (const Entry& entry : entries) {
    if (entry.header.size() > kEntryHeaderBytesMax || entry.body.size() > kEntryBodyBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("an entry with a header of ", entry.header.size(),
                                                     " and a body of ", entry.body.size(), " bytes"));
    }
    PONTOON_CHECK(entry.kind == EntryKind::kNormal && entry.body.size() == entry.body_bytes);
    cost += EntryCost(entry);
  }
  // What is alone is let in whatever its size, or it would wait for ever.
  if (room == Room::kBounded && uncommitted_bytes_ > 0 &&
      uncommitted_bytes_ + cost > options_.uncommitted_bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(uncommitted_bytes_, " bytes of this group wait to be committed"));
  }
  uncommitted_bytes_ += cost;
  const Index first = log_.last().index + 1;
  for (Entry& entry : entries) AppendOwn(std::move(entry));
  return first;
}

absl::StatusOr<Index> Core::ProposeConfig(Term expected_term, const Membership& wanted) {
  if (absl::Status leads = RequireLeaderOf(expected_term); !leads.ok()) return leads;
  if (absl::Status valid = ValidateMembership(wanted); !valid.ok()) return valid;
  return absl::UnimplementedError("membership changes");
}

void Core::AppendOwn(Entry entry) {
  entry.id = {term(), log_.last().index + 1};
  StorageTask& task = Pending();
  task.must_sync = true;
  task.append.push_back(entry);
  log_.Append(std::move(entry));
}

}  // namespace pontoon::raft
