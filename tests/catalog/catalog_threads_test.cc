#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "server/catalog/catalog.h"

namespace pontoon::catalog {
namespace {

// The newest version, handed from the loop that applies to those that route.
class Published {
 public:
  void Set(VersionPtr version) {
    base::MutexLock lock(&mutex_);
    version_.swap(version);
  }
  VersionPtr Get() {
    base::MutexLock lock(&mutex_);
    return version_;
  }

 private:
  base::Mutex mutex_;
  VersionPtr version_ ABSL_GUARDED_BY(mutex_);
};

// Each batch declares a queue bound by its own key and forgets one of 50 batches ago, so every
// version has the same number of queues, and every binding of a version leads to a queue of that
// version.
TEST(CatalogThreadsTest, EveryLoopRoutesByWholeVersionsWhileTheCatalogChanges) {
  constexpr int kBatches = 1500, kAlive = 50;
  const std::unique_ptr<Machine> machine = NewMachine();
  uint64_t index = 0;
  const auto apply = [&](const std::vector<Command>& commands) {
    std::vector<std::pair<uint64_t, std::string>> entries;
    for (const Command& command : commands) {
      entries.emplace_back(++index, EncodeCommand({}, command));
    }
    return machine->Apply(entries);
  };
  apply({AddVhost{"/", "", {}, ""}});
  const VhostId vhost = machine->version()->FindVhost("/")->id;
  std::vector<QueueId> queues;
  const auto change = [&](int number) {
    DeclareQueue queue;
    queue.vhost = vhost;
    queue.name = absl::StrCat("q", number);
    queue.shard = GroupId{1};
    std::vector<Command> commands = {queue};
    for (const char* exchange : {"amq.direct", "amq.topic", "amq.fanout"}) {
      commands.push_back(Bind{vhost,
                              {exchange, DestinationKind::kQueue, queue.name,
                               absl::StrCat("key.", number % kAlive), ""}});
    }
    if (number >= kAlive) {
      commands.push_back(ForgetQueue{queues[static_cast<size_t>(number - kAlive)]});
    }
    AppliedBatch batch = apply(commands);
    queues.push_back(batch.outcomes[0].queue);
    return batch.version;
  };
  Published published;
  for (int i = 0; i < kAlive; ++i) published.Set(change(i));

  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, routed{0};
  std::vector<std::thread> loops;
  for (int loop = 0; loop < 3; ++loop) {
    loops.emplace_back([&, loop] {
      std::vector<Target> targets;
      for (int turn = loop; !done; ++turn) {
        const VersionPtr version = published.Get();
        if (version->queue_count() != kAlive) ++wrong;
        for (const char* exchange : {"amq.direct", "amq.topic", "amq.fanout"}) {
          const std::string text = absl::StrCat("key.", turn % kAlive);
          const absl::string_view key = text;
          targets.clear();
          version->Route(*version->FindExchange(vhost, exchange), {&key, 1}, nullptr, &targets);
          const size_t expected = exchange == std::string("amq.fanout") ? kAlive : 1;
          if (targets.size() != expected) ++wrong;
          for (const Target& target : targets) {
            if (version->FindQueue(target.queue) == nullptr) ++wrong;
          }
        }
        ++routed;
      }
    });
  }
  for (int i = kAlive; i < kBatches; ++i) {
    published.Set(change(i));
    if (i % 500 == 0) {  // A checkpoint is written on a thread of its own.
      loops.emplace_back([&, task = machine->CheckpointTask()] {
        if (task().empty()) ++wrong;
      });
    }
  }
  while (routed < 100) std::this_thread::yield();
  done = true;
  for (std::thread& loop : loops) loop.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace pontoon::catalog
