#include "raft/node/snapshot_fixture.h"

namespace pontoon::raft {
namespace {

// Bodies that were settled while the snapshot was under way are left out, with the index that says
// so: until that is applied the receiver must feed nobody.
TEST_F(SnapshotTransferTest, WhatIsSettledMeanwhileIsLeftOutTogetherWithTheIndexThatSaysSo) {
  BuildAndOffer(kLarge);
  RunParts(5);
  const uint64_t before = history_.size();
  for (uint64_t i = 1; i <= 60; ++i) Settle(i, 0);  // Some wholly, some in part.
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->applied.index.value, 60u + 8 + 13);
  EXPECT_GT(r_->fetcher->counters().bodies_ended, 10u);
  EXPECT_GT(r_->ended_through.value, before);
  EXPECT_LT(r_->applied.index, r_->ended_through);
  // Asked meanwhile, it is silent.
  bodies_sent_ = 0;
  SnapshotPart request;
  r_->server->OnRequest(kWorldGroup, b_->id, request);
  EXPECT_EQ(r_->server->counters().not_ready, 1u);
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, ACheckpointThatIsGoneIsReplacedByTheNewestAndBodiesStay) {
  BuildAndOffer(kLarge);
  RunParts(6);
  const uint64_t had = r_->fetcher->counters().bodies;
  ASSERT_GT(had, 0u);
  const EntryId first = a_->checkpoint;
  // Nothing arrives for longer than the sender keeps it, while it goes on.
  for (int i = 0; i < 40; ++i) Put(kLarge);
  Settle(6);
  a_->Checkpoint();
  a_->Work();
  now_ = now_ + SnapshotServer::kPinnedFor;
  a_->server->Tick(now_ + base::Seconds(1));
  a_->Work();
  ASSERT_NE(a_->checkpoint, first);
  wire_.clear();
  r_->Crash();  // So that it must ask for a root again.
  bodies_sent_ = 0;
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->installs, 1);
  EXPECT_GE(r_->fetcher->counters().bodies_same, 1u);
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, AskingForPagesOfACheckpointThatIsGoneBeginsAgainWithoutACrash) {
  BuildAndOffer(100);
  // Root has come, pages have not.
  LoseRequests(SnapshotPart::Kind::kPages);
  Steps(10);
  EXPECT_EQ(r_->fetcher->counters().roots, 1u);
  const EntryId first = a_->checkpoint;
  Put(10);
  a_->Checkpoint();
  a_->Work();
  a_->server->Forget(kWorldGroup);
  lose_ = nullptr;
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().roots, 2u);
  EXPECT_GT(r_->applied, first);
  ExpectCaughtUp();
}

// A page is named by the checkpoint that somebody is fetching: it stays until he has had it.
TEST_F(SnapshotTransferTest, PagesOfACheckpointThatIsBeingFetchedStayForAWhile) {
  BuildState(100);
  Step();
  const std::vector<PageId> before = a_->store.pages(kWorldGroup);
  sender_ = a_.get();
  LoseRequests(SnapshotPart::Kind::kPages);
  Steps(10);
  for (uint64_t i = 1; i <= 60; ++i) {
    for (uint32_t m = 0; m < 3; ++m) Settle(i, m);
  }
  a_->Checkpoint();
  a_->Work();
  EXPECT_GT(a_->server->counters().page_drops_held, 0u);
  for (const PageId page : before)
    EXPECT_THAT(a_->store.pages(kWorldGroup), ::testing::Contains(page));
  lose_ = nullptr;
  for (int i = 0; i < 5000 && r_->installs == 0; ++i) Step();
  EXPECT_EQ(r_->fetcher->counters().roots, 1u);
  ASSERT_TRUE(RunUntilInstalled());  // The one after it.
  ExpectCaughtUp();
  sender_ = nullptr;
  now_ = now_ + SnapshotServer::kPinnedFor;
  Steps(10);
  a_->ExpectWhole();
}

// Entries that are not known to be committed may be others than the sender's, and are replaced.
TEST_F(SnapshotTransferTest, OwnBodiesOfAnotherLeadersEntriesAreReplaced) {
  BuildState(1000);
  for (uint64_t i = 0; i < 10; ++i) r_->Append(history_[i]);
  for (uint64_t i = 11; i <= 20; ++i) {
    Entry other = TestMachine::Put(std::string("of a leader that nobody followed"));
    other.id = {Term{0}, Index{i}};
    r_->Append(other, false);
  }
  Offer();
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().bodies_same, 0u);
  ExpectCaughtUp();
}

// What was found to be there may be gone once the log has been cut and written anew.
TEST_F(SnapshotTransferTest, AChangeOfTheLogAfterAnyPartIsNoticed) {
  for (int64_t change_after = 1;; ++change_after) {
    SCOPED_TRACE(change_after);
    Restart();
    BuildState(kLarge);
    for (uint64_t i = 0; i < 10; ++i) r_->Append(history_[i]);
    for (uint64_t i = 10; i < 50; ++i) r_->Append(history_[i], false);
    Offer();
    RunParts(change_after);
    if (!Wanted()) break;
    r_->Truncate(Index{21});
    for (uint64_t i = 20; i < 30; ++i) {
      Entry other = TestMachine::Put(std::string("another"));
      other.id = {Term{1}, Index{i + 1}};
      r_->Append(other, false);
    }
    ASSERT_TRUE(RunUntilInstalled());
    ExpectCaughtUp();
  }
}

// A slow link brings them when the receiver has started anew and asks for other things.
TEST_F(SnapshotTransferTest, AnswersThatAnEarlierLifeAskedForAreNotTakenForThisOnes) {
  BuildState(100);
  Step();
  std::vector<SnapshotPeer::Sent> late;
  const auto hold_pages = [&](SnapshotPeer::Sent& sent) {
    const bool held = !sent.request && sent.part.kind == SnapshotPart::Kind::kPages;
    if (held) late.push_back(sent);
    return held;
  };
  lose_ = hold_pages;
  sender_ = a_.get();
  Steps(10);
  ASSERT_GT(late.size(), 1u);
  r_->Crash();
  // Asking another first, it has counted one further when it asks this one.
  lose_ = [](SnapshotPeer::Sent&) { return true; };
  sender_ = b_.get();
  Step();
  LoseRequests(SnapshotPart::Kind::kPages);
  sender_ = a_.get();
  Steps(10);
  lose_ = nullptr;
  const uint64_t pages = r_->fetcher->counters().pages;
  for (const SnapshotPeer::Sent& sent : late) Carry(sent);
  EXPECT_EQ(r_->fetcher->counters().pages, pages);
  ASSERT_TRUE(RunUntilInstalled());
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, ASenderThatLacksTheEntriesSaysNothingAboutTheirBodies) {
  BuildState(100);
  Step();
  SnapshotPart request;
  request.kind = SnapshotPart::Kind::kBodies;
  request.checkpoint = a_->checkpoint;
  request.bodies = {{Index{1}, 0}};
  r_->server->OnRequest(kWorldGroup, a_->id, request);
  r_->store.AnswerReads();
  // It would have said that the body ended. But the receiver may be the one without whom nothing
  // more is applied there: it is to begin again with what this sender has.
  ASSERT_EQ(wire_.size(), 1u);
  EXPECT_TRUE(wire_.front().part.gone);
  EXPECT_TRUE(wire_.front().part.body_answers.empty());
  EXPECT_EQ(r_->server->counters().not_ready, 1u);
}

TEST_F(SnapshotTransferTest, ABodyThatTheSenderHasLostComesFromAnotherMember) {
  BuildAndOffer(100);
  a_->store.DamageBody(kWorldGroup, Index{2});
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_GT(a_->server->counters().unreadable, 0u);
  EXPECT_GT(r_->fetcher->counters().next_senders, 0u);
  EXPECT_EQ(r_->fetcher->counters().roots, 1u);
  ExpectCaughtUp();
}

// Found by simulation: members were replaced one after the other since the checkpoint was made.
TEST_F(SnapshotTransferTest, TheLeaderIsAskedAgainAlsoIfNoMemberOfTheCheckpointIsLeft) {
  BuildState(100);
  Offer();
  int bodies = 0;
  lose_ = [&](SnapshotPeer::Sent& sent) {
    if (!sent.request) sent.part.membership = {.voters = {{NodeId{7}, 1}, {NodeId{8}, 1}}};
    // Nobody answers for a while.
    return sent.request && sent.part.kind == SnapshotPart::Kind::kBodies && ++bodies < 8;
  };
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_GT(r_->fetcher->counters().next_senders, 0u);
}

TEST_F(SnapshotTransferTest, ABodyThatAllHaveLostIsNotCalledSettled) {
  BuildAndOffer(100);
  a_->store.DamageBody(kWorldGroup, Index{2});
  b_->store.DamageBody(kWorldGroup, Index{2});
  EXPECT_FALSE(RunUntilInstalled());
  EXPECT_TRUE(r_->fetcher->active());
}

// Nothing that stands still takes the place of those that could go on.
TEST_F(SnapshotTransferTest, AFetchThatStandsStillLetsOthersGoFirst) {
  BuildAndOffer(100);
  lose_ = [](SnapshotPeer::Sent& sent) { return sent.request; };
  ASSERT_TRUE(r_->budget.Take(GroupId{98}));
  Step();
  ASSERT_FALSE(r_->budget.Take(GroupId{99}));
  Steps(9000);
  EXPECT_FALSE(r_->budget.Take(GroupId{99})) << "it had its time";
  Steps(2000);
  EXPECT_TRUE(r_->budget.Take(GroupId{99}));
  lose_ = nullptr;
  EXPECT_FALSE(RunUntilInstalled(2000));
  r_->budget.Release(GroupId{99});
  ASSERT_TRUE(RunUntilInstalled());
}

// As a follower without room takes no bodies (design section 4, "Disk full").
TEST_F(SnapshotTransferTest, AFetchPausesWhileTheDiskHasNoRoomAndLosesNothing) {
  BuildAndOffer(kLarge);
  RunParts(8);
  r_->has_room = false;
  Steps(10);  // What was asked for arrives.
  const SnapshotFetcher::Counters before = r_->fetcher->counters();
  ASSERT_GT(before.bodies, 0u);
  Steps(15000);
  EXPECT_EQ(r_->fetcher->counters().requests, before.requests);
  EXPECT_EQ(r_->installs, 0);
  // Others go first meanwhile, and do not end it.
  ASSERT_TRUE(r_->budget.Take(GroupId{98}));
  ASSERT_TRUE(r_->budget.Take(GroupId{99}));
  r_->has_room = true;
  Steps(15000);
  EXPECT_EQ(r_->fetcher->counters().requests, before.requests);
  r_->budget.Release(GroupId{99});
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().bodies, bodies_sent_) << "received twice";
  EXPECT_EQ(r_->fetcher->counters().bodies_same, 0u);
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, AFetchThatTheGroupCannotDoWithoutTakesItsRoomFromTheReserve) {
  BuildAndOffer(1000);
  r_->has_room = false;
  EXPECT_FALSE(RunUntilInstalled(2000));
  must_take_ = true;
  ASSERT_TRUE(RunUntilInstalled());
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, APausedFetchThatNobodyWantsAnyMoreIsGivenUp) {
  BuildAndOffer(kLarge);
  RunParts(8);
  r_->has_room = false;
  sender_ = nullptr;
  now_ = now_ + SnapshotFetcher::kGiveUpAfter;
  Steps(10);
  EXPECT_FALSE(r_->fetcher->active());
}

TEST_F(SnapshotTransferTest, RequestsThatNoReplicaSendsAreDroppedAndCounted) {
  BuildState(100);
  Step();
  SnapshotPart request;
  request.offset = 5;
  a_->server->OnRequest(kWorldGroup, r_->id, request);
  request = {};
  request.kind = SnapshotPart::Kind::kPages;
  a_->server->OnRequest(kWorldGroup, r_->id, request);
  request.pages = {PageId{kPageIdMax + 1}};
  a_->server->OnRequest(kWorldGroup, r_->id, request);
  request.pages.assign(kSnapshotItemsMax + 1, PageId{1});
  a_->server->OnRequest(kWorldGroup, r_->id, request);
  request = {};
  request.kind = SnapshotPart::Kind::kBodies;
  request.checkpoint = a_->checkpoint;
  a_->server->OnRequest(kWorldGroup, r_->id, request);
  request.bodies = {{a_->checkpoint.index + 1, 0}};
  a_->server->OnRequest(kWorldGroup, r_->id, request);
  EXPECT_EQ(a_->server->counters().invalid, 6u);
  EXPECT_TRUE(wire_.empty());
}

TEST_F(SnapshotTransferTest, WhatOneSenderReadsAtOnceIsBounded) {
  BuildState(100);
  Step();
  SnapshotPart request;
  request.kind = SnapshotPart::Kind::kBodies;
  request.checkpoint = a_->checkpoint;
  request.bodies = {{Index{1}, 0}};
  for (int i = 0; i < 100; ++i) a_->server->OnRequest(kWorldGroup, r_->id, request);
  EXPECT_EQ(a_->server->counters().busy,
            100 - SnapshotServer::kReadingBytesMax / kSnapshotPartBytes);
  a_->store.AnswerReads();
  a_->store.AnswerReads();
  EXPECT_EQ(wire_.size(), SnapshotServer::kReadingBytesMax / kSnapshotPartBytes);
}

TEST_F(SnapshotTransferTest, AFetchThatNobodyWantsAnyMoreIsGivenUpAndLeavesNoPages) {
  BuildAndOffer(100);
  LoseRequests(SnapshotPart::Kind::kBodies);
  Steps(10);
  EXPECT_FALSE(r_->store.pages(kWorldGroup).empty());
  sender_ = nullptr;
  now_ = now_ + SnapshotFetcher::kGiveUpAfter;
  Steps(3);
  EXPECT_FALSE(r_->fetcher->active());
  EXPECT_TRUE(r_->store.pages(kWorldGroup).empty());
}

TEST(SnapshotBudgetTest, TwoGroupsFetchAtOnceAndOthersInTheOrderInWhichTheyAsked) {
  SnapshotBudget budget;
  EXPECT_TRUE(budget.Take(GroupId{5}));
  EXPECT_TRUE(budget.Take(GroupId{1}));
  EXPECT_FALSE(budget.Take(GroupId{9}));
  EXPECT_FALSE(budget.Take(GroupId{2}));
  EXPECT_TRUE(budget.Take(GroupId{5}));
  budget.Release(GroupId{1});
  EXPECT_FALSE(budget.Take(GroupId{2}));
  EXPECT_TRUE(budget.Take(GroupId{9}));
  budget.Release(GroupId{5});
  EXPECT_TRUE(budget.Take(GroupId{2}));
}

TEST(IndexSetTest, IsWhatASetOfSingleIndexesWouldBe) {
  base::SeededRandom random(1);
  for (int round = 0; round < 200; ++round) {
    IndexSet set;
    std::set<uint64_t> model;
    for (int i = 0; i < 60; ++i) {
      if (random.Below(10) == 0) {
        const uint64_t from = random.Below(40);
        set.RemoveFrom(Index{from});
        model.erase(model.lower_bound(from), model.end());
      } else {
        const uint64_t index = random.Below(40);
        set.Add(Index{index});
        model.insert(index);
      }
      for (uint64_t index = 0; index < 41; ++index) {
        ASSERT_EQ(set.Contains(Index{index}), model.contains(index));
        uint64_t missing = index;
        while (model.contains(missing)) ++missing;
        ASSERT_EQ(set.NextMissing(Index{index}), Index{missing});
        const auto present = model.lower_bound(index);
        ASSERT_EQ(set.NextPresent(Index{index}, Index{41}),
                  Index{present == model.end() ? 41 : *present});
      }
    }
  }
}

}  // namespace
}  // namespace pontoon::raft
