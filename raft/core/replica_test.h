#ifndef PONTOON_RAFT_CORE_REPLICA_TEST_H_
#define PONTOON_RAFT_CORE_REPLICA_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/invariants.h"

namespace pontoon::raft {
inline ReplicaId R(uint64_t node) { return {NodeId{node}, 1}; }
inline const Membership kThree{.voters = {R(1), R(2), R(3)}};

inline base::SliceChain Bytes(const std::string& bytes) {
  return base::SliceChain(base::Slice::Copy(bytes));
}

inline Entry At(uint64_t term, uint64_t index, const std::string& header = "h",
                const std::string& body = "") {
  Entry entry = MakeEntry(Bytes(header), Bytes(body));
  entry.id = {Term{term}, Index{index}};
  return entry;
}

inline Entry ConfigAt(uint64_t term, uint64_t index, const Membership& members) {
  Entry entry = At(term, index, EncodeMembership(members));
  entry.kind = EntryKind::kConfig;
  return entry;
}

// One replica of several, its peers played by the test: each message that comes in and each that
// goes out.
class ReplicaTest : public ::testing::Test {
 protected:
  // Replica 1 with a log of the founding and then one entry of each of `terms`.
  void Create(std::vector<uint64_t> terms = {}, const Membership& members = kThree,
              std::optional<HardState> hard = {}, CoreOptions options = {}) {
    RecoveredGroup recovered;
    recovered.entries.push_back(ConfigAt(1, 1, members));
    for (const uint64_t term : terms)
      recovered.entries.push_back(At(term, recovered.entries.size() + 1));
    recovered.hard_state = hard.value_or(HardState{recovered.entries.back().id.term, std::nullopt});
    options.group = GroupId{1};
    options.self = R(1);
    auto core = Core::Create(options, std::move(recovered), &random_);
    ASSERT_TRUE(core.ok()) << core.status();
    core_ = *std::move(core);
    invariants_ = Invariants();
    Check();
    Pass(base::Millis(1));
  }
  void Check() { ASSERT_EQ(invariants_.Check(*core_), absl::OkStatus()); }
  void Pass(base::Duration duration) {
    now_ = now_ + duration;
    core_->Tick(now_);
    Check();
  }
  Message From(uint64_t node, MessageKind kind, uint64_t term) {
    Message message;
    message.kind = kind;
    message.group = GroupId{1};
    message.from = R(node);
    message.to = R(1);
    message.term = Term{term};
    message.stamp = now_;
    return message;
  }
  absl::Status Step(Message message) {
    absl::Status status = core_->Step(std::move(message));
    Check();
    return status;
  }
  Output Take() {
    Output out;
    core_->TakeOutput(&out);
    Check();
    return out;
  }
  // All messages that may leave, after everything is on the disk; what is committed is applied.
  std::vector<Message> Settle() {
    std::vector<Message> sent;
    while (core_->has_output()) {
      Output out = Take();
      for (Message& message : out.send_now) sent.push_back(std::move(message));
      for (const StorageTask& task : out.storage) core_->OnStorageDone(task.seq);
      for (HeldMessage& held : out.send_after) sent.push_back(std::move(held.message));
      if (!out.committed.empty()) core_->OnApplied(out.committed.back().id.index);
      Check();
    }
    return sent;
  }
  // Elected by replica 2, or by these, in the next term.
  void Lead(const std::vector<uint64_t>& voters = {2}) {
    Pass(base::Millis(700));
    Settle();
    const uint64_t term = core_->term().value + 1;
    for (const uint64_t voter : voters)
      ASSERT_EQ(Step(From(voter, MessageKind::kPreVoteReply, term)), absl::OkStatus());
    Settle();
    for (const uint64_t voter : voters)
      ASSERT_EQ(Step(From(voter, MessageKind::kVoteReply, term)), absl::OkStatus());
    ASSERT_EQ(core_->role(), Role::kLeader);
  }
  Message Accepted(uint64_t node, uint64_t index) {
    Message reply = From(node, MessageKind::kAppendReply, core_->term().value);
    reply.log = {core_->log().TermAt(Index{index}).value_or(core_->term()), Index{index}};
    return reply;
  }
  // Leads, and everything so far is committed.
  void LeadReady() {
    Lead();
    Settle();
    ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
    ASSERT_EQ(Step(Accepted(3, core_->log().last().index.value)), absl::OkStatus());
    Settle();
    ASSERT_TRUE(core_->ready());
  }
  Message Append(uint64_t term, EntryId before, std::vector<Entry> entries, uint64_t commit = 0) {
    Message message = From(2, MessageKind::kAppend, term);
    message.log = before;
    message.entries = std::move(entries);
    message.commit = Index{commit};
    return message;
  }

  base::SeededRandom random_{1};
  base::MonotonicTime now_ = base::MonotonicTime{} + base::Seconds(5);
  Invariants invariants_;
  std::unique_ptr<Core> core_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_REPLICA_TEST_H_
