#include "raft/script/commands.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "raft/core/entry.h"
#include "raft/script/trace.h"
#include "raft/script/words.h"

namespace pontoon::raft::script {
namespace {

absl::Status NotUnderstood(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("not understood: ", what));
}

}  // namespace

bool Commands::Line::Has(const std::string& word) const {
  return std::find(words.begin(), words.end(), word) != words.end();
}

const std::string* Commands::Line::Named(const std::string& name) const {
  const auto it = named.find(name);
  if (it == named.end()) return nullptr;
  understood.insert(name);
  return &it->second;
}

uint64_t Commands::Line::Number(const std::string& name, uint64_t otherwise) const {
  const auto it = named.find(name);
  uint64_t number = 0;
  if (it == named.end() || !absl::SimpleAtoi(it->second, &number)) return otherwise;
  understood.insert(name);
  return number;
}

absl::StatusOr<Commands::Line> Commands::Parse(absl::string_view text) {
  Line line;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const size_t equals = word.find('=');
    if (line.name.empty()) {
      line.name = std::string(word);
    } else if (equals != absl::string_view::npos) {
      line.named.emplace(word.substr(0, equals), word.substr(equals + 1));
    } else {
      line.words.emplace_back(word);
    }
  }
  if (line.name.empty()) return NotUnderstood(std::string(text));
  return line;
}

std::string Commands::Run(absl::string_view text) {
  absl::StatusOr<Line> line = Parse(text);
  absl::Status status = line.ok() ? Dispatch(*line) : line.status();
  std::string trace = world_ == nullptr ? "" : world_->TakeTrace();
  if (!status.ok()) absl::StrAppend(&trace, "!! ", status.message(), "\n");
  return trace;
}

absl::Status Commands::Dispatch(const Line& line) {
  static const auto* const kCommands = new std::map<std::string, Command>{
      {"nodes", &Commands::Nodes},
      {"disk", &Commands::Disk},
      {"tick", &Commands::Time},
      {"pass", &Commands::Time},
      {"clock", &Commands::Time},
      {"timeout", &Commands::Time},
      {"stabilize", &Commands::RunOn},
      {"run", &Commands::RunOn},
      {"deliver", &Commands::Links},
      {"drop", &Commands::Links},
      {"dup", &Commands::Links},
      {"cut", &Commands::Links},
      {"hold", &Commands::Links},
      {"release", &Commands::Links},
      {"heal", &Commands::Links},
      {"sync", &Commands::Storage},
      {"crash", &Commands::Storage},
      {"restart", &Commands::Storage},
      {"wipe", &Commands::Storage},
      {"lose", &Commands::Storage},
      {"drop-body", &Commands::Storage},
      {"cut-body", &Commands::Storage},
      {"answer-reads", &Commands::Storage},
      {"hold-reads", &Commands::Storage},
      {"hold-apply", &Commands::Storage},
      {"apply", &Commands::Storage},
      {"forge", &Commands::Forge},
      {"campaign", &Commands::Ask},
      {"transfer", &Commands::Ask},
      {"read", &Commands::Ask},
      {"unreachable", &Commands::Ask},
      {"quarantine", &Commands::Ask},
      {"room", &Commands::Ask},
      {"diverge", &Commands::Ask},
      {"propose", &Commands::Propose},
      {"members", &Commands::Members},
      {"checkpoint", &Commands::Snapshot},
      {"install", &Commands::Snapshot},
      {"state", &Commands::Show},
      {"log", &Commands::Show},
      {"messages", &Commands::Show},
      {"must", &Commands::Must},
  };
  const auto command = kCommands->find(line.name);
  if (command == kCommands->end()) return NotUnderstood(line.name);
  if (world_ == nullptr && line.name != "nodes") return NotUnderstood("no nodes yet");
  if (line.words.empty() && line.name != "stabilize" && line.name != "heal" &&
      line.name != "state" && line.name != "messages") {
    return NotUnderstood(line.name + " of what?");
  }
  if (absl::Status done = (this->*command->second)(line); !done.ok()) return done;
  for (const auto& [name, value] : line.named) {
    if (!line.understood.contains(name)) return NotUnderstood(absl::StrCat(name, "=", value));
  }
  return absl::OkStatus();
}

// nodes 3 [spare=4,5] [append-bytes=..] ..: founds a group; the spare ones are not in it.
absl::Status Commands::Nodes(const Line& line) {
  CoreOptions options;
  options.append_bytes_max = line.Number("append-bytes", options.append_bytes_max);
  options.inflight_messages_max =
      static_cast<uint32_t>(line.Number("inflight", options.inflight_messages_max));
  options.inflight_bytes_max = line.Number("inflight-bytes", options.inflight_bytes_max);
  options.held_bytes_max = line.Number("held", options.held_bytes_max);
  options.kept_header_bytes_max = line.Number("kept-headers", options.kept_header_bytes_max);
  options.promotion_lag_max = line.Number("lag", options.promotion_lag_max);
  options.uncommitted_bytes_max = line.Number("uncommitted", options.uncommitted_bytes_max);
  options.digest_interval = line.Number("digest", options.digest_interval);
  options.committed_entries_max =
      static_cast<uint32_t>(line.Number("committed", options.committed_entries_max));
  world_ = std::make_unique<World>(options);
  world_->SetQuiet(true);
  Membership members;
  uint64_t count = 0;
  if (!absl::SimpleAtoi(line.words[0], &count)) return NotUnderstood(line.words[0]);
  for (uint64_t i = 1; i <= count; ++i) members.voters.push_back({NodeId{i}, 1});
  for (const ReplicaId& voter : members.voters) world_->Add(voter.node, &members);
  if (const std::string* spare = line.Named("spare"); spare != nullptr) {
    for (const ReplicaId& replica : ReplicasOf(*spare)) world_->Add(replica.node, nullptr);
  }
  if (!line.Has("unsynced")) world_->Stabilize({});
  world_->SetQuiet(false);
  return absl::OkStatus();
}

// disk 2 terms=1,1,2 [term=3 vote=1] [voters=1,2,3] [body=9]: what it finds when it starts. The
// first entry founds the group, the others are normal ones.
absl::Status Commands::Disk(const Line& line) {
  const std::string* terms = line.Named("terms");
  if (terms == nullptr) return NotUnderstood("disk without terms");
  const NodeId node = NodeOf(line.words[0]);
  if (world_->Find(node) == nullptr) return NotUnderstood(line.words[0]);
  Membership members{.voters = ReplicasOf("1,2,3")};
  if (const std::string* voters = line.Named("voters"); voters != nullptr)
    members.voters = ReplicasOf(*voters);
  std::vector<Entry> entries;
  for (const uint64_t term : NumbersOf(*terms)) {
    const Index index{entries.size() + 1};
    const std::string header =
        entries.empty() ? EncodeMembership(members) : absl::StrCat("e", index.value, ".", term);
    const std::string body(entries.empty() ? 0 : line.Number("body", 0), 'b');
    entries.push_back(MakeEntry(base::SliceChain(base::Slice::Copy(header)),
                                base::SliceChain(base::Slice::Copy(body))));
    if (entries.size() == 1) entries.back().kind = EntryKind::kConfig;
    entries.back().id = {Term{term}, index};
  }
  HardState hard{entries.back().id.term, std::nullopt};
  hard.term = Term{line.Number("term", hard.term.value)};
  if (const std::string* vote = line.Named("vote"); vote != nullptr) hard.vote = ReplicaOf(*vote);
  script::Disk disk;
  disk.Preset(hard, std::move(entries));
  world_->Crash(node, 0);
  world_->Replace(node, std::move(disk));
  return absl::OkStatus();
}

// pass 10ms; tick 300ms (all); tick 1 300ms; timeout 1 300ms; clock 1 ppm=5000.
absl::Status Commands::Time(const Line& line) {
  const std::string& last = line.words.back();
  if (line.name == "clock") {
    Replica* replica = world_->Find(NodeOf(line.words[0]));
    if (replica == nullptr) return NotUnderstood(line.words[0]);
    replica->clock_ppm = static_cast<int64_t>(line.Number("ppm", 0));
    return absl::OkStatus();
  }
  if (!IsDuration(last)) return NotUnderstood(last);
  if (line.name == "timeout") {
    Replica* replica = world_->Find(NodeOf(line.words[0]));
    if (replica == nullptr) return NotUnderstood(line.words[0]);
    replica->random.above_min = DurationOf(last) - base::Millis(300);
    return absl::OkStatus();
  }
  world_->Pass(DurationOf(last));
  if (line.name == "pass") return absl::OkStatus();
  for (const auto& [node, replica] : world_->replicas()) {
    const bool named =
        line.words.size() == 1 || std::find(line.words.begin(), line.words.end(),
                                            std::to_string(node.value)) != line.words.end();
    if (named && replica->core != nullptr) world_->Tick(node);
  }
  return absl::OkStatus();
}

// stabilize [1 2] [quiet]; run 500ms [1 2] [loud]: time passes for these, in steps of 10 ms.
absl::Status Commands::RunOn(const Line& line) {
  std::set<NodeId> nodes;
  base::Duration left;
  for (const std::string& word : line.words) {
    if (word == "quiet" || word == "loud") continue;
    if (IsDuration(word)) {
      left = DurationOf(word);
    } else {
      nodes.insert(NodeOf(word));
    }
  }
  world_->SetQuiet(line.name == "run" ? !line.Has("loud") : line.Has("quiet"));
  constexpr base::Duration kStep = base::Millis(10);
  for (; left > base::Duration{}; left = left - kStep) {
    world_->Pass(kStep);
    for (const auto& [node, replica] : world_->replicas()) {
      if (replica->core != nullptr && (nodes.empty() || nodes.contains(node))) world_->Tick(node);
    }
    world_->Stabilize(nodes);
  }
  if (line.name == "stabilize") world_->Stabilize(nodes);
  world_->SetQuiet(false);
  return absl::OkStatus();
}

// deliver|drop|dup 1->2 [nth=1] [count=1]: of what is on its way there now, all of it by default;
// cut|hold|release 1->2; cut 1: both ways, from all; heal.
absl::Status Commands::Links(const Line& line) {
  if (line.name == "heal") {
    world_->Heal();
    return absl::OkStatus();
  }
  std::vector<World::Link> links;
  for (const std::string& word : line.words) {
    const std::string both = word.find("->") == std::string::npos ? word : "";
    for (const std::string& named : both.empty()
                                        ? std::vector<std::string>{word}
                                        : std::vector<std::string>{both + "->*", "*->" + both}) {
      for (const World::Link& link : LinksOf(named, *world_)) links.push_back(link);
    }
  }
  if (links.empty()) return NotUnderstood(line.words[0]);
  const uint64_t nth = line.Number("nth", 1);
  for (const World::Link& link : links) {
    if (line.name == "cut") world_->Cut(link);
    if (line.name == "hold") world_->Hold(link);
    if (line.name == "release") world_->Release(link);
    if (line.name != "deliver" && line.name != "drop" && line.name != "dup") continue;
    const bool one = line.Named("nth") != nullptr;
    const uint64_t waiting = world_->OnTheWay(link).size();
    if (one && nth > waiting) return NotUnderstood("there is no such message");
    uint64_t count = one ? 1 : std::min(line.Number("count", waiting), waiting);
    for (; count > 0; --count) {
      if (line.name == "drop") world_->Drop(link, nth - 1);
      if (line.name == "deliver") world_->Deliver(link, nth - 1, false);
      if (line.name == "dup") world_->Deliver(link, nth - 1, true);
    }
  }
  return absl::OkStatus();
}

// sync 1 [count=1] [at-once]; crash 1 [keep=1]; restart 1; wipe 1; lose 1 from=5; lose 1 at=5;
// drop-body 1 at=5 [ended=7]; cut-body 1 at=5 offset=0 size=10 ended=7; hold-reads 1;
// answer-reads 1 [stale|needed|fail|damaged] [count=1]; hold-apply 1; apply 1.
absl::Status Commands::Storage(const Line& line) {
  const NodeId node = NodeOf(line.words[0]);
  Replica* replica = world_->Find(node);
  if (replica == nullptr) return NotUnderstood(line.words[0]);
  if (line.name == "sync" && line.Has("at-once")) {
    world_->SyncAtOnce(node);
  } else if (line.name == "sync") {
    const uint64_t waiting = replica->disk.waiting();
    for (uint64_t count = line.Number("count", waiting); count > 0; --count) {
      if (!world_->Sync(node)) return NotUnderstood("nothing waits for its disk");
    }
  } else if (line.name == "crash") {
    world_->Crash(node, line.Number("keep", 0));
  } else if (line.name == "restart") {
    world_->Restart(node);
  } else if (line.name == "wipe") {
    world_->Wipe(node);
  } else if (line.name == "lose") {
    replica->invariants = Invariants();  // The damage is meant.
    if (line.Named("at") != nullptr) {
      replica->disk.LoseAt(Index{line.Number("at", 0)});
    } else {
      replica->disk.LoseFrom(Index{line.Number("from", 0)});
    }
  } else if (line.name == "drop-body") {
    replica->disk.DropBody(Index{line.Number("at", 0)}, Index{line.Number("ended", 0)});
  } else if (line.name == "cut-body") {
    replica->disk.CutBody(Index{line.Number("at", 0)},
                          {static_cast<uint32_t>(line.Number("offset", 0)),
                           static_cast<uint32_t>(line.Number("size", 0))},
                          Index{line.Number("ended", 0)});
  } else if (line.name == "answer-reads") {
    const World::Answer answer = line.Has("fail")      ? World::Answer::kFailed
                                 : line.Has("damaged") ? World::Answer::kDamaged
                                 : line.Has("stale")   ? World::Answer::kStale
                                 : line.Has("needed")  ? World::Answer::kNeeded
                                                       : World::Answer::kNow;
    if (!world_->AnswerReads(node, answer, line.Number("count", replica->reads.size())))
      return NotUnderstood("it reads nothing");
  } else if (line.name == "hold-reads") {
    replica->reads_at_once = false;
  } else {
    replica->applies = line.name == "apply";
    if (replica->applies) world_->Apply(node);
  }
  return absl::OkStatus();
}

// forge 2->1 append-reply term=2 at=5@2 [probe=4] [commit=3] [round=1] [refused] [transfer]
// [group=2] [epoch=1] [incarnation=2] [entry=5@2 [damaged] [ended=6]]: a message that no core has
// sent.
absl::Status Commands::Forge(const Line& line) {
  const std::vector<World::Link> links = LinksOf(line.words[0], *world_);
  if (links.size() != 1 || line.words.size() < 2) return NotUnderstood("forge what?");
  const auto entry_of = [&line](const char* name) {
    const std::string* entry = line.Named(name);
    return entry == nullptr ? EntryId{} : EntryOf(*entry);
  };
  Message message;
  for (uint8_t kind = 0; kind <= static_cast<uint8_t>(kLastMessageKind); ++kind) {
    if (KindName(static_cast<MessageKind>(kind)) == line.words[1])
      message.kind = static_cast<MessageKind>(kind);
  }
  if (KindName(message.kind) != line.words[1]) return NotUnderstood(line.words[1]);
  message.group = GroupId{static_cast<uint32_t>(line.Number("group", 1))};
  message.epoch = base::RecoveryEpoch{static_cast<uint16_t>(line.Number("epoch", 0))};
  message.from = world_->Find(links[0].first)->id;
  message.from.incarnation =
      static_cast<uint32_t>(line.Number("incarnation", message.from.incarnation));
  message.to = world_->Find(links[0].second)->id;
  message.term = Term{line.Number("term", 1)};
  message.log = entry_of("at");
  message.probe = Index{line.Number("probe", 0)};
  message.commit = Index{line.Number("commit", 0)};
  message.round = line.Number("round", 0);
  message.refused = line.Has("refused");
  message.transfer = line.Has("transfer");
  message.quarantined = line.Has("quarantined");
  if (line.Named("entry") != nullptr) {
    Entry entry = MakeEntry(base::SliceChain(base::Slice::Copy("forged")));
    entry.id = entry_of("entry");
    if (line.Has("damaged")) entry.header_crc += 1;
    if (line.Named("ended") != nullptr) {
      auto remains = std::make_shared<BodyRemains>();
      remains->ended = Index{line.Number("ended", 0)};
      entry.body_bytes = 100;
      entry.remains = std::move(remains);
    }
    message.entries.push_back(std::move(entry));
  }
  world_->Forge(std::move(message));
  world_->Deliver(links[0], world_->OnTheWay(links[0]).size() - 1, false);
  return absl::OkStatus();
}

}  // namespace pontoon::raft::script
