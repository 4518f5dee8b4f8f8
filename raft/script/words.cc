#include "raft/script/words.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pontoon::raft::script {
namespace {

uint64_t NumberOf(absl::string_view word) {
  uint64_t number = 0;
  return absl::SimpleAtoi(word, &number) ? number : 0;
}

}  // namespace

NodeId NodeOf(absl::string_view word) { return {NumberOf(word)}; }

ReplicaId ReplicaOf(absl::string_view word) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(word, absl::MaxSplits('.', 1));
  const uint64_t incarnation = NumberOf(parts.second);
  return {NodeOf(parts.first), static_cast<uint32_t>(incarnation == 0 ? 1 : incarnation)};
}

std::vector<ReplicaId> ReplicasOf(absl::string_view word) {
  std::vector<ReplicaId> replicas;
  for (const absl::string_view part : absl::StrSplit(word, ',', absl::SkipEmpty()))
    replicas.push_back(ReplicaOf(part));
  return replicas;
}

EntryId EntryOf(absl::string_view word) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(word, absl::MaxSplits('@', 1));
  return {Term{NumberOf(parts.second)}, Index{NumberOf(parts.first)}};
}

bool IsDuration(absl::string_view word) { return absl::EndsWith(word, "s") && word[0] <= '9'; }

base::Duration DurationOf(absl::string_view word) {
  if (absl::ConsumeSuffix(&word, "ms")) return base::Millis(static_cast<int64_t>(NumberOf(word)));
  absl::ConsumeSuffix(&word, "s");
  return base::Seconds(static_cast<int64_t>(NumberOf(word)));
}

std::vector<uint64_t> NumbersOf(absl::string_view word) {
  std::vector<uint64_t> numbers;
  for (const absl::string_view part : absl::StrSplit(word, ',', absl::SkipEmpty()))
    numbers.push_back(NumberOf(part));
  return numbers;
}

std::vector<World::Link> LinksOf(absl::string_view word, const World& world) {
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(word, "->");
  std::vector<World::Link> links;
  for (const auto& [from, sender] : world.replicas()) {
    if (ends.first != "*" && NodeOf(ends.first) != from) continue;
    for (const auto& [to, receiver] : world.replicas()) {
      if (to == from || (ends.second != "*" && NodeOf(ends.second) != to)) continue;
      links.emplace_back(from, to);
    }
  }
  return links;
}

}  // namespace pontoon::raft::script
