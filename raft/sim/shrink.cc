#include "raft/sim/shrink.h"

#include <algorithm>
#include <utility>

namespace pontoon::raft::sim {
namespace {

class Shrinker {
 public:
  Shrinker(Plan plan, const std::string& invariant,
           const std::function<std::string(const Plan&)>& run)
      : plan_(std::move(plan)), invariant_(invariant), run_(run) {}

  Plan Run() {
    size_t before;
    do {
      before = plan_.events.size();
      EndEarlier();
      LeaveOutEvents();
      Simplify();
    } while (plan_.events.size() < before);
    return plan_;
  }

 private:
  bool Try(Plan plan) {
    if (run_(plan) != invariant_) return false;
    plan_ = std::move(plan);
    return true;
  }

  void EndEarlier() {
    for (uint64_t step = plan_.options.seconds / 2; step > 0; step /= 2) {
      while (plan_.options.seconds > step + 1) {
        Plan shorter = plan_;
        shorter.options.seconds -= step;
        std::erase_if(shorter.events, [&](const Event& event) {
          return event.at_us >= static_cast<int64_t>(shorter.options.seconds) * 1000000;
        });
        if (!Try(std::move(shorter))) break;
      }
    }
  }

  void LeaveOutEvents() {
    for (size_t chunk = std::max<size_t>(1, plan_.events.size() / 2);; chunk /= 2) {
      for (size_t at = 0; at < plan_.events.size();) {
        Plan fewer = plan_;
        const auto begin = fewer.events.begin() + static_cast<ptrdiff_t>(at);
        fewer.events.erase(
            begin, begin + static_cast<ptrdiff_t>(std::min(chunk, fewer.events.size() - at)));
        if (!Try(std::move(fewer))) at += chunk;
      }
      if (chunk <= 1) break;
    }
  }

  void Simplify() {
    while (plan_.options.groups > 1) {
      Plan fewer = plan_;
      --fewer.options.groups;
      if (!Try(std::move(fewer))) break;
    }
    while (plan_.options.nodes > 1) {
      Plan fewer = plan_;
      --fewer.options.nodes;
      fewer.options.founders = std::min(fewer.options.founders, fewer.options.nodes);
      if (!Try(std::move(fewer))) break;
    }
    const Options usual;
    for (uint64_t Options::*option :
         {&Options::loss_permille, &Options::duplicate_permille, &Options::straggler_permille,
          &Options::late_permille, &Options::keep_order, &Options::drift_ppm, &Options::delay_us,
          &Options::disk_us, &Options::append_bytes, &Options::inflight_messages,
          &Options::inflight_bytes, &Options::held_bytes, &Options::committed_entries,
          &Options::election_spread_us, &Options::cut_bodies, &Options::digest_interval,
          &Options::checkpoint_bytes, &Options::kept_header_bytes}) {
      Plan plainer = plan_;
      if (plainer.options.*option == usual.*option) continue;
      plainer.options.*option = usual.*option;
      Try(std::move(plainer));
    }
  }

  Plan plan_;
  const std::string invariant_;
  const std::function<std::string(const Plan&)>& run_;
};

}  // namespace

Plan Shrink(Plan plan, const std::string& invariant,
            const std::function<std::string(const Plan&)>& run) {
  return Shrinker(std::move(plan), invariant, run).Run();
}

}  // namespace pontoon::raft::sim
