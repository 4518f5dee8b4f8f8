#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/sim/checker.h"

// S3: what a replica's state refers to can be read from its disk, and is what it was.

namespace pontoon::raft::sim {

void Checker::CheckStoredAtTimes(const Host& host, GroupId group, Replica* replica) {
  if (++replica->unread < kReadEvery || host.store().unsynced() > 0) return;
  replica->unread = 0;
  CheckStored(host, group);
}

void Checker::CheckStored(const Host& host, GroupId group) {
  // What the state says is on its way to the disk until then.
  if (host.store().unsynced() > 0 || host.damaged() || host.outcast()) return;
  CheckPages(host, group);
  const Core& core = host.core(group);
  // Bodies that were settled further on in the log may be gone already.
  if (!core.whole() || core.quarantined()) return;
  const MemoryDisk& disk = host.store().memory().disk();
  for (const TestMachine::LiveMessage& live : host.machine(group).live_messages()) {
    const absl::StatusOr<base::Slice> bytes =
        disk.ReadBody(group, {live.ref.index, live.extent.offset, live.extent.size});
    if (bytes.ok() && base::Crc32c(bytes->view()) == live.crc) continue;
    if (IsMissing(group, live.ref)) continue;
    return Fail(absl::StrCat("S3: node ", host.number(), bytes.ok() ? " has other" : " lacks the",
                             " bytes of message ", live.ref.message, " of entry ",
                             live.ref.index.value, " (group ", group.value, ")"));
  }
}

void Checker::CheckPages(const Host& host, GroupId group) {
  const MemoryDisk& disk = host.store().memory().disk();
  for (const auto& [page, crc] : host.machine(group).pages()) {
    const absl::StatusOr<base::Slice> bytes =
        disk.ReadPage(group, host.raft(group).StoredPageOf(group, page));
    if (bytes.ok() && base::Crc32c(bytes->view()) == crc) continue;
    return Fail(absl::StrCat("S3: node ", host.number(), bytes.ok() ? " has another" : " lacks",
                             " page ", page.value, " (group ", group.value, ")"));
  }
}

}  // namespace pontoon::raft::sim
