#ifndef PONTOON_RAFT_NODE_TEST_MACHINE_H_
#define PONTOON_RAFT_NODE_TEST_MACHINE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "raft/core/log_store.h"
#include "raft/node/state_machine.h"

namespace pontoon::raft {

// A state machine for tests and the simulator that asks of its log store what a shard does: an
// entry puts messages, whose bytes are the entry's body, and another settles some of them; a body
// that is partly settled is cut, one that is wholly settled is dropped. Its checkpoint is a root
// that names immutable pages for what is old, and the bodies that live.
//
// Who hosts it submits TakeStateTask() after each Apply and MakeCheckpoint() when it likes.
class TestMachine : public StateMachine {
 public:
  static constexpr size_t kMessagesPerEntryMax = 64;
  // Entries that one page holds, and how many of the newest are on none yet.
  static constexpr size_t kEntriesPerPage = 4;
  static constexpr size_t kUnpagedEntries = 4;

  struct MessageRef {
    Index index;
    uint32_t message = 0;  // From 0.
    friend auto operator<=>(const MessageRef&, const MessageRef&) = default;
  };
  // Entries to propose.
  static Entry Put(const std::vector<std::string>& messages);
  static Entry Put(const std::string& message) { return Put(std::vector<std::string>{message}); }
  static Entry Settle(const std::vector<MessageRef>& messages);

  // As it was founded, or as a checkpoint has it, of whose root ListContents says OK (checked).
  explicit TestMachine(const std::optional<Checkpoint>& checkpoint = std::nullopt);

  void Apply(absl::Span<const Entry> committed) override;
  void OnLeader(Term term) override { leading_ = term; }
  void OnFollower(Term, std::optional<ReplicaId>) override { leading_.reset(); }
  void Install(const Checkpoint& checkpoint) override;
  absl::StatusOr<Contents> ListContents(absl::string_view root) const override;
  bool NeedsBody(Index index) const override { return held_.contains(index); }
  uint64_t Digest() const override { return digest_; }
  void OnReadReady(ReadId id) override { reads_ready.push_back(id); }

  // What the last entries let go, if anything.
  std::optional<StateTask> TakeStateTask(GroupId group);
  // The state as it is now; `applied` is what the host says was applied (it may have seen entries
  // of its own since). The pages that it no longer names go with it, unless `keep_pages`: then it
  // names all that the one before did (MultiRaft::ServesSnapshot).
  StateTask MakeCheckpoint(GroupId group, EntryId applied, bool keep_pages = false);

  // What must be readable from the store whenever the state is this one.
  struct LiveMessage {
    MessageRef ref;
    BodyExtent extent;
    uint32_t crc;  // CRC-32C of its bytes.
  };
  std::vector<LiveMessage> live_messages() const;
  // Id, as the root has it, and the CRC-32C of its bytes; ascending. Those of the newest
  // checkpoint.
  std::vector<std::pair<PageId, uint32_t>> pages() const;

  std::optional<Term> leading() const { return leading_; }
  Index last() const { return last_; }  // The last entry that was applied or installed.
  size_t entries_held() const { return held_.size(); }

  std::vector<ReadId> reads_ready;  // For the test to take.

 private:
  struct Held {
    struct Part {
      uint32_t size = 0;
      uint32_t crc = 0;
      bool live = true;
    };
    std::vector<Part> parts;
    PageId page;  // 0: on none.
  };

  void Note(uint64_t value);
  void ApplyPut(const Entry& entry, absl::string_view command);
  void ApplySettle(absl::string_view command);
  std::string WriteRoot() const;
  absl::Status ReadRoot(absl::string_view root);

  Index last_;
  uint64_t digest_ = 0;
  std::map<Index, Held> held_;
  std::map<PageId, uint32_t> pages_;
  uint64_t next_page_ = 1;
  std::optional<Term> leading_;

  std::vector<Index> drop_bodies_;
  std::set<Index> cut_bodies_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_TEST_MACHINE_H_
