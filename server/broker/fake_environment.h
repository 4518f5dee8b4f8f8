#ifndef PONTOON_SERVER_BROKER_FAKE_ENVIRONMENT_H_
#define PONTOON_SERVER_BROKER_FAKE_ENVIRONMENT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "server/broker/shard.h"

// For tests: a log, a disk and front-ends in memory around one shard. What is proposed is committed
// when the test says so; bodies and pages are kept as storage would keep them; `Crash` starts anew
// from what is durable.

namespace pontoon::broker {

class FakeEnvironment : public ShardEnvironment {
 public:
  struct Logged {
    std::string header;
    base::SliceChain body;
  };

  explicit FakeEnvironment(ShardLimits limits = {}) : limits_(limits) {
    shard_ = NewShard({1}, limits_, this);
  }

  Shard& shard() { return *shard_; }

  // ---- ShardEnvironment
  void Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) override {
    PONTOON_CHECK(base::Crc32c(body) == body_crc);
    PONTOON_CHECK(body.size() <= 256 * 1024 && header.size() <= 1024 * 1024);
    proposed_.push_back({std::string(header.Flatten().view()), std::move(body)});
  }
  void Respond(const SessionId& session, ShardResponse response) override {
    responses_.emplace_back(session, std::move(response));
  }
  void ReadBodies(uint64_t read, std::vector<BodyPart> parts) override {
    ++body_reads;
    reads_.push_back([this, read, parts = std::move(parts)] {
      std::vector<absl::StatusOr<base::Slice>> slices;
      for (const BodyPart& part : parts) slices.push_back(ReadPart(part));
      shard_->OnBodies(read, std::move(slices));
    });
  }
  void ReadPage(uint64_t read, uint64_t page) override {
    ++page_reads;
    reads_.push_back([this, read, page] {
      const auto it = pages.find(page);
      if (it == pages.end()) {
        shard_->OnPage(read, absl::NotFoundError("no such page"));
      } else {
        shard_->OnPage(read, base::Slice::Copy(it->second));
      }
    });
  }
  void SubmitState(ShardState state) override {
    for (auto& [page, bytes] : state.put_pages) {
      pages[page] = std::string(bytes.Flatten().view());
      page_bytes_written += bytes.size();
    }
    // What went before a crash may go once more after it.
    for (const uint64_t page : state.drop_pages) pages.erase(page);
    for (const uint64_t entry : state.drop_bodies) bodies.erase(entry);
    for (const BodyKeep& keep : state.cut_bodies) {
      const auto it = bodies.find(keep.index);
      if (it == bodies.end()) continue;
      std::map<uint32_t, base::Slice> parts;  // Of what is still here.
      for (const auto& [offset, size] : keep.extents) {
        for (const auto& [at, slice] : it->second) {
          const uint64_t begin = std::max<uint64_t>(offset, at);
          const uint64_t end = std::min<uint64_t>(uint64_t{offset} + size, at + slice.size());
          if (begin < end) parts[static_cast<uint32_t>(begin)] = slice.Sub(begin - at, end - begin);
        }
      }
      ++cuts;
      it->second = std::move(parts);
    }
    if (!state.has_checkpoint) return;
    root = std::move(state.root);
    checkpoint = state.applied;
    new_checkpoint_ = true;
  }
  void ForgetQueue(QueueId queue) override { forget.push_back(queue); }
  void WantTurn() override { turn_wanted_ = true; }

  // ---- driving
  // Commits and applies what was proposed; at most `n` entries.
  void Commit(size_t n = ~size_t{0}) {
    std::vector<LogEntry> entries;
    for (; n != 0 && !proposed_.empty(); --n) {
      Logged logged = std::move(proposed_.front());
      proposed_.pop_front();
      LogEntry entry;
      entry.index = ++last_index;
      entry.term = term_;
      entry.header = base::SliceChain(base::Slice::Copy(logged.header));
      entry.body = logged.body;
      if (!logged.body.empty()) bodies[last_index] = {{0, logged.body.Flatten()}};
      log[last_index] = std::move(logged);
      entries.push_back(std::move(entry));
    }
    if (!entries.empty()) shard_->Apply(entries);
  }
  // As a replica that does not lead: applies an entry of another's log.
  void Follow(uint64_t index, const Logged& logged) {
    last_index = index;
    LogEntry entry;
    entry.index = index;
    entry.header = base::SliceChain(base::Slice::Copy(logged.header));
    entry.body = logged.body;
    if (!logged.body.empty()) bodies[index] = {{0, logged.body.Flatten()}};
    log[index] = logged;
    shard_->Apply({&entry, 1});
  }
  void AnswerReads() {
    std::deque<std::function<void()>> reads = std::move(reads_);
    reads_.clear();
    for (auto& read : reads) read();
  }
  void Turn() {
    now_ += 1000000;
    shard_->OnTurnEnd({now_}, {1700000000000000000 + now_});
    if (std::exchange(new_checkpoint_, false)) shard_->OnCheckpointDurable(checkpoint);
  }
  // Turns until nothing is left to do.
  void Settle(int turns_max = 100000) {
    do {
      PONTOON_CHECK(turns_max-- > 0);
      turn_wanted_ = false;
      Turn();
      Commit();
      AnswerReads();
    } while (turn_wanted_ || !proposed_.empty() || !reads_.empty());
  }
  void Lead(uint64_t catalog_index, std::vector<QueueSpec> queues) {
    ++term_;
    ++last_index;  // The entry that opens the term.
    log[last_index] = {};
    LogEntry opening;
    opening.index = last_index;
    opening.term = term_;
    shard_->Apply({&opening, 1});
    shard_->OnLeader(term_, catalog_index, queues);
  }
  // The process dies, and a new one reads what is durable: proposals that were not committed are
  // lost.
  void Crash() {
    proposed_.clear();
    reads_.clear();
    responses_.clear();
    forget.clear();
    new_checkpoint_ = false;
    shard_ = NewShard({1}, limits_, this);
    if (checkpoint != 0) PONTOON_CHECK(shard_->Restore(checkpoint, root).ok());
    std::vector<LogEntry> entries;
    for (auto it = log.upper_bound(checkpoint); it != log.end(); ++it) {
      LogEntry entry;
      entry.index = it->first;
      entry.header = base::SliceChain(base::Slice::Copy(it->second.header));
      entries.push_back(std::move(entry));
    }
    if (!entries.empty()) shard_->Apply(entries);
  }

  std::vector<std::pair<SessionId, ShardResponse>> TakeResponses() {
    return std::exchange(responses_, {});
  }
  size_t proposed() const { return proposed_.size(); }
  size_t reads() const { return reads_.size(); }

  std::map<uint64_t, Logged> log;
  std::map<uint64_t, std::map<uint32_t, base::Slice>> bodies;  // Entry -> parts by offset.
  std::map<uint64_t, std::string> pages;
  std::vector<QueueId> forget;
  uint64_t last_index = 0;
  uint64_t checkpoint = 0;
  std::string root;
  uint64_t body_reads = 0;
  uint64_t page_reads = 0;
  uint64_t page_bytes_written = 0;
  uint64_t cuts = 0;

 private:
  absl::StatusOr<base::Slice> ReadPart(const BodyPart& part) {
    const auto it = bodies.find(part.index);
    if (it == bodies.end()) return absl::NotFoundError("no such body");
    auto at = it->second.upper_bound(part.offset);
    if (at == it->second.begin()) return absl::NotFoundError("cut away");
    --at;
    const uint32_t skip = part.offset - at->first;
    if (skip + part.size > at->second.size()) return absl::NotFoundError("cut away");
    return at->second.Sub(skip, part.size);
  }

  const ShardLimits limits_;
  std::unique_ptr<Shard> shard_;
  std::deque<Logged> proposed_;
  std::deque<std::function<void()>> reads_;
  std::vector<std::pair<SessionId, ShardResponse>> responses_;
  uint64_t term_ = 0;
  int64_t now_ = 0;
  bool turn_wanted_ = false;
  bool new_checkpoint_ = false;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_FAKE_ENVIRONMENT_H_
