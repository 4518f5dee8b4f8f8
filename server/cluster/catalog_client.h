#ifndef PONTOON_SERVER_CLUSTER_CATALOG_CLIENT_H_
#define PONTOON_SERVER_CLUSTER_CATALOG_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "server/cluster/fabric.h"

namespace pontoon::cluster {

// A loop's changes of the catalog: numbers them, so that one that is sent again gets its first
// answer, and calls back when every loop routes by the change. One loop.
class CatalogClient {
 public:
  explicit CatalogClient(base::SessionId session) : session_(session) {}

  void Change(catalog::Command command, FrontEnd::ChangeDone done) {
    const catalog::Origin origin{session_, ++last_number_};
    waiting_.emplace(origin.number, std::move(done));
    outbox_.emplace_back(origin, std::move(command));
  }
  // Runs `call` in the loop's next turn: for answers that need nobody, which must not come from
  // inside the question.
  void Defer(std::function<void()> call) { deferred_.push_back(std::move(call)); }
  bool has_deferred() const { return !deferred_.empty(); }
  void RunDeferred() {
    for (const std::function<void()>& call : std::exchange(deferred_, {})) call();
  }

  bool has_outbox() const { return !outbox_.empty(); }
  std::vector<std::pair<catalog::Origin, catalog::Command>> TakeOutbox() {
    return std::exchange(outbox_, {});
  }

  void OnAnswers(const std::vector<catalog::Outcome>& outcomes) {
    for (const catalog::Outcome& outcome : outcomes) {
      const auto it = waiting_.find(outcome.origin.number);
      if (it == waiting_.end()) continue;  // Answered before: a command that was sent twice.
      const FrontEnd::ChangeDone done = std::move(it->second);
      waiting_.erase(it);
      if (done) done(outcome);
    }
  }

 private:
  const base::SessionId session_;
  uint64_t last_number_ = 0;
  std::map<uint64_t, FrontEnd::ChangeDone> waiting_;  // By number.
  std::vector<std::pair<catalog::Origin, catalog::Command>> outbox_;
  std::vector<std::function<void()>> deferred_;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_CATALOG_CLIENT_H_
