#ifndef PONTOON_RAFT_NODE_SNAPSHOT_FETCHER_H_
#define PONTOON_RAFT_NODE_SNAPSHOT_FETCHER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "base/time.h"
#include "raft/core/log_store.h"
#include "raft/core/snapshot.h"
#include "raft/core/types.h"
#include "raft/node/index_set.h"
#include "raft/node/snapshot_budget.h"
#include "raft/node/state_machine.h"

namespace pontoon::raft {

// Pulls a snapshot for one group (design section 4) and puts it, in parts, beside what the group
// has: pages under a generation of their own, bodies under their indexes. When all of it is written
// the owner installs it. Whatever interrupts it (a crash, another sender, a changed log), bodies
// that were received before are recognised by their checksums and not sent again; pages that were
// received count as long as the process lives and the sender stays the same.
//
// Steps: the root of the sender's newest checkpoint, verified and listed; the pages that it names;
// of the bodies that live in it those that the own store lacks. Of a committed entry the own body
// is known to be right; of any other the sender is asked whether it has the same.
//
// Runs on the loop that owns the group; no thread, clock or I/O of its own.
class SnapshotFetcher {
 public:
  // What is asked for, and not answered or not yet written, at once.
  static constexpr size_t kRequestsMax = 4;
  static constexpr uint64_t kUnwrittenBytesMax = 4 * 1024 * 1024;
  // A request without an answer is repeated after this time.
  static constexpr base::Duration kRequestTimeout = base::Seconds(1);
  // Without a Start or any progress for so long it is given up; without progress alone, if other
  // groups wait for their turn.
  static constexpr base::Duration kGiveUpAfter = base::Seconds(10);
  // A sender that says nothing useful about bodies for so long (it may have lost one) is left for
  // the next member.
  static constexpr base::Duration kNextSenderAfter = base::Seconds(3);
  // A root beyond this is not believed. It holds what a deep queue has in memory, not its pages.
  static constexpr uint64_t kRootBytesMax = 512 * 1024 * 1024;

  // What the fetcher needs of its owner. Nothing here calls back into the fetcher at once.
  class Host {
   public:
    virtual ~Host() = default;
    // A number that no request of this replica had before, of another fetcher or an earlier start
    // of the node neither: answers may be that late.
    virtual uint64_t NextRequest() = 0;
    virtual void SendRequest(GroupId group, const ReplicaId& to, SnapshotPart request) = 0;
    // To the log store, in order with all else of the group; as it is.
    virtual void SubmitFetched(StateTask task) = 0;
    // LogStore::ReadBodyImages without the bytes; `done` runs on the loop, later.
    virtual void ReadOwnBodies(
        GroupId group, std::vector<Index> bodies,
        std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) = 0;
    // Where the group stands now.
    virtual ReplicaId Self(GroupId group) const = 0;
    virtual Index CommitIndex(GroupId group) const = 0;
    virtual Index AppliedIndex(GroupId group) const = 0;
    virtual uint16_t PageGeneration(GroupId group) const = 0;
    // Whether the disk has room beside its reserve.
    virtual bool HasRoom() const = 0;
  };

  struct Counters {
    uint64_t asked = 0;        // Requests, each once.
    uint64_t requests = 0;     // Sent; repeated ones too.
    uint64_t parts = 0;        // Answers that were used.
    uint64_t dropped = 0;      // Answers that were damaged, impossible, late or of a stranger.
    uint64_t roots = 0;        // Begun with.
    uint64_t pages = 0;        // Received.
    uint64_t bodies = 0;       // Received.
    uint64_t bodies_same = 0;  // Had already.
    uint64_t bodies_ended = 0;
    uint64_t next_senders = 0;   // A sender was left for the next one.
    uint64_t damaged_roots = 0;  // Complete, and yet unusable.
  };

  // All are borrowed. `first_ticket` is above any ticket of an earlier fetcher of this group in
  // this life.
  SnapshotFetcher(GroupId group, Host* host, const StateMachine* machine, SnapshotBudget* budget,
                  uint64_t first_ticket = 1);
  ~SnapshotFetcher();
  SnapshotFetcher(const SnapshotFetcher&) = delete;
  SnapshotFetcher& operator=(const SnapshotFetcher&) = delete;

  // The group lacks what is not in the leader's log: fetch, from `from`, a checkpoint at or above
  // `at_least`. Again and again while that is so; another `from` goes on with that one. While the
  // disk has no room it pauses: nothing is asked for, and the turn goes to others; unless it
  // `must_take`, since without this replica nobody could commit what frees room.
  void Start(const ReplicaId& from, EntryId at_least, bool must_take = false);
  // A kSnapshotPart for this group, whose sender was in `term`. False: it was not asked for, or
  // cannot be true, and has changed nothing.
  bool OnPart(const ReplicaId& from, Term term, const SnapshotPart& part);
  // From the log store; implies all earlier tickets.
  void OnStateWritten(uint64_t ticket);
  // A storage task that truncates or appends from `from` on was submitted: bodies there may be
  // others than before.
  void OnLogChanged(Index from);
  void Tick(base::MonotonicTime now);

  // Everything is written but the install itself. Stays so until the log changes.
  bool ready() const { return phase_ == Phase::kReady; }
  // Only when ready (checked): what to install.
  std::shared_ptr<const Install> MakeInstall() const;
  // What MakeInstall gave was submitted, or refused because the group has got further: over.
  void OnInstalled();
  // What was received goes, but for bodies that the group came to need by itself meanwhile.
  void Abandon();

  bool active() const { return phase_ != Phase::kIdle; }
  uint64_t next_ticket() const { return next_ticket_; }
  const Counters& counters() const { return counters_; }

 private:
  // kQueued: waits for the budget. kParts: the root is complete, pages and bodies come.
  enum class Phase : uint8_t { kIdle, kQueued, kRoot, kParts, kReady };

  struct Asked {
    SnapshotPart request;
    base::MonotonicTime at;
  };

  bool MayAsk();
  void Pump();
  void BeginRoot();
  void Reset();
  void Submit(StateTask task, uint64_t bytes);
  enum class Send { kNow, kAfterTimeout };
  void Ask(SnapshotPart request, Send send = Send::kNow);
  bool AskNext();
  void TakeBack(const SnapshotPart& request, size_t answered);
  bool OnRootPart(const SnapshotPart& request, const SnapshotPart& part);
  void OnRootComplete();
  bool OnPagesPart(const SnapshotPart& request, const SnapshotPart& part);
  bool OnBodiesPart(const SnapshotPart& request, const SnapshotPart& part);
  void ScanFromTheStart();
  void Scan();
  std::vector<Index> NextToCompare();
  void OnOwnBodies(uint64_t scan, const std::vector<Index>& indexes,
                   std::vector<absl::StatusOr<BodyImage>> images);
  bool PagesComplete() const;
  void AskAnother(const ReplicaId& from);
  void AskNextSender();
  void MaybeReady();

  const GroupId group_;
  Host* const host_;
  const StateMachine* const machine_;
  SnapshotBudget* const budget_;

  Phase phase_ = Phase::kIdle;
  ReplicaId leader_;  // Who was named by the last Start.
  ReplicaId from_;    // Who is asked.
  EntryId at_least_;
  bool must_take_ = false;
  base::MonotonicTime now_;
  base::MonotonicTime heard_;     // The last Start.
  base::MonotonicTime progress_;  // The last part that was used.

  std::optional<base::MonotonicTime> root_begun_;

  std::map<uint64_t, Asked> asked_;
  uint64_t next_ticket_;
  std::deque<std::pair<uint64_t, uint64_t>> unwritten_;  // Ticket, bytes.
  uint64_t unwritten_bytes_ = 0;

  // The root. Known from its first part on: checkpoint_.applied.index is not 0.
  Checkpoint checkpoint_;  // Its page_generation is the sender's.
  uint64_t root_bytes_ = 0;
  uint32_t root_crc_ = 0;
  uint64_t root_asked_ = 0;    // Up to there.
  uint64_t root_stretch_ = 0;  // To ask for at once: as much as the sender's first answer held.
  uint64_t root_received_ = 0;
  std::map<uint64_t, base::SliceChain> root_parts_;  // By offset.

  std::optional<Staging> staging_;  // Of this life.
  std::set<PageId> named_;          // By the root.
  std::set<PageId> staged_;
  std::deque<PageId> pages_wanted_;
  size_t page_batch_;

  std::vector<IndexRun> live_;
  IndexSet have_;  // The own store has, or is about to, what the checkpoint needs of them.
  IndexSet put_;   // Were received and submitted.
  std::vector<BodyImage> cut_;  // Were received and go with the install; at most an own log's tail.
  IndexSet ended_;              // Not needed once ended_through_ is applied.
  Term term_;                   // The newest of those who sent parts.
  Index ended_through_;
  std::deque<BodyWanted> bodies_wanted_;
  size_t body_batch_;
  // Comparing goes through live_ once, in order; all before live_[run_] and index_ is in have_,
  // ended_, bodies_wanted_ or asked for. Starts once what was submitted before is written.
  uint64_t scan_ = 0;        // Another number for each time.
  uint64_t scan_after_ = 0;  // Ticket.
  size_t run_ = 0;
  Index index_;
  bool comparing_ = false;

  Counters counters_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_SNAPSHOT_FETCHER_H_
