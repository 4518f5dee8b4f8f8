#include "raft/sim/plan.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pontoon::raft::sim {
namespace {

struct OptionName {
  const char* name;
  uint64_t Options::*field;
};

constexpr OptionName kOptions[] = {
    {"seed", &Options::seed},
    {"nodes", &Options::nodes},
    {"groups", &Options::groups},
    {"founders", &Options::founders},
    {"loops", &Options::loops},
    {"seconds", &Options::seconds},
    {"scale", &Options::scale},
    {"tick_us", &Options::tick_us},
    {"delay_us", &Options::delay_us},
    {"loss_permille", &Options::loss_permille},
    {"duplicate_permille", &Options::duplicate_permille},
    {"straggler_permille", &Options::straggler_permille},
    {"wire", &Options::wire},
    {"keep_order", &Options::keep_order},
    {"disk_us", &Options::disk_us},
    {"mark_lag_us", &Options::mark_lag_us},
    {"remember_boots", &Options::remember_boots},
    {"late_permille", &Options::late_permille},
    {"drift_ppm", &Options::drift_ppm},
    {"election_spread_us", &Options::election_spread_us},
    {"append_bytes", &Options::append_bytes},
    {"inflight_messages", &Options::inflight_messages},
    {"inflight_bytes", &Options::inflight_bytes},
    {"held_bytes", &Options::held_bytes},
    {"kept_header_bytes", &Options::kept_header_bytes},
    {"committed_entries", &Options::committed_entries},
    {"uncommitted_bytes", &Options::uncommitted_bytes},
    {"digest_interval", &Options::digest_interval},
    {"checkpoint_bytes", &Options::checkpoint_bytes},
    {"promotion_lag", &Options::promotion_lag},
    {"snapshot_part_bytes", &Options::snapshot_part_bytes},
    {"cut_bodies", &Options::cut_bodies},
};

struct HappeningName {
  const char* name;
  Happening what;
};

constexpr HappeningName kHappenings[] = {
    {"propose", Happening::kPropose},
    {"settle", Happening::kSettle},
    {"read", Happening::kRead},
    {"checkpoint", Happening::kCheckpoint},
    {"calm", Happening::kCalm},
    {"crash", Happening::kCrash},
    {"freeze", Happening::kFreeze},
    {"cut", Happening::kCut},
    {"split", Happening::kSplit},
    {"clog", Happening::kClog},
    {"slow-link", Happening::kSlowLink},
    {"loss", Happening::kLoss},
    {"duplicate", Happening::kDuplicate},
    {"garble", Happening::kGarble},
    {"scramble", Happening::kScramble},
    {"refuse", Happening::kRefuse},
    {"lose-kind", Happening::kLoseKind},
    {"slow-disk", Happening::kSlowDisk},
    {"stall-disk", Happening::kStallDisk},
    {"full-disk", Happening::kFullDisk},
    {"fail-write", Happening::kFailWrite},
    {"clock-rate", Happening::kClockRate},
    {"clock-jump", Happening::kClockJump},
    {"transfer", Happening::kTransfer},
    {"campaign", Happening::kCampaign},
    {"change", Happening::kChange},
    {"wipe", Happening::kWipe},
    {"keep-image", Happening::kKeepImage},
    {"put-back", Happening::kPutBack},
    {"close-group", Happening::kCloseGroup},
    {"reopen", Happening::kReopen},
    {"damage", Happening::kDamage},
    {"trap", Happening::kTrap},
    {"trap-send", Happening::kTrapSend},
    {"trap-end", Happening::kTrapEnd},
    {"trap-damage", Happening::kTrapDamage},
    {"lose-most", Happening::kLoseMost},
    {"trap-change", Happening::kTrapChange},
};
static_assert(std::size(kHappenings) == static_cast<size_t>(Happening::kCount));

absl::Status ParseLine(absl::string_view line, Plan* plan) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  uint64_t number;
  if (words[0] == "option") {
    for (const OptionName& option : kOptions) {
      if (words.size() == 3 && words[1] == option.name && absl::SimpleAtoi(words[2], &number)) {
        plan->options.*option.field = number;
        return absl::OkStatus();
      }
    }
    return absl::InvalidArgumentError("no such option");
  }
  Event event;
  double seconds;
  absl::string_view at = words[0];
  if (words.size() < 2 || !absl::ConsumePrefix(&at, "@") || !absl::SimpleAtod(at, &seconds))
    return absl::InvalidArgumentError("neither an option nor an event");
  event.at_us = static_cast<int64_t>(seconds * 1e6 + 0.5);
  const auto* name = std::find_if(std::begin(kHappenings), std::end(kHappenings),
                                  [&](const HappeningName& each) { return words[1] == each.name; });
  if (name == std::end(kHappenings)) return absl::InvalidArgumentError("no such event");
  event.what = name->what;
  if (words.size() > 2 + kArguments) return absl::InvalidArgumentError("too many arguments");
  for (size_t i = 2; i < words.size(); ++i) {
    if (!absl::SimpleAtoi(words[i], &event.args[i - 2]))
      return absl::InvalidArgumentError("not a number");
  }
  plan->events.push_back(event);
  return absl::OkStatus();
}

}  // namespace

const char* NameOf(Happening what) {
  return std::find_if(std::begin(kHappenings), std::end(kHappenings),
                      [what](const HappeningName& each) { return what == each.what; })
      ->name;
}

bool IsFault(Happening what) { return what >= Happening::kCrash && what != Happening::kKeepImage; }

std::string ToText(const Event& event) {
  const auto* name =
      std::find_if(std::begin(kHappenings), std::end(kHappenings),
                   [&](const HappeningName& each) { return event.what == each.what; });
  std::string text =
      absl::StrFormat("@%d.%06d %s", event.at_us / 1000000, event.at_us % 1000000, name->name);
  for (const uint64_t argument : event.args) absl::StrAppend(&text, " ", argument);
  return text;
}

std::string ToText(const Plan& plan) {
  std::string text;
  for (const OptionName& option : kOptions)
    absl::StrAppend(&text, "option ", option.name, " ", plan.options.*option.field, "\n");
  for (const Event& event : plan.events) absl::StrAppend(&text, ToText(event), "\n");
  return text;
}

absl::StatusOr<Plan> ParsePlan(absl::string_view text) {
  Plan plan;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = line.substr(0, line.find('#'));
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    if (absl::Status parsed = ParseLine(line, &plan); !parsed.ok())
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", parsed.message()));
  }
  std::stable_sort(plan.events.begin(), plan.events.end(),
                   [](const Event& a, const Event& b) { return a.at_us < b.at_us; });
  const Options& options = plan.options;
  if (options.nodes < 1 || options.nodes > 16 || options.groups < 1 || options.groups > 64 ||
      options.founders < 1 || options.founders > options.nodes || options.scale < 1 ||
      options.loops < 1 || options.loops > 16 || options.snapshot_part_bytes < 1 ||
      options.tick_us < 1000 || options.seconds > 100000 || options.election_spread_us < 1) {
    return absl::InvalidArgumentError("an option out of its range");
  }
  return plan;
}

}  // namespace pontoon::raft::sim
