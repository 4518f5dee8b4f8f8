#include "server/app/loop_runtime.h"

#include <utility>
#include <vector>

namespace pontoon::app {
namespace {

// Elections and the log's housekeeping live by this; a hundredth of a core would be too much for an
// idle node.
constexpr base::Duration kTick = base::Millis(50);
constexpr int kTicksPerSessionTick = 2;

net::EventLoop::Options LoopOptions(base::LoopId id, const base::Clock* clock) {
  net::EventLoop::Options options;
  options.id = id;
  options.clock = clock;
  return options;
}

}  // namespace

LoopRuntime::LoopRuntime(const cluster::NodeFacts& facts, base::LoopId id, raft::LogStore* store,
                         cluster::Fabric* fabric, base::Logger* logger,
                         std::shared_ptr<const session::SessionOptions> session_options)
    : loop_(LoopOptions(id, &clock_)),
      host_(facts, id, store, fabric, &random_),
      registry_(std::make_unique<session::Registry>(
          host_.front_end(), logger, &random_, std::move(session_options),
          session::Registry::Numbers{uint64_t{1000} + id.value, facts.loops})),
      mailbox_(&loop_, net::MailPriority::kHigh, [this](std::vector<cluster::LoopMessage>& batch) {
        host_.OnTurnStart(loop_.now(), clock_.WallNow());
        for (cluster::LoopMessage& message : batch) host_.OnMessage(std::move(message));
      }) {
  host_.set_catalog_observer(
      [this](absl::Span<const catalog::Change> changes) { registry_->OnCatalogChanges(changes); });
  loop_.OnTurnEnd([this] { OnTurnEnd(); });
}

LoopRuntime::~LoopRuntime() { loop_.Stop(); }

void LoopRuntime::Start() {
  loop_.RunAfter(base::Duration{}, [this] { Tick(); });
  loop_.Start();
}

void LoopRuntime::Tick() {
  host_.OnTurnStart(loop_.now(), clock_.WallNow());
  host_.OnTick(loop_.now());
  if (++ticks_ % kTicksPerSessionTick == 0) registry_->OnTick();
  loop_.RunAfter(kTick, [this] { Tick(); });
}

void LoopRuntime::OnTurnEnd() {
  host_.OnTurnStart(loop_.now(), clock_.WallNow());
  host_.OnTurnEnd();
  if (registry_->OnTurnEnd() || host_.wants_turn()) WantTurn();
}

void LoopRuntime::WantTurn() {
  if (turn_posted_) return;
  turn_posted_ = true;
  loop_.Post([this] { turn_posted_ = false; });
}

}  // namespace pontoon::app
