#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/invariants.h"

// One replica of several, its peers played by the test: each message that comes in and each that goes out.

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ReplicaId R(uint64_t node) { return {NodeId{node}, 1}; }
const Membership kThree{.voters = {R(1), R(2), R(3)}};

base::SliceChain Bytes(const std::string& bytes) { return base::SliceChain(base::Slice::Copy(bytes)); }

Entry At(uint64_t term, uint64_t index, const std::string& header = "h", const std::string& body = "") {
  Entry entry = MakeEntry(Bytes(header), Bytes(body));
  entry.id = {Term{term}, Index{index}};
  return entry;
}

Entry ConfigAt(uint64_t term, uint64_t index, const Membership& members) {
  Entry entry = At(term, index, EncodeMembership(members));
  entry.kind = EntryKind::kConfig;
  return entry;
}

class ReplicaTest : public ::testing::Test {
 protected:
  // Replica 1 with a log of the founding and then one entry of each of `terms`.
  void Create(std::vector<uint64_t> terms = {}, const Membership& members = kThree, std::optional<HardState> hard = {}) {
    RecoveredGroup recovered;
    recovered.entries.push_back(ConfigAt(1, 1, members));
    for (const uint64_t term : terms) recovered.entries.push_back(At(term, recovered.entries.size() + 1));
    recovered.hard_state = hard.value_or(HardState{recovered.entries.back().id.term, std::nullopt});
    auto core = Core::Create({.group = GroupId{1}, .self = R(1)}, std::move(recovered), &random_);
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
  // Elected by replica 2, in the next term.
  void Lead() {
    Pass(base::Millis(700));
    Settle();
    Message yes = From(2, MessageKind::kPreVoteReply, core_->term().value + 1);
    ASSERT_EQ(Step(yes), absl::OkStatus());
    Settle();
    ASSERT_EQ(Step(From(2, MessageKind::kVoteReply, core_->term().value)), absl::OkStatus());
    ASSERT_EQ(core_->role(), Role::kLeader);
  }
  Message Accepted(uint64_t node, uint64_t index) {
    Message reply = From(node, MessageKind::kAppendReply, core_->term().value);
    reply.log = {core_->term(), Index{index}};
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

using ElectionTest = ReplicaTest;

// Raft thesis §9.6.
TEST_F(ElectionTest, APreVoteChangesNeitherTermNorVoteOfAnybody) {
  Create({1, 1});
  Pass(base::Millis(700));
  EXPECT_EQ(core_->role(), Role::kPreCandidate);
  EXPECT_EQ(core_->term(), Term{1});
  const std::vector<Message> asked = Settle();
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[0].kind, MessageKind::kPreVote);
  EXPECT_EQ(asked[0].term, Term{2});
  Message question = From(3, MessageKind::kPreVote, 9);
  question.log = {Term{1}, Index{3}};
  ASSERT_EQ(Step(question), absl::OkStatus());
  const Output out = Take();
  EXPECT_THAT(out.storage, IsEmpty());
  EXPECT_EQ(core_->term(), Term{1});
  EXPECT_FALSE(out.send_now[0].refused);
}

TEST_F(ElectionTest, AVoterThatHearsTheLeaderHelpsNoCandidate) {
  Create();
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 1)), absl::OkStatus());
  Settle();
  Message question = From(3, MessageKind::kPreVote, 2);
  question.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(question), absl::OkStatus());
  EXPECT_TRUE(Settle()[0].refused);
  Message request = From(3, MessageKind::kVote, 2);
  request.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_EQ(core_->term(), Term{1}) << "the group is not disturbed";
  request.transfer = true;
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].refused) << "the leader itself asked for it";
}

// Raft thesis §3.4; nats-server pull 7698: a second vote in one term.
TEST_F(ElectionTest, VotesOncePerTermAlsoAfterARestart) {
  Create();
  Message request = From(2, MessageKind::kVote, 5);
  request.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].refused);
  request.from = R(3);
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_TRUE(Settle()[0].refused);
  Create({}, kThree, HardState{Term{5}, R(2)});
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_TRUE(Settle()[0].refused);
  request.from = R(2);
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].refused) << "the same candidate may ask twice";
}

// nats-server pull 5848: a vote that left before it was on the disk.
TEST_F(ElectionTest, AVoteLeavesOnlyOnceItIsDurable) {
  Create();
  Message request = From(2, MessageKind::kVote, 5);
  request.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(request), absl::OkStatus());
  const Output out = Take();
  EXPECT_THAT(out.send_now, IsEmpty());
  ASSERT_THAT(out.send_after, SizeIs(1));
  EXPECT_EQ(out.send_after[0].after, out.storage[0].seq);
  ASSERT_EQ(Step(request), absl::OkStatus());
  const Output again = Take();
  EXPECT_THAT(again.send_now, IsEmpty()) << "asked again meanwhile, the answer waits as well";
  EXPECT_EQ(again.send_after[0].after, out.storage[0].seq);
}

// Raft thesis §3.6.1.
TEST_F(ElectionTest, RefusesACandidateWithAnOlderLog) {
  Create({2, 2});
  for (const EntryId last : {EntryId{Term{1}, Index{9}}, EntryId{Term{2}, Index{2}}}) {
    Message request = From(2, MessageKind::kVote, core_->term().value + 1);
    request.log = last;
    ASSERT_EQ(Step(request), absl::OkStatus());
    EXPECT_TRUE(Settle()[0].refused);
  }
}

TEST_F(ElectionTest, ALeaderThatNoMajorityAnswersStepsDown) {
  Create();
  LeadReady();
  Pass(base::Millis(300));
  ASSERT_EQ(Step(From(3, MessageKind::kHeartbeatReply, 2)), absl::OkStatus());
  Pass(base::Millis(400));
  EXPECT_EQ(core_->role(), Role::kLeader) << "one of two peers and itself are a majority";
  Pass(base::Millis(300));
  EXPECT_EQ(core_->role(), Role::kFollower);
}

TEST_F(ElectionTest, VotesOfStrangersAndOfOldIncarnationsDoNotCount) {
  Create();
  Pass(base::Millis(700));
  Settle();
  Message yes = From(9, MessageKind::kPreVoteReply, 2);
  EXPECT_EQ(Step(yes).code(), absl::StatusCode::kInvalidArgument);
  yes = From(2, MessageKind::kPreVoteReply, 2);
  yes.from.incarnation = 0;
  EXPECT_EQ(Step(yes).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->role(), Role::kPreCandidate);
}

using FollowerTest = ReplicaTest;

// Raft thesis §3.5: conflicting entries and all that follow them go.
TEST_F(FollowerTest, ReplacesWhatContradictsTheLeaderAndAcknowledgesOnceDurable) {
  Create({2, 2, 2});
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{2}}, {At(3, 3)})), absl::OkStatus());
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_EQ(out.storage[0].truncate_from, Index{3});
  EXPECT_THAT(out.storage[0].append, SizeIs(1));
  EXPECT_EQ(core_->log().last(), (EntryId{Term{3}, Index{3}}));
  EXPECT_THAT(out.send_now, IsEmpty());
  ASSERT_THAT(out.send_after, SizeIs(1));
  EXPECT_EQ(out.send_after[0].message.log.index, Index{3});
}

// ra pull 516, raft-rs pull 417: a late "written" for what was replaced must not count for what replaced it.
TEST_F(FollowerTest, ALateCompletionOfReplacedEntriesCountsForNothing) {
  Create({2});
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{2}}, {At(3, 3), At(3, 4)})), absl::OkStatus());
  const Output old = Take();
  Message from3 = Append(4, {Term{2}, Index{2}}, {At(4, 3), At(4, 4)});
  from3.from = R(3);
  ASSERT_EQ(Step(from3), absl::OkStatus());
  const Output now = Take();
  core_->OnStorageDone(old.storage[0].seq);
  Check();
  EXPECT_EQ(core_->durable(), Index{2});
  core_->OnStorageDone(now.storage[0].seq);
  EXPECT_EQ(core_->durable(), Index{4});
}

TEST_F(FollowerTest, AGapIsRefusedWithAHintThatSkipsWholeTerms) {
  Create({2, 2, 3, 3});
  ASSERT_EQ(Step(Append(5, {Term{2}, Index{9}}, {At(5, 10)})), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_TRUE(sent[0].refused);
  EXPECT_EQ(sent[0].probe, Index{9});
  EXPECT_EQ(sent[0].log, (EntryId{Term{2}, Index{3}})) << "entries of term 3 cannot be in a log whose entry 9 is of term 2";
}

// R11, ra pull 508: commit counts only as far as the append has shown agreement.
TEST_F(FollowerTest, CommitsNoFurtherThanWhatTheAppendHasShownToAgree) {
  Create({2, 2, 2});
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{2}}, {}, 4)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{2});
}

TEST_F(FollowerTest, AppliesOnlyWhatItHasDurablyItself) {
  Create({2});
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{2}}, {At(2, 3)}, 3)), absl::OkStatus());
  Output out = Take();
  EXPECT_THAT(out.committed, SizeIs(2));
  core_->OnStorageDone(out.storage[0].seq);
  EXPECT_THAT(Take().committed, SizeIs(1));
}

TEST_F(FollowerTest, DamagedAndImpossibleAppendsAreDroppedAndChangeNothing) {
  Create({2, 2});
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{3}}, {}, 3)), absl::OkStatus());
  Settle();
  const auto refused = [this](Message message) {
    return Step(std::move(message)).code() == absl::StatusCode::kInvalidArgument;
  };
  const EntryId last{Term{2}, Index{3}};
  Entry header = At(3, 4);
  header.header_crc ^= 1;
  EXPECT_TRUE(refused(Append(3, last, {header})));
  Entry body = At(3, 4, "h", "body");
  body.body_crc ^= 1;
  EXPECT_TRUE(refused(Append(3, last, {body})));
  Entry without = At(3, 4, "h", "body");
  without.body.Clear();
  EXPECT_TRUE(refused(Append(3, last, {without}))) << "a replica acknowledges an entry only with its body";
  EXPECT_TRUE(refused(Append(3, last, {At(3, 5)})));
  EXPECT_TRUE(refused(Append(3, last, {At(4, 4)})));
  EXPECT_TRUE(refused(Append(3, {Term{2}, Index{2}}, {At(3, 3)}))) << "entry 3 is committed as it is";
  EXPECT_TRUE(refused(Append(3, {Term{1}, Index{3}}, {})));
  EXPECT_TRUE(refused(Append(3, {Term{0}, Index{3}}, {})));
  Message config = Append(3, last, {ConfigAt(3, 4, kThree)});
  config.entries[0].header = Bytes("not a membership");
  config.entries[0].header_crc = At(1, 1, "not a membership").header_crc;
  EXPECT_TRUE(refused(config));
  Message other = Append(3, last, {});
  other.epoch = base::RecoveryEpoch{1};
  EXPECT_TRUE(refused(other));
  EXPECT_EQ(core_->term(), Term{2});
  EXPECT_FALSE(core_->has_output());
}

// Raft thesis §4.1: in force once appended, also at a follower; gone with the entry.
TEST_F(FollowerTest, AMembershipIsInForceWhenAppendedAndGoneWhenReplaced) {
  Create();
  const Membership five{.voters = {R(1), R(2), R(3), R(4), R(5)}};
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{1}}, {ConfigAt(2, 2, five)})), absl::OkStatus());
  EXPECT_EQ(core_->membership(), five);
  ASSERT_EQ(Step(Append(3, {Term{1}, Index{1}}, {At(3, 2)})), absl::OkStatus());
  EXPECT_EQ(core_->membership(), kThree);
}

using LeaderTest = ReplicaTest;

// Raft thesis §3.6.2, figure 3.7; nats-server pull 7955.
TEST_F(LeaderTest, CountsReplicasOnlyForEntriesOfItsOwnTerm) {
  Create({2, 2});
  Lead();
  Settle();
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{0}) << "entry 3 is on two of three, but of an older term";
  ASSERT_EQ(Step(Accepted(2, 4)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{4});
}

TEST_F(LeaderTest, WritesItsDiskWhileTheFollowersWriteTheirs) {
  Create();
  LeadReady();
  Entry entry = At(0, 0);
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  Output out = Take();
  ASSERT_THAT(out.send_now, SizeIs(2)) << "appends do not wait for the own disk";
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{2});
  ASSERT_EQ(Step(Accepted(3, 3)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{3}) << "a majority has it without the leader";
}

TEST_F(LeaderTest, AppendsArePipelinedWithinLimits) {
  Create();
  LeadReady();
  for (int i = 0; i < 100; ++i) {
    Entry entry = At(0, 0, "h", std::string(kEntryBodyBytesMax, 'b'));
    ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  }
  size_t to_2 = 0;
  for (const Message& message : Take().send_now) to_2 += message.to == R(2);
  EXPECT_EQ(to_2, 16u) << "4 MiB in flight, one entry of 256 KiB each";
  ASSERT_EQ(Step(Accepted(2, 6)), absl::OkStatus());
  to_2 = 0;
  for (const Message& message : Take().send_now) to_2 += message.to == R(2) && message.kind == MessageKind::kAppend;
  EXPECT_EQ(to_2, 4u) << "as many as were acknowledged";
}

// R14, redpanda pull 13495.
TEST_F(LeaderTest, AnAnswerAboutWhatDoesNotExistIsDropped) {
  Create();
  LeadReady();
  EXPECT_EQ(Step(Accepted(2, 9)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->progress().at(R(2)).match, Index{2});
}

TEST_F(LeaderTest, ARefusedProbeGoesBackToWhereTheLogsCanAgree) {
  Create({2, 2, 2, 3, 3});
  Lead();
  Settle();
  Message refused = Accepted(2, 4);
  refused.refused = true;
  refused.probe = Index{6};
  refused.log = {Term{2}, Index{4}};
  ASSERT_EQ(Step(refused), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].log, (EntryId{Term{2}, Index{4}}));
  EXPECT_THAT(sent[0].entries, SizeIs(3));
  ASSERT_EQ(Step(refused), absl::OkStatus());
  EXPECT_THAT(Settle(), IsEmpty()) << "the same answer again is about another probe";
  ASSERT_EQ(Step(Accepted(2, 7)), absl::OkStatus());
  EXPECT_EQ(core_->progress().at(R(2)).match, Index{7});
  EXPECT_EQ(core_->commit(), Index{7});
}

TEST_F(LeaderTest, StepsDownWhenItLearnsOfALaterTerm) {
  Create();
  LeadReady();
  Message refused = Accepted(2, 0);
  refused.term = Term{9};
  refused.refused = true;
  ASSERT_EQ(Step(refused), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kFollower);
  EXPECT_EQ(core_->term(), Term{9});
  Entry entry = At(0, 0);
  EXPECT_EQ(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(LeaderTest, ToldThatItsProposalsCanNeverCommitItSaysWhich) {
  Create();
  LeadReady();
  std::vector<Entry> entries{At(0, 0), At(0, 0)};
  ASSERT_TRUE(core_->Propose(Term{2}, absl::MakeSpan(entries)).ok());
  Settle();
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{3}}, {At(3, 4)})), absl::OkStatus());
  const Output out = Take();
  ASSERT_THAT(out.dropped, SizeIs(1));
  EXPECT_EQ(out.dropped[0].term, Term{2});
  EXPECT_EQ(out.dropped[0].first, Index{4});
  EXPECT_EQ(out.dropped[0].last, Index{4});
}

// R15: counted from when the question left, not from when the answer came.
TEST_F(LeaderTest, TheLeaseCountsFromTheSendThatAMajorityAnswered) {
  Create();
  LeadReady();
  const base::MonotonicTime sent = now_;
  Message answer = From(2, MessageKind::kHeartbeatReply, 2);
  Pass(base::Millis(200));
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_TRUE(core_->LeaseHolds(sent + base::Millis(296)));
  EXPECT_FALSE(core_->LeaseHolds(sent + base::Millis(298))) << "300 ms less 1 % of drift";
}

// R16, etcd raft pull 397: an answer to an earlier round is no answer.
TEST_F(LeaderTest, AReadNeedsAnAnswerToItsOwnRound) {
  Create();
  LeadReady();
  ASSERT_EQ(core_->ReadIndex(ReadId{1}), absl::OkStatus());
  ASSERT_EQ(core_->ReadIndex(ReadId{2}), absl::OkStatus());
  const Output out = Take();
  ASSERT_THAT(out.send_now, SizeIs(2)) << "one round for all reads of a turn";
  Message answer = From(2, MessageKind::kHeartbeatReply, 2);
  answer.round = out.send_now[0].round - 1;
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_THAT(Take().reads, IsEmpty());
  answer.round += 1;
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_THAT(Take().reads, SizeIs(2));
}

// Raft thesis §3.10.
TEST_F(LeaderTest, HandsOverOnlyToAVoterThatHasEverythingAndTakesNothingMeanwhile) {
  Create();
  LeadReady();
  Entry entry = At(0, 0);
  ASSERT_TRUE(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).ok());
  Settle();
  EXPECT_EQ(core_->TransferTo(R(9)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(core_->TransferTo(R(2)), absl::OkStatus());
  EXPECT_THAT(Settle(), IsEmpty());
  Entry more = At(0, 0);
  EXPECT_EQ(core_->Propose(Term{2}, absl::MakeSpan(&more, 1)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(core_->LeaseHolds(now_));
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].kind, MessageKind::kTimeoutNow);
  EXPECT_EQ(sent[0].log, (EntryId{Term{2}, Index{3}}));
}

TEST_F(LeaderTest, AHandOverThatDoesNotHappenIsUndone) {
  Create();
  LeadReady();
  ASSERT_EQ(core_->TransferTo(R(2)), absl::OkStatus());
  for (int i = 0; i < 13; ++i) {
    Pass(base::Millis(50));
    ASSERT_EQ(Step(From(3, MessageKind::kHeartbeatReply, 2)), absl::OkStatus());
  }
  EXPECT_FALSE(core_->transfer_target().has_value());
  Entry entry = At(0, 0);
  EXPECT_TRUE(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).ok());
}

TEST_F(FollowerTest, ToldToCampaignItDoesSoAtOnceIfItHasWhatTheLeaderThinks) {
  Create({1});
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 1)), absl::OkStatus());
  Settle();
  Message now = From(2, MessageKind::kTimeoutNow, 1);
  now.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(now), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kFollower);
  now.log = {Term{1}, Index{2}};
  ASSERT_EQ(Step(now), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kCandidate);
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_TRUE(sent[0].transfer);
}

using ReconfigurationTest = ReplicaTest;

// redpanda pull 17675, nats-server pull 7565; the flaw of 2015 (raft-dev) for the first part.
TEST_F(ReconfigurationTest, OneChangeAtATimeAndNoneBeforeTheOwnTermIsCommitted) {
  Create();
  Lead();
  Settle();
  const Membership learner{.voters = {R(1), R(2), R(3)}, .learners = {R(4)}};
  EXPECT_EQ(core_->ProposeConfig(Term{2}, learner).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_EQ(Step(Accepted(2, 2)), absl::OkStatus());
  ASSERT_TRUE(core_->ProposeConfig(Term{2}, learner).ok());
  EXPECT_EQ(core_->membership(), learner) << "in force at once (thesis §4.1)";
  EXPECT_EQ(core_->ProposeConfig(Term{2}, kThree).status().code(), absl::StatusCode::kUnavailable);
  Settle();
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  EXPECT_TRUE(core_->ProposeConfig(Term{2}, kThree).ok());
}

TEST_F(ReconfigurationTest, WhoHasNotLearntMayNotVote) {
  Create();
  LeadReady();
  const Membership four{.voters = {R(1), R(2), R(3), R(4)}};
  EXPECT_EQ(core_->ProposeConfig(Term{2}, four).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(core_->ProposeConfig(Term{2}, kThree).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->ProposeConfig(Term{2}, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

// Raft thesis §4.3; design section 3: from one voter to three in one change.
TEST_F(ReconfigurationTest, GrowsFromOneVoterToThreeInOneJointChange) {
  const Membership alone{.voters = {R(1)}};
  Create({}, alone);
  Settle();
  ASSERT_TRUE(core_->ready());
  const uint64_t term = core_->term().value;
  ASSERT_TRUE(core_->ProposeConfig(Term{term}, {.voters = {R(1)}, .learners = {R(2), R(3)}}).ok());
  Settle();
  EXPECT_EQ(core_->commit(), core_->log().last().index) << "learners do not count";
  const uint64_t last = core_->log().last().index.value;
  ASSERT_EQ(Step(Accepted(2, last)), absl::OkStatus());
  ASSERT_EQ(Step(Accepted(3, last)), absl::OkStatus());
  ASSERT_TRUE(core_->ProposeConfig(Term{term}, kThree).ok());
  EXPECT_TRUE(IsJoint(core_->membership()));
  Settle();
  EXPECT_EQ(core_->commit(), Index{last}) << "the new half has no majority yet";
  ASSERT_EQ(Step(Accepted(2, last + 1)), absl::OkStatus());
  EXPECT_EQ(core_->membership(), kThree) << "it leaves the joint membership by itself";
  EXPECT_EQ(core_->commit(), Index{last + 1});
  Settle();
  ASSERT_EQ(Step(Accepted(3, last + 2)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{last + 2});
}

// Raft thesis §4.2.2.
TEST_F(ReconfigurationTest, ALeaderThatIsRemovedLeadsUntilThatIsCommitted) {
  Create();
  LeadReady();
  ASSERT_TRUE(core_->ProposeConfig(Term{2}, {.voters = {R(2), R(3)}}).ok());
  Settle();
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  ASSERT_EQ(Step(Accepted(3, 3)), absl::OkStatus());
  EXPECT_EQ(core_->membership(), (Membership{.voters = {R(2), R(3)}}));
  Settle();
  ASSERT_EQ(Step(Accepted(2, 4)), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kLeader) << "it does not count itself";
  ASSERT_EQ(Step(Accepted(3, 4)), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kFollower);
  Settle();
  Pass(base::Seconds(10));
  EXPECT_EQ(core_->role(), Role::kFollower) << "and asks for no election any more";
}

// Found by the simulator: it alone can be elected, and by its log it no longer votes.
TEST_F(ReconfigurationTest, ALeaderThatCrashedInTheMiddleOfItsRemovalCampaignsToCompleteIt) {
  RecoveredGroup recovered;
  recovered.entries = {ConfigAt(1, 1, {.voters = {R(1)}}),
                       ConfigAt(2, 2, {.voters = {R(2)}, .outgoing_voters = {R(1)}}),
                       ConfigAt(2, 3, {.voters = {R(2)}})};
  recovered.hard_state = {Term{2}, R(1)};
  core_ = *Core::Create({.group = GroupId{1}, .self = R(1)}, std::move(recovered), &random_);
  invariants_ = Invariants();
  Pass(base::Millis(1));
  Lead();
  EXPECT_EQ(core_->role(), Role::kLeader);
}

}  // namespace
}  // namespace pontoon::raft
