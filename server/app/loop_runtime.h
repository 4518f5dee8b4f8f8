#ifndef PONTOON_SERVER_APP_LOOP_RUNTIME_H_
#define PONTOON_SERVER_APP_LOOP_RUNTIME_H_

#include <memory>

#include "base/logger.h"
#include "base/random.h"
#include "server/cluster/loop_host.h"
#include "server/net/event_loop.h"
#include "server/net/mailbox.h"
#include "server/session/registry.h"

namespace pontoon::app {

// One event loop of the server: its thread, its part of the middle, and its AMQP connections.
class LoopRuntime {
 public:
  LoopRuntime(const cluster::NodeFacts& facts, base::LoopId id, raft::LogStore* store,
              cluster::Fabric* fabric, base::Logger* logger,
              std::shared_ptr<const session::SessionOptions> session_options);
  ~LoopRuntime();
  LoopRuntime(const LoopRuntime&) = delete;
  LoopRuntime& operator=(const LoopRuntime&) = delete;

  cluster::LoopHost* host() { return &host_; }
  session::Registry* registry() { return registry_.get(); }
  net::EventLoop* loop() { return &loop_; }

  // Any thread.
  void Post(cluster::LoopMessage message) { mailbox_.Post(std::move(message)); }

  void Start();
  void Stop() { loop_.Stop(); }

  // On the loop: something was asked of the front-end outside a turn's usual inputs; see that a
  // turn follows.
  void WantTurn();

 private:
  void Tick();
  void OnTurnEnd();

  base::SystemClock clock_;
  base::SystemRandom random_;
  net::EventLoop loop_;
  cluster::LoopHost host_;
  std::unique_ptr<session::Registry> registry_;
  net::Mailbox<cluster::LoopMessage> mailbox_;
  bool turn_posted_ = false;
  int ticks_ = 0;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_LOOP_RUNTIME_H_
