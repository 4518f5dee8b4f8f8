#include "raft/node/snapshot_fixture.h"

namespace pontoon::raft {
namespace {

TEST_F(SnapshotTransferTest, AReplicaWithNothingGetsTheWholeState) {
  BuildAndOffer(1000);
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->installs, 1);
  EXPECT_EQ(r_->page_generation, 1);
  EXPECT_EQ(r_->fetcher->counters().dropped, 0u);
  EXPECT_FALSE(r_->fetcher->active());
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, AReplicaThatWasAwayIsSentOnlyTheBodiesThatItLacks) {
  BuildState(1000);
  for (uint64_t i = 0; i < 30; ++i) r_->Append(history_[i]);
  Offer();
  ASSERT_TRUE(RunUntilInstalled());
  uint64_t lacked = 0;
  for (uint64_t i = 31; i <= r_->applied.index.value; ++i)
    lacked += a_->machine->NeedsBody(Index{i}) ? 1 : 0;
  EXPECT_EQ(bodies_sent_, lacked);
  ExpectCaughtUp();
}

TEST_F(SnapshotTransferTest, ARootOfManyPartsIsPutTogether) {
  for (int i = 0; i < 30000; ++i) Put(1);
  a_->Checkpoint();
  Offer();
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

// Another version of the sender may send other parts than the first one was.
TEST_F(SnapshotTransferTest, ARootWhosePartsBecomeSmallerIsPutTogether) {
  for (int i = 0; i < 30000; ++i) Put(1);
  a_->Checkpoint();
  Offer();
  lose_ = [](SnapshotPeer::Sent& sent) {
    SnapshotPart& part = sent.part;
    const size_t most = kSnapshotPartBytes * 2 / 3;
    if (!sent.request && part.offset > 0 && part.root.size() > most)
      part.root = part.root.Sub(0, most);
    return false;
  };
  ASSERT_TRUE(RunUntilInstalled());
  EXPECT_EQ(r_->fetcher->counters().damaged_roots, 0u);
  ExpectCaughtUp();
}

// Design section 4: resumable. Whatever was written before the crash is not sent again.
TEST_F(SnapshotTransferTest, AReceiverThatCrashesAfterAnyPartResumesWithItsBodies) {
  for (int64_t crash_after = 1;; ++crash_after) {
    SCOPED_TRACE(crash_after);
    Restart();
    BuildState(kLarge);
    for (uint64_t i = 0; i < 10; ++i) r_->Append(history_[i]);
    Offer();
    RunParts(crash_after);
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
TEST_F(SnapshotTransferTest, AnotherSenderAfterAnyPartGoesOnWithTheBodies) {
  for (int64_t switch_after = 1;; ++switch_after) {
    SCOPED_TRACE(switch_after);
    Restart();
    BuildAndOffer(kLarge);
    RunParts(switch_after);
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

// Two replicas number their pages each for itself: the same number is of another page there.
TEST_F(SnapshotTransferTest, PagesOfOneSenderAreNeverTakenForThoseOfAnother) {
  for (int64_t switch_after = 2;; ++switch_after) {
    SCOPED_TRACE(switch_after);
    Restart();
    for (int i = 0; i < 20; ++i) Put(100);
    b_->Checkpoint();
    for (uint64_t i = 1; i <= 8; ++i) Settle(i);
    for (int i = 0; i < 20; ++i) Put(100);
    a_->Checkpoint();
    b_->Checkpoint();
    parts_left_ = 0;
    sender_ = nullptr;
    Step();
    const auto of_a = a_->machine->pages();
    const auto of_b = b_->machine->pages();
    const auto same_number = [&](const auto& page) {
      return std::any_of(of_b.begin(), of_b.end(), [&](const auto& other) {
        return other.first == page.first && other.second != page.second;
      });
    };
    ASSERT_TRUE(std::any_of(of_a.begin(), of_a.end(), same_number));
    sender_ = a_.get();
    parts_left_ = switch_after;
    while (Wanted() && Step()) {
    }
    if (!Wanted()) {
      EXPECT_GT(switch_after, 3) << "no page came from the first sender";
      break;
    }
    sender_ = b_.get();
    wire_.clear();
    ASSERT_TRUE(RunUntilInstalled());
    ExpectCaughtUp();
  }
}

TEST_F(SnapshotTransferTest, LostDoubledAndLateAnswersAreAskedForAgainOrIgnored) {
  BuildAndOffer(kLarge);
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

TEST_F(SnapshotTransferTest, DamagedOrImpossiblePartsChangeNothing) {
  BuildAndOffer(kLarge);
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
        spoil([](SnapshotPart* part) { part->checkpoint.index = Index{UINT64_MAX}; });
        spoil([](SnapshotPart* part) { part->checkpoint.term = Term{UINT64_MAX}; });
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
        spoil([](SnapshotPart* part) { part->body_answers.back().ended = Index{UINT64_MAX}; });
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

TEST_F(SnapshotTransferTest, ARootThatIsDamagedInTheMiddleIsFetchedAgainAfterAPause) {
  BuildAndOffer(100);
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

TEST_F(SnapshotTransferTest, WhatIsAskedForAndNotYetWrittenIsBounded) {
  BuildAndOffer(kLarge, 200);
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

}  // namespace
}  // namespace pontoon::raft
