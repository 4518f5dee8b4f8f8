#include "raft/core/core.h"

#include "raft/core/entry.h"
#include "raft/core/invariants.h"

// A group of one voter, driven by hand: every input, every output, nothing in between.

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ReplicaId kSelf{NodeId{7}, 1};
const Membership kAlone{.voters = {kSelf}};

base::SliceChain Bytes(const std::string& bytes) {
  return base::SliceChain(base::Slice::Copy(bytes));
}

Entry Recovered(uint64_t term, uint64_t index, EntryKind kind = EntryKind::kNormal) {
  Entry entry =
      MakeEntry(kind == EntryKind::kConfig ? Bytes(EncodeMembership(kAlone)) : Bytes("h"));
  if (kind == EntryKind::kNoop) entry = Entry();
  entry.id = {Term{term}, Index{index}};
  entry.kind = kind;
  return entry;
}

std::vector<uint64_t> IndexesOf(const std::vector<Entry>& entries) {
  std::vector<uint64_t> indexes;
  for (const Entry& entry : entries) indexes.push_back(entry.id.index.value);
  return indexes;
}

class SoleVoterTest : public ::testing::Test {
 protected:
  void Create(RecoveredGroup recovered = {}, CoreOptions options = {}) {
    options.group = GroupId{3};
    options.self = kSelf;
    auto core = Core::Create(options, std::move(recovered), &random_);
    ASSERT_TRUE(core.ok()) << core.status();
    core_ = *std::move(core);
    Check();
  }
  void Check() { ASSERT_EQ(invariants_.Check(*core_), absl::OkStatus()); }
  void Tick() {
    now_ = now_ + base::Millis(10);
    core_->Tick(now_);
    Check();
  }
  Output Take() {
    Output out;
    core_->TakeOutput(&out);
    Check();
    return out;
  }
  void Done(IoSeq seq) {
    core_->OnStorageDone(seq);
    Check();
  }
  void Applied(const Output& out) {
    core_->OnApplied(out.committed.back().id.index);
    Check();
  }
  // Takes what is there, makes it durable and applies it, until nothing is left. Returns all that
  // was to be applied.
  std::vector<Entry> Settle() {
    std::vector<Entry> committed;
    while (core_->has_output()) {
      Output out = Take();
      for (const StorageTask& task : out.storage) Done(task.seq);
      if (!out.committed.empty()) Applied(out);
      for (Entry& entry : out.committed) committed.push_back(std::move(entry));
    }
    return committed;
  }
  // A founded group whose leader is ready; the log is kConfig (1), kNoop (2).
  void Lead(CoreOptions options = {}) {
    Create({}, options);
    ASSERT_EQ(core_->Found(kAlone), absl::OkStatus());
    Tick();
    Settle();
    ASSERT_TRUE(core_->ready());
  }
  absl::StatusOr<Index> Propose(const std::string& header, const std::string& body = "",
                                Core::Room room = Core::Room::kBounded) {
    Entry entry = MakeEntry(Bytes(header), Bytes(body));
    absl::StatusOr<Index> index = core_->Propose(core_->term(), absl::MakeSpan(&entry, 1), room);
    Check();
    return index;
  }

  base::SeededRandom random_{1};
  base::MonotonicTime now_;
  Invariants invariants_;
  std::unique_ptr<Core> core_;
};

// Raft thesis §3.8: term and vote are stable before they count, also the own vote.
TEST_F(SoleVoterTest, LeadsOnlyOnceItsOwnVoteIsDurable) {
  Create();
  ASSERT_EQ(core_->Found(kAlone), absl::OkStatus());
  Tick();
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_EQ(out.storage[0].hard_state, (HardState{Term{2}, kSelf}));
  EXPECT_TRUE(out.storage[0].must_sync);
  EXPECT_EQ(core_->role(), Role::kCandidate);
  Tick();
  EXPECT_FALSE(core_->has_output());
  Done(out.storage[0].seq);
  EXPECT_EQ(core_->role(), Role::kLeader);
  EXPECT_EQ(core_->term(), Term{2});
}

// Raft thesis §6.4: what is committed is not known before an entry of the own term is.
TEST_F(SoleVoterTest, IsReadyOnlyAfterItsNoopIsDurableAndApplied) {
  Create({.hard_state = {Term{4}, kSelf},
          .checkpoint = {},
          .entries = {Recovered(1, 1, EntryKind::kConfig), Recovered(4, 2), Recovered(4, 3)}});
  Tick();
  Output vote = Take();
  EXPECT_THAT(vote.committed, IsEmpty());
  Done(vote.storage[0].seq);
  Output noop = Take();
  EXPECT_THAT(noop.committed, IsEmpty())
      << "nothing may be applied before its own sync (etcd issue 14370)";
  EXPECT_FALSE(noop.role->ready);
  ASSERT_THAT(noop.storage[0].append, SizeIs(1));
  EXPECT_EQ(noop.storage[0].append[0].kind, EntryKind::kNoop);
  EXPECT_EQ(noop.storage[0].append[0].id, (EntryId{Term{5}, Index{4}}));
  Done(noop.storage[0].seq);
  Output committed = Take();
  EXPECT_THAT(IndexesOf(committed.committed), ElementsAre(1, 2, 3, 4));
  EXPECT_FALSE(core_->ready());
  Applied(committed);
  EXPECT_TRUE(core_->ready());
  EXPECT_TRUE(Take().role->ready);
}

TEST_F(SoleVoterTest, FoundingIsTheFirstEntryAndOnlyForAReplicaWithoutHistory) {
  Create();
  ASSERT_EQ(core_->Found(kAlone), absl::OkStatus());
  EXPECT_EQ(core_->membership(), kAlone)
      << "in force from the moment when it is appended (thesis §4.1)";
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_EQ(out.storage[0].append[0].kind, EntryKind::kConfig);
  EXPECT_EQ(out.storage[0].append[0].id, (EntryId{Term{1}, Index{1}}));
  EXPECT_EQ(core_->Found(kAlone).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SoleVoterTest, WithoutAMembershipItNeverCampaigns) {
  Create();
  for (int i = 0; i < 1000; ++i) Tick();
  EXPECT_FALSE(core_->has_output());
  EXPECT_EQ(core_->Campaign().code(), absl::StatusCode::kFailedPrecondition);
}

// etcd issue 14370: a single voter handed out what was not yet on its disk, and lost it.
TEST_F(SoleVoterTest, NothingIsCommittedBeforeItsOwnSync) {
  Lead();
  ASSERT_EQ(Propose("a", "body").value(), Index{3});
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_TRUE(out.storage[0].must_sync);
  EXPECT_THAT(out.committed, IsEmpty());
  EXPECT_EQ(core_->commit(), Index{2});
  Done(out.storage[0].seq);
  Output committed = Take();
  ASSERT_THAT(committed.committed, SizeIs(1));
  EXPECT_EQ(committed.committed[0].header.Flatten().view(), "a");
  EXPECT_EQ(committed.committed[0].body.Flatten().view(), "body")
      << "a body of this life need not be read again";
}

TEST_F(SoleVoterTest, AllProposalsOfATurnAreOneTask) {
  Lead();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Propose("a").ok());
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_THAT(out.storage[0].append, SizeIs(100));
  EXPECT_FALSE(core_->has_output());
}

TEST_F(SoleVoterTest, AProposalOfManyEntriesIsContiguous) {
  Lead();
  std::vector<Entry> entries;
  for (int i = 0; i < 3; ++i) entries.push_back(MakeEntry(Bytes("x")));
  EXPECT_EQ(core_->Propose(core_->term(), absl::MakeSpan(entries)).value(), Index{3});
  EXPECT_THAT(IndexesOf(Settle()), ElementsAre(3, 4, 5));
}

// nats-server pull 8370: a proposal decided under one term must not enter the log of another.
TEST_F(SoleVoterTest, AProposalForAnotherTermIsRefusedAndLeavesNoTrace) {
  Lead();
  Entry entry = MakeEntry(Bytes("x"));
  for (const Term term : {Term{1}, Term{3}}) {
    EXPECT_EQ(core_->Propose(term, absl::MakeSpan(&entry, 1)).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_FALSE(core_->has_output());
  EXPECT_EQ(entry.header.size(), 1u) << "not taken";
}

TEST_F(SoleVoterTest, ARestartedReplicaRefusesTheTermThatItLedBefore) {
  Create({.hard_state = {Term{4}, kSelf},
          .checkpoint = {},
          .entries = {Recovered(4, 1, EntryKind::kConfig)}});
  Entry entry = MakeEntry(Bytes("x"));
  EXPECT_FALSE(core_->Propose(Term{4}, absl::MakeSpan(&entry, 1)).ok());
  Tick();
  Settle();
  EXPECT_EQ(core_->term(), Term{5});
  EXPECT_FALSE(core_->Propose(Term{4}, absl::MakeSpan(&entry, 1)).ok());
}

// raft-notes: a completion is credited by its own number, never by index.
TEST_F(SoleVoterTest, ACompletionCountsForItsOwnTaskAndAllBeforeIt) {
  Lead();
  ASSERT_TRUE(Propose("a").ok());
  const Output first = Take();
  ASSERT_TRUE(Propose("b").ok());
  const Output second = Take();
  ASSERT_TRUE(Propose("c").ok());
  const Output third = Take();
  Done(first.storage[0].seq);
  EXPECT_EQ(core_->commit(), Index{3});
  Done(first.storage[0].seq);
  EXPECT_EQ(core_->commit(), Index{3}) << "told twice, it says nothing new";
  Done(third.storage[0].seq);
  EXPECT_EQ(core_->commit(), Index{5});
  Done(second.storage[0].seq);
  EXPECT_EQ(core_->commit(), Index{5});
  EXPECT_THAT(IndexesOf(Take().committed), ElementsAre(3, 4, 5));
}

TEST_F(SoleVoterTest, NumbersOfTasksGoOnWhereTheEarlierLifeOfTheGroupStopped) {
  Create({}, {.last_io_seq = IoSeq{41}});
  ASSERT_EQ(core_->Found(kAlone), absl::OkStatus());
  Done(IoSeq{41});  // Of the earlier life.
  Output out = Take();
  EXPECT_EQ(out.storage[0].seq, IoSeq{42});
  Done(IoSeq{41});
  EXPECT_EQ(core_->durable(), Index{0});
  Done(IoSeq{42});
  EXPECT_EQ(core_->durable(), Index{1});
}

TEST_F(SoleVoterTest, QuotaIsInBytesAndComesBack) {
  CoreOptions options;
  options.uncommitted_bytes_max = 1000;
  Lead(options);
  ASSERT_TRUE(Propose("a", std::string(5000, 'b')).ok())
      << "what is alone is let in whatever its size";
  EXPECT_EQ(Propose("c").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Propose("settle", "", Core::Room::kAlways).ok())
      << "it makes room, so it is never refused for lack of it";
  Settle();
  EXPECT_EQ(core_->uncommitted_bytes(), 0u);
  EXPECT_TRUE(Propose("c").ok());
}

TEST_F(SoleVoterTest, OversizedAndEmptyProposalsAreRefused) {
  Lead();
  EXPECT_EQ(Propose("h", std::string(kEntryBodyBytesMax + 1, 'b')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Propose(std::string(kEntryHeaderBytesMax + 1, 'h')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->Propose(core_->term(), {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(
      Propose(std::string(kEntryHeaderBytesMax, 'h'), std::string(kEntryBodyBytesMax, 'b')).ok());
}

TEST_F(SoleVoterTest, OptionsThatContradictEachOtherAreRefused) {
  const auto refused = [this](auto change) {
    CoreOptions options{.group = GroupId{1}, .self = kSelf};
    change(&options);
    return Core::Create(options, {}, &random_).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](CoreOptions*) {}));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->heartbeat = {}; }));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->election_min = o->heartbeat; }));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->election_max = o->election_min; }));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->lease = o->heartbeat; }));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->clock_drift_percent = 100; }));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->inflight_messages_max = 0; }));
  EXPECT_TRUE(refused([](CoreOptions* o) { o->digest_interval = 0; }));
}

// etcd pull 10063: entries were skipped where a page of committed entries ended.
TEST_F(SoleVoterTest, ALongStretchIsHandedOutInPiecesWithoutASkip) {
  CoreOptions options;
  options.committed_entries_max = 3;
  Lead(options);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Propose("x").ok());
  Output out = Take();
  Done(out.storage[0].seq);
  std::vector<uint64_t> indexes;
  while (core_->has_output()) {
    Output piece = Take();
    ASSERT_LE(piece.committed.size(), 3u);
    for (const uint64_t index : IndexesOf(piece.committed)) indexes.push_back(index);
    Applied(piece);
  }
  EXPECT_THAT(indexes, ElementsAre(3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

TEST_F(SoleVoterTest, HeadersGoOnlyUpToADurableCheckpoint) {
  Lead();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Propose("x").ok());
  Settle();
  EXPECT_EQ(core_->log().base(), EntryId{});
  EXPECT_EQ(core_->log().size(), 12u);
  core_->OnCheckpointDurable({Term{2}, Index{7}});
  Check();
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_EQ(out.storage[0].compact_to, Index{7});
  EXPECT_FALSE(out.storage[0].must_sync) << "an idle node must not sync for this";
  EXPECT_EQ(core_->log().size(), 5u);
  EXPECT_EQ(core_->memberships().At(Index{7}), kAlone);
  Done(out.storage[0].seq);
  core_->OnCheckpointDurable({Term{2}, Index{5}});
  EXPECT_FALSE(core_->has_output()) << "an older checkpoint says nothing new";
}

TEST_F(SoleVoterTest, ALongLogIsLetGoInStepsThatHoldUpNobody) {
  Lead();
  for (int i = 0; i < 10000; ++i) ASSERT_TRUE(Propose("x").ok());
  Settle();
  core_->OnCheckpointDurable({Term{2}, Index{9000}});
  std::vector<uint64_t> steps;
  while (core_->has_output()) {
    Output out = Take();
    ASSERT_THAT(out.storage, SizeIs(1));
    ASSERT_TRUE(out.storage[0].compact_to.has_value());
    steps.push_back(out.storage[0].compact_to->value);
    ASSERT_FALSE(core_->has_output()) << "the next step waits for the disk";
    Done(out.storage[0].seq);
  }
  EXPECT_THAT(steps, ElementsAre(4096, 8192, 9000));
  EXPECT_EQ(core_->log().base().index, Index{9000});
}

TEST_F(SoleVoterTest, StartsFromItsCheckpointAndAppliesOnlyWhatFollows) {
  Create({.hard_state = {Term{3}, kSelf},
          .checkpoint =
              Checkpoint{.applied = {Term{2}, Index{10}}, .membership = kAlone, .root = "state"},
          .entries = {Recovered(2, 11), Recovered(3, 12)}});
  EXPECT_EQ(core_->applied(), Index{10});
  Tick();
  EXPECT_THAT(IndexesOf(Settle()), ElementsAre(11, 12, 13));
}

TEST_F(SoleVoterTest, ReadsWaitForAnEntryOfTheOwnTerm) {
  Create();
  EXPECT_EQ(core_->ReadIndex(ReadId{1}).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(core_->Found(kAlone), absl::OkStatus());
  Tick();
  Output vote = Take();
  Done(vote.storage[0].seq);
  ASSERT_EQ(core_->ReadIndex(ReadId{2}), absl::OkStatus());
  Output noop = Take();
  EXPECT_THAT(noop.reads, IsEmpty());
  Done(noop.storage[0].seq);
  Output out = Take();
  ASSERT_THAT(out.reads, SizeIs(1));
  EXPECT_EQ(out.reads[0].id, ReadId{2});
  EXPECT_EQ(out.reads[0].index, Index{2});
}

TEST_F(SoleVoterTest, ASoleVoterHoldsTheLeaseWhileItLeads) {
  Create();
  EXPECT_FALSE(core_->LeaseHolds(now_));
  ASSERT_EQ(core_->Found(kAlone), absl::OkStatus());
  Tick();
  Settle();
  EXPECT_TRUE(core_->LeaseHolds(now_ + base::Seconds(1000)));
}

TEST(CoreRecoveryTest, ALogThatContradictsItselfIsDataLoss) {
  base::SeededRandom random(1);
  const auto code = [&random](RecoveredGroup recovered) {
    return Core::Create({.group = GroupId{3}, .self = kSelf}, std::move(recovered), &random)
        .status()
        .code();
  };
  const HardState term2{Term{2}, kSelf};
  const Entry founding = Recovered(1, 1, EntryKind::kConfig);
  EXPECT_EQ(code({term2, {}, {founding, Recovered(2, 2)}}), absl::StatusCode::kOk);
  EXPECT_EQ(code({term2, {}, {founding, Recovered(2, 3)}}), absl::StatusCode::kDataLoss)
      << "a hole";
  EXPECT_EQ(code({term2, {}, {Recovered(1, 2)}}), absl::StatusCode::kDataLoss)
      << "its beginning is missing";
  EXPECT_EQ(code({term2, {}, {founding, Recovered(2, 2), Recovered(1, 3)}}),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(code({term2, {}, {founding, Recovered(3, 2)}}), absl::StatusCode::kDataLoss)
      << "a forgotten term";
  EXPECT_EQ(code({term2, {}, {Recovered(1, 1)}}), absl::StatusCode::kDataLoss) << "no membership";
  Entry damaged = Recovered(2, 2);
  damaged.header_crc ^= 1;
  EXPECT_EQ(code({term2, {}, {founding, damaged}}), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code({term2, Checkpoint{{Term{2}, Index{5}}, kAlone, ""}, {Recovered(2, 7)}}),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(code({term2, Checkpoint{{Term{2}, Index{5}}, {}, ""}, {}}),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace pontoon::raft
