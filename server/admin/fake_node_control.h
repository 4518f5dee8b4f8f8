#ifndef PONTOON_SERVER_ADMIN_FAKE_NODE_CONTROL_H_
#define PONTOON_SERVER_ADMIN_FAKE_NODE_CONTROL_H_

#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "server/admin/node_control.h"
#include "server/catalog/testing.h"

namespace pontoon::admin {

// A node for tests: a real catalog, and for the rest what the test says. Any thread, as the real
// one.
class FakeNodeControl final : public NodeControl {
 public:
  FakeNodeControl() {
    catalog::UserRecord guest;
    guest.name = "guest";
    guest.password_hash = catalog::HashPassword("guest", guest.algorithm, 7);
    guest.tags = {"administrator"};
    catalog_.Run(catalog::PutUser{guest, false});
    catalog_.Run(catalog::SetPermission{{"guest", "/", ".*", ".*", ".*"}});
  }

  // For the test's thread, while no command runs.
  catalog::TestCatalog& declared() { return catalog_; }
  std::vector<ConnectionFigures> connections;
  std::vector<ChannelFigures> channels;
  std::vector<broker::QueueFigures> queues;
  std::vector<broker::ConsumerFigures> consumers;
  NodeFigures figures;
  void SetState(State state) {
    base::MutexLock lock(&mutex_);
    state_ = state;
  }
  // What was asked of the node, in words.
  std::vector<std::string> Asked() {
    base::MutexLock lock(&mutex_);
    return asked_;
  }

  State state() const override {
    base::MutexLock lock(&mutex_);
    return state_;
  }
  void Describe(std::function<void(NodeFigures)> done) override { done(figures); }
  catalog::VersionPtr catalog() const override {
    base::MutexLock lock(&mutex_);
    return state_ == State::kRunning ? catalog_.held_version() : nullptr;
  }
  void Change(catalog::Command command,
              std::function<void(absl::StatusOr<catalog::Outcome>)> done) override {
    catalog::Outcome outcome;
    {
      base::MutexLock lock(&mutex_);
      outcome = catalog_.Run(command);
    }
    done(outcome);
  }
  void ListConnections(
      std::function<void(absl::StatusOr<std::vector<ConnectionFigures>>)> done) override {
    done(connections);
  }
  void ListChannels(
      std::function<void(absl::StatusOr<std::vector<ChannelFigures>>)> done) override {
    done(channels);
  }
  void ListQueueFigures(
      std::function<void(absl::StatusOr<std::vector<broker::QueueFigures>>)> done) override {
    done(queues);
  }
  void ListConsumers(
      std::function<void(absl::StatusOr<std::vector<broker::ConsumerFigures>>)> done) override {
    done(consumers);
  }
  void DeleteQueue(base::QueueId queue, bool if_unused, bool if_empty,
                   std::function<void(absl::StatusOr<uint64_t>)> done) override {
    Note(
        absl::StrCat("delete ", queue.value, if_unused ? " unused" : "", if_empty ? " empty" : ""));
    done(uint64_t{3});
  }
  void PurgeQueue(base::QueueId queue,
                  std::function<void(absl::StatusOr<uint64_t>)> done) override {
    Note(absl::StrCat("purge ", queue.value));
    done(uint64_t{3});
  }
  void CloseConnections(ConnectionFilter filter, std::string reason,
                        std::function<void(absl::StatusOr<uint64_t>)> done) override {
    Note(absl::StrCat("close pid=", filter.pid, " user=", filter.user, " vhost=", filter.vhost,
                      " limit=", filter.limit, " reason=", reason));
    done(uint64_t{2});
  }
  absl::Status SetMemoryWatermark(double fraction, uint64_t absolute) override {
    Note(absl::StrCat("memory ", fraction, " ", absolute));
    return absl::OkStatus();
  }
  absl::Status SetDiskFreeLimit(uint64_t bytes, double memory_fraction) override {
    Note(absl::StrCat("disk ", bytes, " ", memory_fraction));
    return absl::OkStatus();
  }
  void StopApp(std::function<void(absl::Status)> done) override {
    SetState(State::kAppStopped);
    done(absl::OkStatus());
  }
  void StartApp(std::function<void(absl::Status)> done) override {
    SetState(State::kRunning);
    done(absl::OkStatus());
  }
  void Stop(std::function<void(absl::Status)> done) override {
    Note("stop");
    done(absl::OkStatus());
  }

 private:
  void Note(std::string what) {
    base::MutexLock lock(&mutex_);
    asked_.push_back(std::move(what));
  }

  mutable base::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kRunning;
  catalog::TestCatalog catalog_;
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mutex_);
};

// Keeps the lines, without their level.
class LineLogger final : public base::Logger {
 public:
  void Log(base::LogLevel, uint64_t, absl::string_view text) override {
    base::MutexLock lock(&mutex_);
    lines_.emplace_back(text);
  }
  std::vector<std::string> lines() {
    base::MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  base::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_FAKE_NODE_CONTROL_H_
