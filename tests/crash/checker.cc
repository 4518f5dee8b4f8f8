#include "tests/crash/checker.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

// Rules, each with the counter that it moves:
//  1. A confirmed message is delivered from each of its queues that was drained (lost); nothing
//     else is delivered (unexpected), and what is has the published content (damaged).
//  2. A second delivery says `redelivered` (duplicated), and something explains it: it was given
//     back, or its consumer was gone (redelivered_unexplained). So does a first one that says so.
//  3. What was acknowledged comes again only if the broker died soon after, or the connection was
//     lost with the acknowledgement perhaps still in it (redelivered_unexplained).
//  4. First deliveries from a queue ascend per channel of the publisher, and so do all deliveries
//     to one consumer but those that it gave back itself (out_of_order).
namespace pontoon::crash {
namespace {

using Kind = Event::Kind;
constexpr size_t kComplaintsMax = 30;

struct Published {
  int64_t invoked = 0;
  std::vector<std::string> queues;
  std::optional<Kind> outcome;
  bool returned = false;
};

// One delivery, until the next of the same message from the same queue.
struct Handed {
  std::string session;
  std::optional<int64_t> acked, requeued;
};

// From just before the broker was killed until it was gone: in between it still took and gave.
struct Death {
  int64_t begin, end;
};

struct Session {
  std::string queue;
  std::optional<int64_t> closed;
  bool clean = false;
  std::map<uint64_t, MessageId> unsettled;                            // by tag
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> last_of_channel;  // highest sequence seen
  std::set<MessageId> given_back;
};

class Checker {
 public:
  Checker(const CheckOptions& options, Report* report) : options_(options), report_(report) {}

  void Take(const Event& event);
  void Finish();

 private:
  using Place = std::pair<std::string, MessageId>;  // queue, message

  void OnOutcome(const Event& event);
  void OnDeliver(const Event& event);
  void OnSettled(const Event& event);
  void CheckRepeated(const Event& event, const Handed& before);
  void CheckOrder(const Event& event, Session* session, bool first);
  // The first death that may have come after `from`, if it had begun at `to`; else null.
  const Death* DeathBetween(int64_t from, int64_t to) const;
  template <typename... Words>
  void Broken(uint64_t* counter, const Words&... words) {
    ++*counter;
    if (report_->broken.size() < kComplaintsMax) report_->broken.push_back(absl::StrCat(words...));
  }

  const CheckOptions& options_;
  Report* const report_;
  std::map<MessageId, Published> published_;
  std::map<Place, Handed> handed_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, int64_t> last_session_end_;  // by queue
  std::map<std::tuple<std::string, uint32_t, uint32_t>, uint32_t> last_first_;
  std::set<std::string> declared_, drained_, missing_;
  std::vector<Death> deaths_;
  std::vector<int64_t> confirms_;
  std::optional<int64_t> last_confirm_, start_without_confirm_;
};

void Checker::Take(const Event& event) {
  switch (event.kind) {
    case Kind::kInvoke: {
      ++report_->attempted;
      const auto [it, added] = published_.try_emplace(event.id);
      if (!added)
        report_->incomplete.push_back(absl::StrCat(event.id.ToString(), " invoked twice"));
      it->second.invoked = event.nanos;
      it->second.queues = event.Queues();
      return;
    }
    case Kind::kOk:
    case Kind::kUnrouted:
    case Kind::kInfo:
      return OnOutcome(event);
    case Kind::kOpened:
      sessions_[event.session].queue = event.queue;
      return;
    case Kind::kDeliver:
      return OnDeliver(event);
    case Kind::kAck:
    case Kind::kRequeue:
      return OnSettled(event);
    case Kind::kClosed: {
      Session& session = sessions_[event.session];
      session.closed = event.nanos;
      session.clean = event.text == "clean";
      if (!session.queue.empty()) last_session_end_[session.queue] = event.nanos;
      return;
    }
    case Kind::kDeclared:
      declared_.insert(event.queue);
      return;
    case Kind::kMissing:
      missing_.insert(event.queue);
      return;
    case Kind::kDrained:
      drained_.insert(event.queue);
      return;
    case Kind::kFault:
      ++report_->faults;
      deaths_.push_back({event.nanos, event.nanos});
      return;
    case Kind::kDead:
      if (!deaths_.empty()) deaths_.back().end = event.nanos;
      return;
    case Kind::kStarted:
      ++report_->starts;
      start_without_confirm_ = event.nanos;
      return;
    case Kind::kEnd:
      return;
  }
}

void Checker::OnOutcome(const Event& event) {
  const auto it = published_.find(event.id);
  if (it == published_.end()) {
    report_->incomplete.push_back(
        absl::StrCat(event.id.ToString(), " has an outcome, but no invoke"));
    return;
  }
  Published& message = it->second;
  if (event.kind == Kind::kUnrouted) {
    message.returned = true;
    return;
  }
  if (message.outcome) {
    report_->incomplete.push_back(absl::StrCat(event.id.ToString(), " has two outcomes"));
    return;
  }
  message.outcome = event.kind;
  if (event.kind != Kind::kOk) return;
  confirms_.push_back(event.nanos);
  if (last_confirm_) {
    report_->longest_confirm_gap_nanos =
        std::max(report_->longest_confirm_gap_nanos, event.nanos - *last_confirm_);
  }
  last_confirm_ = event.nanos;
  if (start_without_confirm_) {
    report_->longest_start_to_confirm_nanos =
        std::max(report_->longest_start_to_confirm_nanos, event.nanos - *start_without_confirm_);
    start_without_confirm_.reset();
  }
}

const Death* Checker::DeathBetween(int64_t from, int64_t to) const {
  const auto death = std::lower_bound(deaths_.begin(), deaths_.end(), from,
                                      [](const Death& a, int64_t time) { return a.end < time; });
  return death != deaths_.end() && death->begin <= to ? &*death : nullptr;
}

void Checker::OnDeliver(const Event& event) {
  const std::string what = absl::StrCat(event.id.ToString(), " from ", event.queue);
  const auto published = published_.find(event.id);
  const bool known =
      published != published_.end() && std::count(published->second.queues.begin(),
                                                  published->second.queues.end(), event.queue) == 1;
  if (!event.good) {
    return Broken(&report_->damaged, what, ": not the content that was published");
  }
  if (!known) return Broken(&report_->unexpected, what, ": was never sent there");

  Session& session = sessions_[event.session];
  session.queue = event.queue;
  const auto [it, first] = handed_.try_emplace(Place{event.queue, event.id});
  CheckOrder(event, &session, first);
  if (first) {
    ++report_->delivered;
    if (event.flag) {
      ++report_->redelivered;
      const auto end = last_session_end_.find(event.queue);
      const int64_t since = published->second.invoked;
      if (DeathBetween(since, event.nanos) == nullptr &&
          (end == last_session_end_.end() || end->second < since)) {
        Broken(&report_->redelivered_unexplained, what,
               ": says redelivered, but nobody can have had it");
      }
    }
  } else {
    ++report_->redelivered;
    CheckRepeated(event, it->second);
  }
  it->second = Handed{.session = event.session, .acked = {}, .requeued = {}};
  session.unsettled[event.tag] = event.id;
}

void Checker::CheckRepeated(const Event& event, const Handed& before) {
  const std::string what = absl::StrCat(event.id.ToString(), " from ", event.queue);
  if (!event.flag) {
    return Broken(&report_->duplicated, what, ": came again without `redelivered`");
  }
  if (before.requeued) return;
  const Session& holder = sessions_[before.session];
  if (before.acked) {
    const Death* const death = DeathBetween(*before.acked, event.nanos);
    if (death != nullptr ? death->begin - *before.acked <= options_.ack_grace_nanos
                         : holder.closed && !holder.clean && *holder.closed <= event.nanos) {
      ++report_->redelivered_after_ack;
      return;
    }
    return Broken(&report_->redelivered_unexplained, what, ": came again after it was acknowledged",
                  death == nullptr ? std::string()
                                   : absl::StrCat(" ", (death->begin - *before.acked) / 1'000'000,
                                                  " ms before a crash"));
  }
  if (!holder.closed) {
    Broken(&report_->redelivered_unexplained, what, ": came again while ", before.session,
           " has it");
  }
}

void Checker::CheckOrder(const Event& event, Session* session, bool first) {
  const std::string what = absl::StrCat(event.id.ToString(), " from ", event.queue, " to ",
                                        event.session, ": came after number ");
  uint32_t& of_session = session->last_of_channel[{event.id.publisher, event.id.channel}];
  uint32_t& of_queue = last_first_[{event.queue, event.id.publisher, event.id.channel}];
  if (first && event.id.sequence < of_queue) {
    Broken(&report_->out_of_order, what, of_queue);
  } else if (event.id.sequence < of_session && session->given_back.count(event.id) == 0) {
    Broken(&report_->out_of_order, what, of_session);
  }
  of_session = std::max(of_session, event.id.sequence);
  if (first) of_queue = std::max(of_queue, event.id.sequence);
}

void Checker::OnSettled(const Event& event) {
  Session& session = sessions_[event.session];
  const auto settle = [&](const MessageId& id) {
    const auto handed = handed_.find(Place{session.queue, id});
    if (handed == handed_.end() || handed->second.session != event.session) return;
    if (event.kind == Kind::kAck) {
      handed->second.acked = event.nanos;
    } else {
      handed->second.requeued = event.nanos;
      session.given_back.insert(id);
    }
  };
  if (event.flag) {
    const auto end = session.unsettled.upper_bound(event.tag);
    for (auto it = session.unsettled.begin(); it != end; ++it) settle(it->second);
    session.unsettled.erase(session.unsettled.begin(), end);
  } else if (const auto it = session.unsettled.find(event.tag); it != session.unsettled.end()) {
    settle(it->second);
    session.unsettled.erase(it);
  }
}

void Checker::Finish() {
  std::set<std::string> not_drained;
  for (const auto& [id, message] : published_) {
    const bool confirmed = message.outcome == Kind::kOk;
    if (message.returned) {
      ++report_->unrouted;
    } else if (confirmed) {
      ++report_->confirmed;
    } else {
      ++report_->outcome_unknown;
    }
    if (confirmed && message.queues.empty() && !message.returned) {
      Broken(&report_->returns_missing, id.ToString(),
             ": confirmed, reached no queue, not returned");
    }
    for (const std::string& queue : message.queues) {
      const bool delivered = handed_.count(Place{queue, id}) != 0;
      if (delivered && !confirmed) ++report_->recovered;
      if (delivered || !confirmed) continue;
      if (message.returned) {
        Broken(&report_->lost, id.ToString(), " for ", queue, ": returned though its queue exists");
      } else if (drained_.count(queue) != 0) {
        Broken(&report_->lost, id.ToString(), " for ", queue, ": confirmed, never delivered");
      } else {
        not_drained.insert(queue);
      }
    }
  }
  for (const std::string& queue : declared_) {
    if (missing_.count(queue) != 0) {
      Broken(&report_->queues_lost, queue, ": declared, and gone");
    } else if (drained_.count(queue) == 0) {
      not_drained.insert(queue);
    }
  }
  for (const std::string& queue : not_drained) {
    report_->incomplete.push_back(absl::StrCat("the queue ", queue, " was not drained"));
  }

  if (!deaths_.empty()) {
    for (const int64_t at : confirms_) {
      report_->confirmed_between_faults += deaths_.front().begin < at && at < deaths_.back().begin;
    }
  }
  const auto floor = [&](uint64_t is, uint64_t wanted, absl::string_view what) {
    if (is >= wanted) return;
    report_->incomplete.push_back(
        absl::StrCat("only ", is, " ", what, ", which should be ", wanted));
  };
  const Floors& floors = options_.floors;
  floor(report_->confirmed, floors.confirmed, "messages confirmed");
  floor(confirms_.empty() ? 0 : report_->confirmed_between_faults * 100 / confirms_.size(),
        floors.share_percent, "% confirmed between faults");
  floor(report_->outcome_unknown, floors.outcomes_unknown, "messages with an unknown outcome");
  floor(report_->faults, floors.faults, "faults");
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kUnknown:
      break;
  }
  return "unknown";
}

Report Check(std::vector<Event> events, const CheckOptions& options) {
  Report report;
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.nanos < b.nanos; });
  Checker checker(options, &report);
  for (const Event& event : events) checker.Take(event);
  checker.Finish();
  return report;
}

}  // namespace pontoon::crash
