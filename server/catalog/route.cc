#include "server/catalog/route.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"

namespace pontoon::catalog {
namespace {

// Takes out of targets[begin..] what was there before; the first of each stays where it is.
void KeepFirst(size_t begin, std::vector<Target>* targets) {
  constexpr size_t kFewMax = 16;  // Up to here comparing all pairs is cheaper than a set.
  const auto first = targets->begin() + static_cast<std::ptrdiff_t>(begin);
  if (targets->size() - begin <= kFewMax) {
    auto end = first;
    for (auto it = first; it != targets->end(); ++it) {
      if (std::none_of(first, end, [&](const Target& kept) { return kept.queue == it->queue; }))
        *end++ = *it;
    }
    targets->erase(end, targets->end());
    return;
  }
  absl::flat_hash_set<uint64_t> seen;
  seen.reserve(targets->size() - begin);
  targets->erase(
      std::remove_if(first, targets->end(),
                     [&](const Target& target) { return !seen.insert(target.queue.value).second; }),
      targets->end());
}

// One message's way through the exchanges.
class Router {
 public:
  Router(const State& state, absl::Span<const absl::string_view> keys, const amqp::Table* headers,
         std::vector<Target>* targets)
      : state_(state), keys_(keys), headers_(headers), targets_(targets), begin_(targets->size()) {}

  void Run(const ExchangeRecord& exchange) {
    if (exchange.name.empty()) {
      RouteDefault(exchange.vhost);
    } else {
      RouteExchange(exchange.id.value);
      // A chain, a cycle or a fan of exchanges: each is passed once.
      for (size_t next = 0; next < waiting_.size(); ++next) RouteExchange(waiting_[next]);
    }
    if (sets_ > 1) KeepFirst(begin_, targets_);
  }

 private:
  void Take(const Destination& destination) {
    matched_ = true;
    if (destination.kind == DestinationKind::kQueue) {
      targets_->push_back(destination.ToTarget());
    } else {
      Visit(destination.id);
    }
  }
  void TakeAll(const DestinationSet& set) {
    ++sets_;
    set.ForEach([this](const Destination& destination) { Take(destination); });
  }

  void Visit(uint64_t exchange) {
    if (waiting_.size() < 16) {
      if (exchange == start_ ||
          std::find(waiting_.begin(), waiting_.end(), exchange) != waiting_.end())
        return;
    } else {
      if (seen_.empty()) {
        seen_.insert(waiting_.begin(), waiting_.end());
        seen_.insert(start_);
      }
      if (!seen_.insert(exchange).second) return;
    }
    waiting_.push_back(exchange);
  }

  void RouteDefault(VhostId vhost) {
    const VhostState* found = FindNode(state_.vhost_states, vhost.value);
    if (found == nullptr) return;
    for (absl::string_view key : keys_) {
      if (const QueueNode* queue = FindNode(found->queues, key)) {
        ++sets_;
        matched_ = true;
        targets_->push_back(queue->ToTarget());
      }
    }
  }

  void RouteExchange(uint64_t id) {
    const ExchangeState* exchange = FindNode(state_.exchanges, id);
    if (exchange == nullptr) return;
    if (start_ == 0) start_ = id;
    const ExchangeRecord& record = exchange->node->record;
    matched_ = false;
    switch (record.kind) {
      case ExchangeKind::kDirect:
        // The default exchange as an alternate has no bindings stored, so it takes nothing: as in
        // RabbitMQ 3.10.
        for (absl::string_view key : keys_) {
          if (const DirectEntry* entry = exchange->direct.Find(key)) TakeAll(entry->destinations);
        }
        break;
      case ExchangeKind::kFanout:
        TakeAll(exchange->fanout);
        break;
      case ExchangeKind::kTopic:
        for (absl::string_view key : keys_) {
          TopicTrie::Matches matches;
          exchange->topic.Match(key, &matches);
          for (const DestinationSet* set : matches) TakeAll(*set);
        }
        break;
      case ExchangeKind::kHeaders:
        RouteHeaders(*exchange);
        break;
    }
    if (matched_ || record.alternate_exchange.empty()) return;
    const VhostState* vhost = FindNode(state_.vhost_states, record.vhost.value);
    if (vhost == nullptr) return;
    if (const ExchangeNode* alternate = FindNode(vhost->exchanges, record.alternate_exchange)) {
      Visit(alternate->record.id.value);
    }
  }

  void RouteHeaders(const ExchangeState& exchange) {
    if (!sorted_headers_) sorted_headers_.emplace(headers_);
    absl::InlinedVector<const BindingNode*, 16> matches;
    exchange.bindings.ForEach([&](const Ref<BindingNode>& binding) {
      if (binding->pattern->Matches(*sorted_headers_)) matches.push_back(binding.get());
    });
    // The order of `bindings` is that of a salted hash.
    std::sort(matches.begin(), matches.end(), [](const BindingNode* a, const BindingNode* b) {
      return a->destination < b->destination;
    });
    for (const BindingNode* binding : matches) {
      ++sets_;
      matched_ = true;
      if (binding->kind == DestinationKind::kExchange) {
        Visit(binding->destination);
      } else if (const QueueNode* queue = FindNode(state_.queues, binding->destination)) {
        targets_->push_back(queue->ToTarget());
      }
    }
  }

  const State& state_;
  const absl::Span<const absl::string_view> keys_;
  const amqp::Table* const headers_;
  std::vector<Target>* const targets_;
  const size_t begin_;
  size_t sets_ = 0;  // Within one set no queue comes twice.
  bool matched_ = false;
  uint64_t start_ = 0;
  absl::InlinedVector<uint64_t, 8>
      waiting_;  // Exchanges reached so far, in order; the first ones are done.
  absl::flat_hash_set<uint64_t> seen_;  // Once they are many.
  std::optional<SortedHeaders> sorted_headers_;
};

}  // namespace

void RouteMessage(const State& state, const ExchangeRecord& exchange,
                  absl::Span<const absl::string_view> keys, const amqp::Table* headers,
                  std::vector<Target>* targets) {
  Router(state, keys, headers, targets).Run(exchange);
}

}  // namespace pontoon::catalog
