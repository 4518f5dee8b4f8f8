#ifndef PONTOON_RAFT_NODE_ON_LOOP_H_
#define PONTOON_RAFT_NODE_ON_LOOP_H_

#include <functional>
#include <memory>
#include <utility>

namespace pontoon::raft {

// Runs a function on a loop later; called on any thread. Null: the log store calls back on that
// loop anyway.
using Post = std::function<void(std::function<void()>)>;

// `done` for the log store, which calls it on any thread: runs on the loop, and not at all if
// whoever holds `alive` is gone by then.
template <typename Result>
std::function<void(Result)> OnLoop(const Post& post, const std::shared_ptr<const bool>& alive,
                                   std::function<void(Result)> done) {
  return [alive = std::weak_ptr<const bool>(alive), post, done = std::move(done)](Result result) {
    auto run = [alive, done, result = std::move(result)]() mutable {
      if (!alive.expired()) done(std::move(result));
    };
    if (post) {
      post(std::move(run));
    } else {
      run();
    }
  };
}

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_ON_LOOP_H_
