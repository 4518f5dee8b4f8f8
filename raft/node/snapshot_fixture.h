#ifndef PONTOON_RAFT_NODE_SNAPSHOT_FIXTURE_H_
#define PONTOON_RAFT_NODE_SNAPSHOT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "raft/node/snapshot_world.h"

namespace pontoon::raft {

inline constexpr size_t kLarge = 40 * 1024;  // A part holds a few of them.

// Two replicas that have everything, and a third that lacks the beginning.
class SnapshotTransferTest : public ::testing::Test {
 protected:
  SnapshotTransferTest() { Restart(); }

  void Restart() {
    wire_.clear();
    history_.clear();
    now_ = {};
    sender_ = nullptr;
    bodies_sent_ = 0;
    parts_left_ = 0;
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

  // The same, and the receiver is to have it from a_.
  void BuildAndOffer(size_t bytes, uint64_t puts = 60) {
    BuildState(bytes, puts);
    Offer();
  }
  void Offer() {
    Step();  // Its checkpoint gets on the disk.
    sender_ = a_.get();
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
    if (Wanted()) r_->fetcher->Start(sender_->id, sender_->checkpoint, must_take_);
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
  void Steps(int count) {
    for (int i = 0; i < count; ++i) Step();
  }
  // Until so many answers have arrived, if as many are needed.
  void RunParts(int64_t parts) {
    parts_left_ = parts;
    while (Wanted() && Step()) {
    }
  }
  // From now on requests of this kind get lost.
  void LoseRequests(SnapshotPart::Kind kind) {
    lose_ = [kind](SnapshotPeer::Sent& sent) { return sent.request && sent.part.kind == kind; };
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
  bool must_take_ = false;
  uint64_t bodies_sent_ = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_SNAPSHOT_FIXTURE_H_
