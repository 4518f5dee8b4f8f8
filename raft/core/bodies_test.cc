#include "base/crc32c.h"
#include "raft/core/replica_test.h"

// Bodies that were left out because they were settled (design section 4).

namespace pontoon::raft {
namespace {

// An entry with a body of ten bytes of which `kept` is left.
Entry WithRemains(uint64_t term, uint64_t index, uint64_t ended,
                  const std::vector<BodyExtent>& kept = {}) {
  const std::string whole = "0123456789";
  Entry entry = At(term, index, "h", whole);
  std::string left;
  for (const BodyExtent& extent : kept) left += whole.substr(extent.offset, extent.size);
  entry.body = Bytes(left);
  auto remains = std::make_shared<BodyRemains>();
  remains->ended = Index{ended};
  remains->kept = kept;
  remains->crc = base::Crc32c(entry.body);
  entry.remains = std::move(remains);
  return entry;
}

using BodiesTest = ReplicaTest;

TEST_F(BodiesTest, AnEntryWithoutASettledBodyIsTakenOverAndTheDiskKnowsByWhichIndex) {
  Create({1});
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{2}}, {WithRemains(2, 3, 7)}, 9)), absl::OkStatus());
  Output out = Take();
  ASSERT_EQ(out.storage.size(), 1u);
  EXPECT_EQ(out.storage[0].ended_through, Index{7});
  EXPECT_EQ(core_->ended_through(), Index{7});
  EXPECT_FALSE(core_->whole());
}

TEST_F(BodiesTest, ImpossibleRemainsAreRefusedAndChangeNothing) {
  Create({1});
  const auto refused = [this](Entry entry, uint64_t commit) {
    return absl::IsInvalidArgument(
        Step(Append(2, {Term{1}, Index{2}}, {std::move(entry)}, commit)));
  };
  EXPECT_TRUE(refused(WithRemains(2, 3, 7), 6)) << "settled by what is not committed";
  EXPECT_TRUE(refused(WithRemains(2, 3, 2), 9)) << "settled before it was there";
  EXPECT_TRUE(refused(WithRemains(2, 3, 0), 9));
  EXPECT_TRUE(refused(WithRemains(2, 3, 7, {{8, 2}, {0, 2}}), 9)) << "out of order";
  Entry longer = WithRemains(2, 3, 7, {{0, 4}});
  longer.body = Bytes("01234");
  EXPECT_TRUE(refused(longer, 9));
  Entry damaged = WithRemains(2, 3, 7, {{0, 4}});
  damaged.body = Bytes("0129");
  EXPECT_TRUE(refused(damaged, 9));
  EXPECT_EQ(core_->log().last().index, Index{2});
  EXPECT_EQ(core_->term(), Term{1});
}

TEST_F(BodiesTest, WhoLacksBodiesFeedsNobodyUntilItHasAppliedWhatEndedThem) {
  Create({1});
  std::vector<Entry> entries{WithRemains(2, 3, 5), At(2, 4), At(2, 5)};
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{2}}, {entries[0]}, 5)), absl::OkStatus());
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{3}}, {entries[1], entries[2]}, 0)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{5}) << "what ended a body is committed, whoever says so";
  Output unapplied = Take();
  for (const StorageTask& task : unapplied.storage) core_->OnStorageDone(task.seq);
  unapplied = Take();
  ASSERT_FALSE(unapplied.committed.empty());
  EXPECT_TRUE(unapplied.committed[unapplied.committed.size() - 3].body.empty());
  // It is elected before it has applied them.
  Pass(base::Millis(700));
  Take();
  ASSERT_EQ(Step(From(2, MessageKind::kPreVoteReply, 3)), absl::OkStatus());
  core_->OnStorageDone(Take().storage.back().seq);
  ASSERT_EQ(Step(From(2, MessageKind::kVoteReply, 3)), absl::OkStatus());
  ASSERT_EQ(core_->role(), Role::kLeader);
  Take();
  Message refused = From(3, MessageKind::kAppendReply, 3);
  refused.refused = true;
  refused.probe = Index{5};
  refused.log = {Term{1}, Index{2}};
  ASSERT_EQ(Step(refused), absl::OkStatus());
  for (const Message& message : Take().send_now) EXPECT_TRUE(message.entries.empty());
  Message agreed = From(3, MessageKind::kAppendReply, 3);
  agreed.log = {Term{1}, Index{2}};
  ASSERT_EQ(Step(agreed), absl::OkStatus());
  Output before = Take();
  EXPECT_TRUE(before.send_now.empty() && before.entry_reads.empty());
  core_->OnApplied(Index{5});
  EXPECT_EQ(Take().entry_reads.size(), 1u);
}

// Bodies were dropped before the crash: what is committed is known again, or nobody could be fed
// before a majority is, and no majority without being fed.
TEST_F(BodiesTest, AfterARestartWhatEndedBodiesIsKnownToBeCommitted) {
  RecoveredGroup recovered;
  recovered.entries = {ConfigAt(1, 1, kThree), At(1, 2), At(1, 3), At(1, 4)};
  recovered.hard_state = {Term{1}, std::nullopt};
  recovered.ended_through = Index{3};
  auto core = Core::Create({.group = GroupId{1}, .self = R(1)}, std::move(recovered), &random_);
  ASSERT_TRUE(core.ok());
  EXPECT_EQ((*core)->commit(), Index{3});
  Output out;
  (*core)->TakeOutput(&out);
  EXPECT_EQ(out.committed.size(), 3u);
}

TEST_F(BodiesTest, AnEntryReadBackWithoutItsSettledBodyIsSentWithTheIndexThatEndedIt) {
  CoreOptions options{.group = GroupId{1}, .self = R(1)};
  RecoveredGroup recovered;
  recovered.entries = {ConfigAt(1, 1, kThree), At(1, 2, "h", "0123456789"), At(1, 3)};
  recovered.hard_state = {Term{1}, std::nullopt};
  recovered.ended_through = Index{3};
  core_ = *Core::Create(options, std::move(recovered), &random_);
  invariants_ = Invariants();
  Pass(base::Millis(1));
  Lead();
  Settle();
  Message refused = From(3, MessageKind::kAppendReply, 2);
  refused.refused = true;
  refused.probe = Index{3};
  refused.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(refused), absl::OkStatus());
  Settle();
  Message agreed = From(3, MessageKind::kAppendReply, 2);
  agreed.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(agreed), absl::OkStatus());
  const Output out = Take();
  ASSERT_EQ(out.entry_reads.size(), 1u);
  EXPECT_EQ(out.entry_reads[0].from, Index{2});
  core_->OnEntriesRead(out.entry_reads[0], std::vector<Entry>{WithRemains(1, 2, 3)});
  Check();
  const std::vector<Message> sent = Take().send_now;
  ASSERT_FALSE(sent.empty());
  ASSERT_EQ(sent[0].entries.size(), 1u);
  ASSERT_NE(sent[0].entries[0].remains, nullptr);
  EXPECT_EQ(sent[0].entries[0].remains->ended, Index{3});
  EXPECT_GE(sent[0].commit, Index{3});
}

TEST_F(BodiesTest, ADiskWithoutRoomTakesWhatHasNoBodyAndSaysSo) {
  Create({1});
  core_->SetRoom(false);
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{2}}, {At(2, 3), At(2, 4, "h", "body"), At(2, 5)}, 5)),
            absl::OkStatus());
  std::vector<Message> sent = Settle();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].no_room);
  EXPECT_EQ(sent[0].log.index, Index{3});
  EXPECT_EQ(core_->commit(), Index{3});
  core_->SetRoom(true);
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{3}}, {At(2, 4, "h", "body")}, 4)), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].no_room);
}

TEST_F(BodiesTest, APeerWithoutRoomIsLeftAloneUntilItHasSome) {
  Create({1});
  LeadReady();
  Entry entry = MakeEntry(Bytes("h"), Bytes("body"));
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  Settle();
  Message full = Accepted(3, core_->log().last().index.value - 1);
  full.no_room = true;
  ASSERT_EQ(Step(full), absl::OkStatus());
  const auto appends_to_3 = [this] {
    size_t count = 0;
    for (const Message& message : Settle())
      count += message.kind == MessageKind::kAppend && message.to == R(3);
    return count;
  };
  EXPECT_EQ(appends_to_3(), 0u);
  Message beat = From(3, MessageKind::kHeartbeatReply, core_->term().value);
  beat.no_room = true;
  beat.log = core_->log().last();
  ASSERT_EQ(Step(beat), absl::OkStatus());
  // Once per heartbeat it is looked whether there is something without a body by now.
  Output out = Take();
  ASSERT_EQ(out.entry_reads.size(), 1u);
  core_->OnEntriesRead(
      out.entry_reads[0],
      std::vector<Entry>{At(core_->term().value, out.entry_reads[0].from.value, "h", "body")});
  EXPECT_EQ(appends_to_3(), 0u);
  beat.no_room = false;
  ASSERT_EQ(Step(beat), absl::OkStatus());
  EXPECT_EQ(appends_to_3(), 1u);
}

}  // namespace
}  // namespace pontoon::raft
