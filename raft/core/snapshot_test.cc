#include "raft/core/snapshot.h"

#include "raft/core/replica_test.h"

namespace pontoon::raft {
namespace {

std::shared_ptr<const Install> SnapshotAt(uint64_t term, uint64_t index,
                                          const Membership& members = kThree) {
  auto install = std::make_shared<Install>();
  install->checkpoint = {.applied = {Term{term}, Index{index}}, .membership = members, .root = "r"};
  return install;
}

class SnapshotTest : public ReplicaTest {
 protected:
  Message Offer(uint64_t term, EntryId checkpoint) {
    Message message = From(2, MessageKind::kSnapshotOffer, term);
    message.log = checkpoint;
    message.commit = checkpoint.index;
    return message;
  }
  // Leads with everything up to the last entry in a durable checkpoint and gone from the log, and
  // replica 3, which answered nothing so far, is heard again.
  void LeadCompacted() {
    Create({1, 1, 1});
    Lead();
    Settle();
    ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
    Settle();
    Pass(base::Millis(590));
    ASSERT_EQ(Step(From(2, MessageKind::kHeartbeatReply, core_->term().value)), absl::OkStatus());
    Pass(base::Millis(20));
    core_->OnCheckpointDurable({core_->term(), core_->applied()});
    Settle();
    ASSERT_EQ(core_->log().base().index, core_->applied());
    Message refused = From(3, MessageKind::kAppendReply, core_->term().value);
    refused.refused = true;
    refused.probe = core_->progress().at(R(3)).next - 1;
    refused.log = {Term{1}, Index{1}};
    ASSERT_EQ(Step(refused), absl::OkStatus());
    ASSERT_EQ(core_->progress().at(R(3)).state, Progress::State::kNeedsSnapshot);
  }
  // Replica 2 has three more entries, which a checkpoint covers; 3 lacks them, so their headers
  // stay.
  void CheckpointWhatOneLacks() {
    for (int i = 0; i < 3; ++i) {
      Entry entry = MakeEntry(Bytes("more"));
      ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
    }
    Settle();
    ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
    Settle();
    core_->OnCheckpointDurable({core_->term(), core_->applied()});
    Settle();
    ASSERT_LT(core_->log().base().index, core_->checkpoint().index);
  }
};

// Or it would be taken for agreement about what is another history.
TEST_F(SnapshotTest, AnOfferOfAnImpossibleCheckpointIsDropped) {
  Create({2, 2});
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{3}}, {}, 3)), absl::OkStatus());
  Settle();
  for (const EntryId impossible :
       {EntryId{Term{1}, Index{3}}, EntryId{Term{4}, Index{9}}, EntryId{Term{0}, Index{9}},
        EntryId{Term{2}, Index{0}}, EntryId{Term{2}, Index{UINT64_MAX}}}) {
    EXPECT_EQ(Step(Offer(3, impossible)).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(core_->term(), Term{2});
    EXPECT_FALSE(core_->has_output());
  }
}

TEST_F(SnapshotTest, APeerBehindTheCompactedLogIsOfferedASnapshotUntilItHasOne) {
  LeadCompacted();
  const auto offers = [this] {
    int count = 0;
    for (const Message& message : Settle()) {
      if (message.kind != MessageKind::kSnapshotOffer) continue;
      EXPECT_EQ(message.to, R(3));
      EXPECT_EQ(message.log.index, core_->log().base().index);
      ++count;
    }
    return count;
  };
  EXPECT_EQ(offers(), 1);
  Pass(base::Millis(51));
  EXPECT_EQ(offers(), 1) << "told again, in case it was lost";
  ASSERT_EQ(Step(Accepted(3, core_->log().base().index.value)), absl::OkStatus());
  EXPECT_EQ(core_->progress().at(R(3)).state, Progress::State::kReplicate);
  Pass(base::Millis(51));
  EXPECT_EQ(offers(), 0);
}

TEST_F(SnapshotTest, HeadersBehindTheOfferedCheckpointStayWhileThePeerFetches) {
  LeadCompacted();
  const Index offered = core_->checkpoint().index;
  CheckpointWhatOneLacks();
  EXPECT_EQ(core_->log().base().index, offered);
  // It is gone for so long that the log no longer waits for it.
  Pass(base::Millis(300));
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeatReply, core_->term().value)), absl::OkStatus());
  Pass(base::Millis(310));
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeatReply, core_->term().value)), absl::OkStatus());
  Pass(base::Millis(60));
  Settle();
  EXPECT_EQ(core_->log().base().index, core_->checkpoint().index);
}

// What was kept for others goes when this replica leads no longer and feeds nobody.
TEST_F(SnapshotTest, HeadersKeptForPeersGoOnceSomebodyElseFeedsThem) {
  LeadCompacted();
  CheckpointWhatOneLacks();
  ASSERT_EQ(Step(Append(core_->term().value + 1, core_->log().last(), {})), absl::OkStatus());
  Settle();
  EXPECT_EQ(core_->log().base().index, core_->checkpoint().index);
}

TEST_F(SnapshotTest, HeadersKeptForAPeerGoWhenItIsNoMemberAnyMore) {
  LeadCompacted();
  CheckpointWhatOneLacks();
  ASSERT_TRUE(core_->ProposeConfig(core_->term(), {.voters = {R(1), R(2)}}).ok());
  for (int i = 0; i < 3; ++i) {
    Settle();
    ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
  }
  ASSERT_FALSE(core_->progress().contains(R(3)));
  EXPECT_EQ(core_->log().base().index, core_->checkpoint().index);
}

// Where a majority has no room, nothing that frees some could be committed without this peer.
TEST_F(SnapshotTest, AnOfferSaysWhetherTheRoomIsToBeTakenFromTheReserve) {
  LeadCompacted();
  const auto must_take = [this] {
    std::optional<bool> said;
    Pass(base::Millis(51));
    for (const Message& message : Settle()) {
      if (message.kind == MessageKind::kSnapshotOffer) said = message.must_take;
    }
    return said;
  };
  EXPECT_EQ(must_take(), false);
  core_->SetRoom(false);
  Message full = From(3, MessageKind::kHeartbeatReply, core_->term().value);
  full.no_room = true;
  ASSERT_EQ(Step(full), absl::OkStatus());
  EXPECT_EQ(must_take(), true);
  core_->SetRoom(true);
  EXPECT_EQ(must_take(), false);
}

TEST_F(SnapshotTest, AnOfferOfWhatIsMissingAsksTheHostToFetchIt) {
  Create({1, 1});
  Message offer = Offer(2, {Term{2}, Index{50}});
  offer.must_take = true;
  ASSERT_EQ(Step(offer), absl::OkStatus());
  const Output out = Take();
  ASSERT_TRUE(out.fetch.has_value());
  EXPECT_TRUE(out.fetch->must_take);
  EXPECT_EQ(out.fetch->from, R(2));
  EXPECT_EQ(out.fetch->at_least, (EntryId{Term{2}, Index{50}}));
}

// ra pull 641: a follower that had the snapshot already never answered.
TEST_F(SnapshotTest, AnOfferOfWhatIsThereIsAnsweredWithIt) {
  Create({1, 1});
  ASSERT_EQ(Step(Offer(2, {Term{1}, Index{3}})), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].kind, MessageKind::kAppendReply);
  EXPECT_EQ(sent[0].log, (EntryId{Term{1}, Index{3}}));
  EXPECT_FALSE(sent[0].refused);
}

// One place that tells the store by what bodies had ended, and the replica holds by it.
TEST_F(SnapshotTest, WhatASnapshotsBodiesWereEndedByIsToldTheStoreOnce) {
  Create({1, 1});
  auto install = std::make_shared<Install>(*SnapshotAt(1, 50));
  install->ended_through = Index{60};
  ASSERT_EQ(core_->InstallSnapshot(install), absl::OkStatus());
  const Output out = Take();
  ASSERT_EQ(out.storage.size(), 1u);
  EXPECT_EQ(out.storage[0].install->ended_through, Index{60});
  EXPECT_EQ(out.storage[0].ended_through, Index{0});
  EXPECT_EQ(core_->ended_through(), Index{60});
}

TEST_F(SnapshotTest, AnInstalledSnapshotReplacesTheLogAndIsAcknowledgedOnceDurable) {
  Create({1, 1});
  ASSERT_EQ(Step(Offer(2, {Term{2}, Index{50}})), absl::OkStatus());
  Settle();
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(2, 50)), absl::OkStatus());
  Check();
  Output out = Take();
  ASSERT_EQ(out.storage.size(), 1u);
  ASSERT_NE(out.storage[0].install, nullptr);
  EXPECT_TRUE(out.storage[0].must_sync);
  ASSERT_NE(out.installed, nullptr);
  ASSERT_EQ(out.send_after.size(), 1u);
  EXPECT_TRUE(out.send_now.empty()) << "acknowledged before it is on the disk";
  EXPECT_EQ(out.send_after[0].after, out.storage[0].seq);
  EXPECT_EQ(out.send_after[0].message.log, (EntryId{Term{2}, Index{50}}));
  EXPECT_EQ(core_->log().last(), (EntryId{Term{2}, Index{50}}));
  EXPECT_EQ(core_->applied(), Index{50});
  // The log goes on from there.
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{50}}, {At(2, 51)}, 51)), absl::OkStatus());
  Settle();
  EXPECT_EQ(core_->applied(), Index{51});
}

// What follows it came from another leader than what ended its bodies, perhaps: the log goes on by
// itself instead.
TEST_F(SnapshotTest, ASnapshotOfWhatTheLogHoldsByNowIsNotTakenOver) {
  Create({2, 2, 2, 2});
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 2)), absl::OkStatus());
  Settle();
  EXPECT_TRUE(absl::IsAlreadyExists(core_->InstallSnapshot(SnapshotAt(2, 3))));
  EXPECT_EQ(core_->log().last().index, Index{5});
}

// A task that wrote the old log completes after the snapshot took its place.
TEST_F(SnapshotTest, LateCompletionsOfTheOldLogDoNotCountForTheNew) {
  Create({1, 1});
  std::vector<Entry> old;
  for (uint64_t i = 4; i < 60; ++i) old.push_back(At(2, i));
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{3}}, old)), absl::OkStatus());
  Output first = Take();
  ASSERT_EQ(Step(Offer(3, {Term{3}, Index{50}})), absl::OkStatus());
  Output second = Take();
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(3, 50)), absl::OkStatus());
  Output third = Take();
  core_->OnStorageDone(first.storage.back().seq);
  Check();
  EXPECT_LT(core_->durable(), Index{50});
  core_->OnStorageDone(third.storage.back().seq);
  Check();
  EXPECT_EQ(core_->durable(), Index{50});
}

TEST_F(SnapshotTest, ASnapshotOlderThanWhatIsCommittedOrImpossibleChangesNothing) {
  Create({1, 1, 1});
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{4}}, {At(2, 5)}, 5)), absl::OkStatus());
  Settle();
  EXPECT_TRUE(absl::IsAlreadyExists(core_->InstallSnapshot(SnapshotAt(1, 4))));
  EXPECT_TRUE(absl::IsAlreadyExists(core_->InstallSnapshot(SnapshotAt(2, 5))));
  EXPECT_TRUE(absl::IsInvalidArgument(core_->InstallSnapshot(SnapshotAt(1, 9)))) << "falling term";
  EXPECT_TRUE(absl::IsInvalidArgument(core_->InstallSnapshot(SnapshotAt(3, 9)))) << "of the future";
  EXPECT_TRUE(absl::IsInvalidArgument(core_->InstallSnapshot(SnapshotAt(2, 9, Membership{}))));
  EXPECT_FALSE(core_->has_output());
  Lead();
  EXPECT_TRUE(absl::IsFailedPrecondition(core_->InstallSnapshot(SnapshotAt(2, 90))));
}

// ra commit 919a6484: a wrong predecessor index in the first append after an install.
TEST_F(SnapshotTest, WhoeverIsElectedRightAfterAnInstallGoesOnBehindIt) {
  Create({1, 1});
  ASSERT_EQ(Step(Offer(2, {Term{2}, Index{50}})), absl::OkStatus());
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(2, 50)), absl::OkStatus());
  Settle();
  Lead();
  bool appended = false;
  for (const Message& message : Settle()) {
    if (message.kind != MessageKind::kAppend) continue;
    appended = true;
    EXPECT_EQ(message.log, (EntryId{Term{2}, Index{50}}));
  }
  EXPECT_TRUE(appended);
}

TEST_F(SnapshotTest, MembersAreThoseOfTheSnapshot) {
  Create({1, 1});
  const Membership four{.voters = {R(1), R(2), R(3), R(4)}};
  ASSERT_EQ(Step(Offer(2, {Term{2}, Index{50}})), absl::OkStatus());
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(2, 50, four)), absl::OkStatus());
  Settle();
  EXPECT_EQ(core_->membership(), four);
}

// Found by simulation: a pre-candidate by the old members took over a snapshot by whose members it
// does not vote, and campaigned on.
TEST_F(SnapshotTest, ACampaignEndsWithASnapshotWhoseMembersDoNotHaveTheCandidate) {
  Create({1, 1});
  Pass(base::Millis(700));
  Settle();
  ASSERT_EQ(core_->role(), Role::kPreCandidate);
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(1, 9, {.voters = {R(2), R(3)}})), absl::OkStatus());
  Check();
  EXPECT_EQ(core_->role(), Role::kFollower);
  Settle();
  Pass(base::Millis(700));
  EXPECT_EQ(core_->role(), Role::kFollower);
}

}  // namespace
}  // namespace pontoon::raft
