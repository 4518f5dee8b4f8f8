#include "raft/core/replica_test.h"

// Replicas that lost what they acknowledged, or hold another state than the majority (design
// section 4, "Damage"; section 3).

namespace pontoon::raft {
namespace {

using QuarantineTest = ReplicaTest;

TEST_F(QuarantineTest, WhoIsQuarantinedNeitherVotesNorCampaignsNorAcknowledges) {
  Create({1});
  core_->Quarantine();
  Output out = Take();
  ASSERT_EQ(out.storage.size(), 1u);
  EXPECT_TRUE(out.storage[0].quarantine && out.storage[0].must_sync);
  core_->OnStorageDone(out.storage[0].seq);
  Pass(base::Seconds(5));
  EXPECT_EQ(core_->role(), Role::kFollower);
  EXPECT_FALSE(core_->Campaign().ok());
  for (const MessageKind kind : {MessageKind::kPreVote, MessageKind::kVote}) {
    Message ask = From(2, kind, 9);
    ask.log = {Term{8}, Index{100}};
    ASSERT_EQ(Step(ask), absl::OkStatus());
    for (const Message& reply : Settle()) EXPECT_TRUE(reply.refused && reply.quarantined);
  }
  ASSERT_EQ(Step(Append(9, {Term{1}, Index{2}}, {At(9, 3)}, 3)), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].refused && sent[0].quarantined);
  EXPECT_EQ(core_->log().last().index, Index{2});
  EXPECT_FALSE(core_->InstallSnapshot(std::make_shared<Install>()).ok());
}

TEST_F(QuarantineTest, ItStaysSoAfterARestart) {
  RecoveredGroup recovered;
  recovered.entries = {ConfigAt(1, 1, kThree)};
  recovered.hard_state = {Term{1}, std::nullopt};
  recovered.quarantined = true;
  core_ = *Core::Create({.group = GroupId{1}, .self = R(1)}, std::move(recovered), &random_);
  Pass(base::Seconds(1));
  Pass(base::Seconds(5));
  EXPECT_EQ(core_->role(), Role::kFollower);
}

TEST_F(QuarantineTest, AFollowerThatLacksWhatItAcknowledgedGivesItselfUp) {
  Create({1});
  Message beat = From(2, MessageKind::kHeartbeat, 2);
  beat.log = {Term{2}, Index{7}};
  ASSERT_EQ(Step(beat), absl::OkStatus());
  EXPECT_TRUE(core_->quarantined());
  EXPECT_TRUE(Settle().back().quarantined);
}

TEST_F(QuarantineTest, ALeaderCountsNothingThatAQuarantinedPeerSaid) {
  Create({1});
  LeadReady();
  Entry entry = MakeEntry(Bytes("h"));
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  const Index last = core_->log().last().index;
  Settle();
  Message beat = From(3, MessageKind::kHeartbeatReply, core_->term().value);
  beat.quarantined = true;
  ASSERT_EQ(Step(beat), absl::OkStatus());
  const Output out = Take();
  ASSERT_EQ(out.astray.size(), 1u);
  EXPECT_EQ(out.astray[0].replica, R(3));
  ASSERT_EQ(Step(Accepted(3, last.value)), absl::OkStatus());
  EXPECT_LT(core_->commit(), last);
  ASSERT_EQ(Step(Accepted(2, last.value)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), last);
  // And it no longer keeps anybody leader.
  Pass(base::Millis(610));
  ASSERT_EQ(Step(beat), absl::OkStatus());
  Pass(base::Millis(60));
  EXPECT_EQ(core_->role(), Role::kFollower);
}

TEST_F(QuarantineTest, ALeaderThatIsQuarantinedHandsOverAtOnce) {
  Create({1});
  LeadReady();
  core_->Quarantine();
  bool handed_over = false;
  for (const Message& message : Settle()) handed_over |= message.kind == MessageKind::kTimeoutNow;
  EXPECT_TRUE(handed_over);
  EXPECT_EQ(core_->role(), Role::kFollower);
}

class DigestTest : public ReplicaTest {
 protected:
  void LeadWithDigest() {
    Create({1});
    LeadReady();
    core_->OnDigest(Index{2}, 42);
  }
  Message Digest(uint64_t node, uint64_t digest) {
    Message beat = From(node, MessageKind::kHeartbeatReply, core_->term().value);
    beat.log = core_->log().last();
    beat.commit = core_->applied();
    beat.digest_index = Index{2};
    beat.digest = digest;
    return beat;
  }
};

TEST_F(DigestTest, HeartbeatsCompareTheNewestStateThatBothHaveApplied) {
  LeadWithDigest();
  Message beat = Digest(2, 0);
  beat.digest_index = {};
  ASSERT_EQ(Step(beat), absl::OkStatus());
  Pass(base::Millis(60));
  for (const Message& message : Settle()) {
    if (message.kind != MessageKind::kHeartbeat) continue;
    EXPECT_EQ(message.digest_index, message.to == R(2) ? Index{2} : Index{0});
  }
}

TEST_F(DigestTest, AFollowerAnswersWithItsOwnDigestOfTheSameIndex) {
  Create({1});
  core_->OnDigest(Index{2}, 43);
  Message beat = From(2, MessageKind::kHeartbeat, 1);
  beat.digest_index = Index{2};
  beat.digest = 42;
  ASSERT_EQ(Step(beat), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  EXPECT_EQ(sent.back().digest_index, Index{2});
  EXPECT_EQ(sent.back().digest, 43u);
}

TEST_F(DigestTest, TheOddFollowerIsQuarantinedOnceAMajorityAgrees) {
  LeadWithDigest();
  ASSERT_EQ(Step(Digest(3, 7)), absl::OkStatus());
  EXPECT_TRUE(Take().astray.empty()) << "one against one says nothing";
  ASSERT_EQ(Step(Digest(2, 42)), absl::OkStatus());
  const Output out = Take();
  ASSERT_EQ(out.astray.size(), 1u);
  EXPECT_EQ(out.astray[0].replica, R(3));
  EXPECT_EQ(out.astray[0].why, Astray::Why::kDigestDiffers);
  Pass(base::Millis(60));
  bool told = false;
  for (const Message& message : Settle())
    told |= message.kind == MessageKind::kHeartbeat && message.to == R(3) && message.quarantined;
  EXPECT_TRUE(told);
}

TEST_F(DigestTest, AFollowerThatIsToldSoGivesItselfUp) {
  Create({1});
  Message beat = From(2, MessageKind::kHeartbeat, 1);
  beat.quarantined = true;
  ASSERT_EQ(Step(beat), absl::OkStatus());
  EXPECT_TRUE(core_->quarantined());
}

TEST_F(DigestTest, AnOddLeaderGivesItselfUpAndHandsOver) {
  LeadWithDigest();
  ASSERT_EQ(Step(Digest(3, 7)), absl::OkStatus());
  ASSERT_EQ(Step(Digest(2, 7)), absl::OkStatus());
  EXPECT_TRUE(core_->quarantined());
  EXPECT_EQ(core_->role(), Role::kFollower);
}

TEST_F(DigestTest, WithoutAMajorityNobodyIsGivenUp) {
  LeadWithDigest();
  ASSERT_EQ(Step(Digest(3, 7)), absl::OkStatus());
  ASSERT_EQ(Step(Digest(2, 8)), absl::OkStatus());
  EXPECT_TRUE(Take().astray.empty());
  EXPECT_EQ(core_->role(), Role::kLeader);
}

}  // namespace
}  // namespace pontoon::raft
