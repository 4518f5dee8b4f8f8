#include "raft/sim/network.h"

#include <algorithm>

namespace pontoon::raft::sim {

Network::Network(const Options& options)
    : options_(options),
      nodes_(options.nodes),
      chance_(options.seed, Purpose::kNetwork),
      links_(nodes_ * nodes_),
      refuse_until_(nodes_ + 1) {}

template <typename Do>
void Network::ForLinks(uint64_t from_mask, uint64_t to_mask, Do&& change) {
  for (uint64_t from = 1; from <= nodes_; ++from) {
    for (uint64_t to = 1; to <= nodes_; ++to) {
      const bool hit = (from_mask >> (from - 1) & 1) != 0 && (to_mask >> (to - 1) & 1) != 0;
      if (hit && from != to) change(&links_[Link(from, to)]);
    }
  }
}

void Network::Cut(uint64_t from_mask, uint64_t to_mask, int64_t until_us) {
  ForLinks(from_mask, to_mask,
           [until_us](LinkState* link) { link->cut_until = std::max(link->cut_until, until_us); });
}

void Network::Clog(uint64_t from_mask, uint64_t to_mask, int64_t until_us) {
  ForLinks(from_mask, to_mask, [until_us](LinkState* link) {
    link->clog_until = std::max(link->clog_until, until_us);
  });
}

void Network::Slow(uint64_t from_mask, uint64_t to_mask, int64_t until_us, int64_t extra_us) {
  ForLinks(from_mask, to_mask, [&](LinkState* link) {
    link->slow_until = until_us;
    link->extra_us = extra_us;
  });
}

void Network::Heal(int64_t until_us) {
  healed_until_ = until_us;
  for (LinkState& link : links_) link = LinkState();
  std::fill(refuse_until_.begin(), refuse_until_.end(), 0);
  loss_ = duplicate_ = Rate();
  for (Rate& rate : garble_) rate = Rate();
  for (Rate& rate : kinds_) rate = Rate();
  scramble_until_ = 0;
}

std::vector<Network::Arrival>& Network::Route(int64_t now_us, Packet* packet, bool to_is_up) {
  arrivals_.clear();
  const bool healed = now_us < healed_until_;
  LinkState& link = links_[Link(packet->from, packet->to)];
  if (now_us < link.cut_until) return arrivals_;
  const auto way = [&] {
    return static_cast<int64_t>(options_.delay_us / 2 +
                                chance_.Below(options_.delay_us * 3 / 2 + 1));
  };
  if (!to_is_up || now_us < refuse_until_[packet->to]) {
    arrivals_.push_back({now_us + way(), true});
    return arrivals_;
  }
  const auto active = [now_us](const Rate& rate) {
    return now_us < rate.until ? rate.permille : 0;
  };
  std::erase_if(packet->messages, [&](const Message& message) {
    return chance_.Permille(active(kinds_[static_cast<size_t>(message.kind)]));
  });
  if (packet->messages.empty()) return arrivals_;
  const uint64_t loss = std::max(active(loss_), healed ? 0 : options_.loss_permille);
  const uint64_t doubles = std::max(active(duplicate_), healed ? 0 : options_.duplicate_permille);
  const bool scrambled = now_us < scramble_until_;
  if (chance_.Permille(loss)) return arrivals_;
  const int copies = chance_.Permille(doubles) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    int64_t at = now_us + way();
    if (now_us < link.slow_until) at += static_cast<int64_t>(chance_.Below(link.extra_us + 1));
    at = std::max(at, link.clog_until);
    const uint64_t stragglers =
        healed ? 0 : std::max<uint64_t>(scrambled ? 100 : 0, options_.straggler_permille);
    if (chance_.Permille(stragglers)) {
      at += static_cast<int64_t>(chance_.Below(2000000));
    } else if (scrambled) {
      at += static_cast<int64_t>(chance_.Below(50000));
    } else if (options_.keep_order != 0 || healed) {
      int64_t& last = link.last_arrival[static_cast<size_t>(packet->traffic)];
      at = last = std::max(at, last);
    }
    const auto garbled = [&](Garbled which) {
      return chance_.Permille(active(garble_[static_cast<size_t>(which)]));
    };
    const bool snapshot = packet->traffic == TrafficClass::kSnapshot;
    const bool damaged = garbled(Garbled::kAny);
    arrivals_.push_back({at, false, (snapshot && garbled(Garbled::kSnapshots)) || damaged,
                         snapshot && garbled(Garbled::kParts)});
  }
  return arrivals_;
}

}  // namespace pontoon::raft::sim
