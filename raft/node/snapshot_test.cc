#include <gmock/gmock.h>

#include <set>

#include "raft/node/snapshot_world.h"

namespace pontoon::raft {
namespace {

// Two replicas that have everything, and a third that lacks the beginning.
class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() { Restart(); }

  void Restart() {
    wire_.clear();
    history_.clear();
    now_ = {};
    a_ = std::make_unique<SnapshotPeer>(1, &wire_);
    b_ = std::make_unique<SnapshotPeer>(2, &wire_);
    r_ = std::make_unique<SnapshotPeer>(3, &wire_);
  }

  void Commit(Entry entry) {
    entry.id = {Term{1}, Index{history_.size() + 1}};
    history_.push_back(entry);
    a_->Append(entry);
    b_->Append(entry);
  }
  void Put(size_t bytes, size_t messages = 1) {
    std::string text;
    text.resize(bytes, static_cast<char>('a' + history_.size() % 26));
    Commit(TestMachine::Put(std::vector<std::string>(messages, text)));
  }
  void Settle(uint64_t index, uint32_t message = 0) {
    Commit(TestMachine::Settle({{Index{index}, message}}));
  }
  // A state with pages, cut bodies, and gaps between those that live.
  void BuildState(size_t bytes, uint64_t puts = 60) {
    for (uint64_t i = 1; i <= puts; ++i) Put(bytes, 1 + i % 3);
    for (uint64_t i = 5; i < puts; i += 7) Settle(i);
    for (uint64_t i = 9; i < puts; i += 4) Settle(i, 0);
    a_->Checkpoint();
    Put(bytes);
    b_->Checkpoint();  // Of another index, with other pages.
  }

  bool Wanted() const {
    return sender_ != nullptr && r_->applied.index < sender_->checkpoint.index;
  }
  // A millisecond: the senders' disks work, what was sent arrives, and so on, until nothing moves.
  // False once `parts_max` answers have arrived.
  bool Step() {
    now_ = now_ + base::Millis(1);
    for (SnapshotPeer* peer : {a_.get(), b_.get(), r_.get()}) {
      peer->fetcher->Tick(now_);
      peer->server->Tick(now_);
    }
    if (Wanted()) r_->fetcher->Start(sender_->id, sender_->checkpoint);
    for (int i = 0; i < 20; ++i) {
      for (SnapshotPeer* peer : {a_.get(), b_.get(), r_.get()}) peer->Work();
      for (size_t n = wire_.size(); n > 0; --n) {
        SnapshotPeer::Sent sent = std::move(wire_.front());
        wire_.pop_front();
        if (lose_ && lose_(sent)) continue;
        Carry(sent);
        if (!sent.request && --parts_left_ == 0) return false;
      }
    }
    return true;
  }
  void Carry(const SnapshotPeer::Sent& sent) {
    for (SnapshotPeer* peer : {a_.get(), b_.get(), r_.get()}) {
      if (peer->id != sent.to) continue;
      if (sent.request) {
        peer->server->OnRequest(kWorldGroup, sent.from, sent.part);
      } else {
        bodies_sent_ += CountBodies(sent.part);
        peer->fetcher->OnPart(sent.from, Term{1}, sent.part);
      }
    }
  }
  static uint64_t CountBodies(const SnapshotPart& part) {
    uint64_t count = 0;
    for (const BodyAnswer& answer : part.body_answers)
      count += answer.kind == BodyAnswer::Kind::kBytes ? 1 : 0;
    return count;
  }
  bool RunUntilInstalled(int64_t millis = 20000) {
    for (int64_t i = 0; i < millis && Wanted(); ++i) Step();
    return !Wanted();
  }
  // The rest of the log reaches the receiver, and all are the same.
  void ExpectCaughtUp() {
    for (uint64_t i = r_->applied.index.value; i < history_.size(); ++i) r_->Append(history_[i]);
    EXPECT_GE(r_->applied.index, r_->ended_through);
    EXPECT_EQ(r_->machine->Digest(), a_->machine->Digest());
    r_->ExpectWhole();
  }

  std::deque<SnapshotPeer::Sent> wire_;
  std::vector<Entry> history_;
  base::MonotonicTime now_;
  std::unique_ptr<SnapshotPeer> a_;
  std::unique_ptr<SnapshotPeer> b_;
  std::unique_ptr<SnapshotPeer> r_;
  SnapshotPeer* sender_ = nullptr;
  std::function<bool(SnapshotPeer::Sent&)> lose_;
  int64_t parts_left_ = 0;
  uint64_t bodies_sent_ = 0;
};

TEST_F(SnapshotTest, AReplicaWithNothingGetsTheWholeState) {
  BuildState(1000);
  Step();
  sender_ = a_.get();
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->installs, 1);
  EXPECT_EQ(r_->page_generation, 1);
  EXPECT_EQ(r_->fetcher->counters().dropped, 0u);
  EXPECT_FALSE(r_->fetcher->active());
  ExpectCaughtUp();
}

constexpr size_t kLarge = 40 * 1024;  // A part holds a few of them.

TEST_F(SnapshotTest, AReplicaThatWasAwayIsSentOnlyTheBodiesThatItLacks) {
  BuildState(1000);
  for (uint64_t i = 0; i < 30; ++i) r_->Append(history_[i]);
  Step();
  sender_ = a_.get();
  ASSERT_TRUE(RunUntilInstalled());
  uint64_t lacked = 0;
  for (uint64_t i = 31; i <= r_->applied.index.value; ++i)
    lacked += a_->machine->NeedsBody(Index{i}) ? 1 : 0;
  EXPECT_EQ(bodies_sent_, lacked);
  ExpectCaughtUp();
}

TEST_F(SnapshotTest, ARootOfManyPartsIsPutTogether) {
  for (int i = 0; i < 30000; ++i) Put(1);
  a_->Checkpoint();
  Step();
  sender_ = a_.get();
  uint64_t root_bytes = 0;
  lose_ = [&](SnapshotPeer::Sent& sent) {
    root_bytes = std::max(root_bytes, sent.part.root_bytes);
    return false;
  };
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().damaged_roots, 0u);
  EXPECT_GT(root_bytes, 3 * kSnapshotPartBytes);
  ExpectCaughtUp();
}

// Design section 4: resumable. Whatever was written before the crash is not sent again.
TEST_F(SnapshotTest, AReceiverThatCrashesAfterAnyPartResumesWithItsBodies) {
  for (int64_t crash_after = 1;; ++crash_after) {
    SCOPED_TRACE(crash_after);
    Restart();
    BuildState(kLarge);
    for (uint64_t i = 0; i < 10; ++i) r_->Append(history_[i]);
    sender_ = nullptr;
    bodies_sent_ = 0;
    parts_left_ = 0;
    Step();
    sender_ = a_.get();
    parts_left_ = crash_after;
    while (Wanted() && Step()) {
    }
    if (!Wanted()) {
      EXPECT_GT(crash_after, 15) << "hardly a test of interruption";
      break;
    }
    r_->Crash();
    uint64_t had = 0;
    for (uint64_t i = 11; i <= a_->checkpoint.index.value; ++i)
      had += r_->store.HasBody(kWorldGroup, Index{i}) ? 1 : 0;
    bodies_sent_ = 0;
    ASSERT_TRUE(RunUntilInstalled());
    EXPECT_EQ(r_->fetcher->counters().bodies_same, had);
    ExpectCaughtUp();
  }
}

// Also from another sender (design section 4), whose checkpoint and pages are others.
TEST_F(SnapshotTest, AnotherSenderAfterAnyPartGoesOnWithTheBodies) {
  for (int64_t switch_after = 1;; ++switch_after) {
    SCOPED_TRACE(switch_after);
    Restart();
    BuildState(kLarge);
    sender_ = nullptr;
    bodies_sent_ = 0;
    parts_left_ = 0;
    Step();
    sender_ = a_.get();
    parts_left_ = switch_after;
    while (Wanted() && Step()) {
    }
    if (!Wanted()) break;
    const uint64_t before = r_->fetcher->counters().bodies;
    sender_ = b_.get();
    wire_.clear();  // The old sender died, with what was under way.
    ASSERT_TRUE(RunUntilInstalled());
    EXPECT_EQ(r_->fetcher->counters().bodies_same, 0u) << "asked again for what it had just got";
    EXPECT_LE(r_->fetcher->counters().bodies, before + 60 + 1);
    ExpectCaughtUp();
  }
}

TEST_F(SnapshotTest, LostDoubledAndLateAnswersAreAskedForAgainOrIgnored) {
  BuildState(kLarge);
  Step();
  sender_ = a_.get();
  int n = 0;
  std::vector<SnapshotPeer::Sent> late;
  lose_ = [&](SnapshotPeer::Sent& sent) {
    if (++n % 4 == 0) return true;
    if (n % 5 == 0) Carry(sent);
    if (n % 7 == 0) late.push_back(sent);
    if (n % 11 == 0) {
      for (const SnapshotPeer::Sent& old : std::exchange(late, {})) Carry(old);
    }
    return false;
  };
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_GT(r_->fetcher->counters().dropped, 0u);
  ExpectCaughtUp();
}

TEST_F(SnapshotTest, DamagedOrImpossiblePartsChangeNothing) {
  BuildState(kLarge);
  Step();
  sender_ = a_.get();
  uint64_t spoiled = 0;
  std::map<SnapshotPart::Kind, int> turn;
  lose_ = [&](SnapshotPeer::Sent& sent) {
    if (sent.request) return false;
    const auto spoil = [&](auto change) {
      SnapshotPeer::Sent bad = sent;
      change(&bad.part);
      const uint64_t dropped = r_->fetcher->counters().dropped;
      const size_t tasks = r_->store.unsynced();
      r_->fetcher->OnPart(bad.from, Term{1}, bad.part);
      EXPECT_EQ(r_->fetcher->counters().dropped, dropped + 1)
          << "kind " << static_cast<int>(sent.part.kind);
      EXPECT_EQ(r_->store.unsynced(), tasks);
      ++spoiled;
    };
    spoil([](SnapshotPart* part) { part->request += 1000; });
    spoil([](SnapshotPart* part) {
      part->kind = part->kind == SnapshotPart::Kind::kRoot ? SnapshotPart::Kind::kPages
                                                           : SnapshotPart::Kind::kRoot;
    });
    switch (sent.part.kind) {
      case SnapshotPart::Kind::kRoot:
        spoil([](SnapshotPart* part) { part->offset += 1; });
        spoil([](SnapshotPart* part) { part->root_bytes = uint64_t{1} << 50; });
        spoil([](SnapshotPart* part) { part->root_bytes = part->root.size() - 1; });
        spoil([](SnapshotPart* part) { part->root.Clear(); });
        spoil([](SnapshotPart* part) { part->checkpoint = {}; });
        spoil([](SnapshotPart* part) { part->checkpoint.index = Index{1}; });
        break;
      case SnapshotPart::Kind::kPages:
        spoil([](SnapshotPart* part) { part->page_bytes.clear(); });
        spoil([](SnapshotPart* part) { part->page_bytes.resize(kSnapshotItemsMax + 1); });
        spoil([](SnapshotPart* part) { part->checkpoint.index = part->checkpoint.index + 1; });
        break;
      case SnapshotPart::Kind::kBodies:
        spoil([](SnapshotPart* part) { part->body_answers.clear(); });
        spoil([](SnapshotPart* part) { part->body_answers.resize(2000); });
        spoil([](SnapshotPart* part) { part->body_answers.back().index = Index{1}; });
        spoil([](SnapshotPart* part) {
          part->body_answers.back().kind = BodyAnswer::Kind::kSame;  // As what?
        });
        spoil([](SnapshotPart* part) {
          part->body_answers.back().kind = BodyAnswer::Kind::kEnded;
          part->body_answers.back().ended = Index{3};
        });
        spoil([](SnapshotPart* part) { part->body_answers.back().image.extents[0].crc ^= 1; });
        spoil([](SnapshotPart* part) { part->body_answers.back().image.extents[0].size -= 1; });
        spoil([](SnapshotPart* part) {
          part->body_answers.back().image.extents[0].offset = UINT32_MAX;
        });
        spoil([](SnapshotPart* part) { part->body_answers.back().image.body_bytes = 1; });
        spoil([](SnapshotPart* part) {
          part->body_answers.back().image.body_bytes = kEntryBodyBytesMax + 1;
        });
        spoil([](SnapshotPart* part) { part->body_answers.back().image.bytes.Clear(); });
        spoil([](SnapshotPart* part) { part->body_answers.back().image.extents.clear(); });
        break;
    }
    // And from a stranger.
    const uint64_t dropped = r_->fetcher->counters().dropped;
    r_->fetcher->OnPart(b_->id, Term{1}, sent.part);
    EXPECT_EQ(r_->fetcher->counters().dropped, dropped + 1);
    return false;
  };
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_GT(spoiled, 100u);
  ExpectCaughtUp();
}

TEST_F(SnapshotTest, ARootThatIsDamagedInTheMiddleIsFetchedAgainAfterAPause) {
  BuildState(100);
  Step();
  sender_ = a_.get();
  int bad = 0;
  lose_ = [&](SnapshotPeer::Sent& sent) {
    if (sent.request || sent.part.kind != SnapshotPart::Kind::kRoot || bad == 3) return false;
    ++bad;
    std::string root(sent.part.root.Flatten().view());
    root[root.size() / 2] ^= 1;
    sent.part.root = base::SliceChain(base::Slice::Copy(root));
    return false;
  };
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().damaged_roots, 3u);
  EXPECT_GT(now_, base::MonotonicTime{} + base::Seconds(2)) << "in a tight loop";
  ExpectCaughtUp();
}

TEST_F(SnapshotTest, WhatIsAskedForAndNotYetWrittenIsBounded) {
  BuildState(kLarge, 200);
  Step();
  sender_ = a_.get();
  std::set<uint64_t> open;
  size_t open_max = 0;
  lose_ = [&](SnapshotPeer::Sent& sent) {
    if (sent.request) {
      open.insert(sent.part.request);
    } else {
      open.erase(sent.part.request);
    }
    open_max = std::max(open_max, open.size());
    return false;
  };
  // The receiver's disk stands still.
  r_->fetcher->Start(sender_->id, sender_->checkpoint);
  const auto run = [&] {
    for (int i = 0; i < 200; ++i) {
      a_->Work();
      r_->store.AnswerReads();
      for (size_t n = wire_.size(); n > 0; --n) {
        SnapshotPeer::Sent sent = std::move(wire_.front());
        wire_.pop_front();
        lose_(sent);
        Carry(sent);
      }
    }
  };
  run();
  r_->store.SyncAndReport();  // The mark before the comparison, or nothing would be asked for.
  run();
  EXPECT_TRUE(open.empty());
  const uint64_t received = r_->fetcher->counters().bodies;
  EXPECT_GT(received * kLarge, SnapshotFetcher::kUnwrittenBytesMax / 2);
  EXPECT_LT(received * kLarge,
            SnapshotFetcher::kUnwrittenBytesMax + 5 * kSnapshotPartBytes + 10 * kLarge);
  EXPECT_LE(open_max, SnapshotFetcher::kRequestsMax);
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_LE(open_max, SnapshotFetcher::kRequestsMax);
  ExpectCaughtUp();
}

// Bodies that were settled while the snapshot was under way are left out, with the index that says
// so: until that is applied the receiver must feed nobody.
TEST_F(SnapshotTest, WhatIsSettledMeanwhileIsLeftOutTogetherWithTheIndexThatSaysSo) {
  BuildState(kLarge);
  Step();
  sender_ = a_.get();
  parts_left_ = 5;
  while (Step()) {
  }
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

TEST_F(SnapshotTest, ACheckpointThatIsGoneIsReplacedByTheNewestAndBodiesStay) {
  BuildState(kLarge);
  Step();
  sender_ = a_.get();
  parts_left_ = 6;
  while (Step()) {
  }
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

TEST_F(SnapshotTest, AskingForPagesOfACheckpointThatIsGoneBeginsAgainWithoutACrash) {
  BuildState(100);
  Step();
  sender_ = a_.get();
  // Root has come, pages have not.
  lose_ = [&](SnapshotPeer::Sent& sent) {
    return sent.request && sent.part.kind == SnapshotPart::Kind::kPages;
  };
  for (int i = 0; i < 10; ++i) Step();
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
TEST_F(SnapshotTest, PagesOfACheckpointThatIsBeingFetchedStayForAWhile) {
  BuildState(100);
  Step();
  const std::vector<PageId> before = a_->store.pages(kWorldGroup);
  sender_ = a_.get();
  lose_ = [&](SnapshotPeer::Sent& sent) {
    return sent.request && sent.part.kind == SnapshotPart::Kind::kPages;
  };
  for (int i = 0; i < 10; ++i) Step();
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
  for (int i = 0; i < 10; ++i) Step();
  a_->ExpectWhole();
}

// Entries that are not known to be committed may be others than the sender's, and are replaced.
TEST_F(SnapshotTest, OwnBodiesOfAnotherLeadersEntriesAreReplaced) {
  BuildState(1000);
  for (uint64_t i = 0; i < 10; ++i) r_->Append(history_[i]);
  for (uint64_t i = 11; i <= 20; ++i) {
    Entry other = TestMachine::Put(std::string("of a leader that nobody followed"));
    other.id = {Term{0}, Index{i}};
    r_->Append(other, false);
  }
  Step();
  sender_ = a_.get();
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().bodies_same, 0u);
  ExpectCaughtUp();
}

// What was found to be there may be gone once the log has been cut and written anew.
TEST_F(SnapshotTest, AChangeOfTheLogAfterAnyPartIsNoticed) {
  for (int64_t change_after = 1;; ++change_after) {
    SCOPED_TRACE(change_after);
    Restart();
    BuildState(kLarge);
    for (uint64_t i = 0; i < 10; ++i) r_->Append(history_[i]);
    for (uint64_t i = 10; i < 50; ++i) r_->Append(history_[i], false);
    sender_ = nullptr;
    parts_left_ = 0;
    Step();
    sender_ = a_.get();
    parts_left_ = change_after;
    while (Wanted() && Step()) {
    }
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

TEST_F(SnapshotTest, ASenderThatLacksTheEntriesSaysNothingAboutTheirBodies) {
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

TEST_F(SnapshotTest, ABodyThatTheSenderHasLostComesFromAnotherMember) {
  BuildState(100);
  Step();
  sender_ = a_.get();
  a_->store.DamageBody(kWorldGroup, Index{2});
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_GT(a_->server->counters().unreadable, 0u);
  EXPECT_GT(r_->fetcher->counters().next_senders, 0u);
  EXPECT_EQ(r_->fetcher->counters().roots, 1u);
  ExpectCaughtUp();
}

TEST_F(SnapshotTest, ABodyThatAllHaveLostIsNotCalledSettled) {
  BuildState(100);
  Step();
  sender_ = a_.get();
  a_->store.DamageBody(kWorldGroup, Index{2});
  b_->store.DamageBody(kWorldGroup, Index{2});
  EXPECT_FALSE(RunUntilInstalled());
  EXPECT_TRUE(r_->fetcher->active());
}

// Nothing that stands still takes the place of those that could go on.
TEST_F(SnapshotTest, AFetchThatStandsStillLetsOthersGoFirst) {
  BuildState(100);
  Step();
  sender_ = a_.get();
  lose_ = [](SnapshotPeer::Sent& sent) { return sent.request; };
  ASSERT_TRUE(r_->budget.Take(GroupId{98}));
  Step();
  ASSERT_FALSE(r_->budget.Take(GroupId{99}));
  for (int i = 0; i < 9000; ++i) Step();
  EXPECT_FALSE(r_->budget.Take(GroupId{99})) << "it had its time";
  for (int i = 0; i < 2000; ++i) Step();
  EXPECT_TRUE(r_->budget.Take(GroupId{99}));
  lose_ = nullptr;
  EXPECT_FALSE(RunUntilInstalled(2000));
  r_->budget.Release(GroupId{99});
  ASSERT_TRUE(RunUntilInstalled());
}

TEST_F(SnapshotTest, RequestsThatNoReplicaSendsAreDroppedAndCounted) {
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

TEST_F(SnapshotTest, WhatOneSenderReadsAtOnceIsBounded) {
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

TEST_F(SnapshotTest, AFetchThatNobodyWantsAnyMoreIsGivenUpAndLeavesNoPages) {
  BuildState(100);
  Step();
  sender_ = a_.get();
  lose_ = [&](SnapshotPeer::Sent& sent) {
    return sent.request && sent.part.kind == SnapshotPart::Kind::kBodies;
  };
  for (int i = 0; i < 10; ++i) Step();
  EXPECT_FALSE(r_->store.pages(kWorldGroup).empty());
  sender_ = nullptr;
  now_ = now_ + SnapshotFetcher::kGiveUpAfter;
  for (int i = 0; i < 3; ++i) Step();
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
