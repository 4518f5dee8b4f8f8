#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "raft/core/entry.h"
#include "raft/script/commands.h"
#include "raft/script/trace.h"
#include "raft/script/words.h"

// What a script asks of a replica, and what it sees of it.

namespace pontoon::raft::script {

// campaign 1; transfer 1 2; read 1 r1 r2; unreachable 1 2; quarantine 1; room 1 no|yes; diverge 1.
absl::Status Commands::Ask(const Line& line) {
  const NodeId node = NodeOf(line.words[0]);
  const std::string second = line.words.size() > 1 ? line.words[1] : "";
  Replica* replica = world_->Up(node);
  if (replica == nullptr) return absl::NotFoundError("it is down");
  if (line.name == "campaign") {
    world_->Act(node, [](Core& core) { return core.Campaign(); });
  } else if (line.name == "transfer") {
    world_->Act(node, [&second](Core& core) { return core.TransferTo(ReplicaOf(second)); });
  } else if (line.name == "read") {
    std::vector<uint64_t> ids;
    for (size_t i = 1; i < line.words.size(); ++i)
      ids.push_back(NodeOf(absl::StripPrefix(line.words[i], "r")).value);
    world_->Read(node, ids);
  } else if (line.name == "unreachable") {
    world_->Act(node, [&second](Core& core) {
      core.OnPeerUnreachable(NodeOf(second));
      return absl::OkStatus();
    });
  } else if (line.name == "quarantine") {
    world_->Act(node, [](Core& core) {
      core.Quarantine();
      return absl::OkStatus();
    });
  } else if (line.name == "room") {
    world_->Act(node, [&second](Core& core) {
      core.SetRoom(second == "yes");
      return absl::OkStatus();
    });
  } else {
    replica->states.rbegin()->second.text += "a flipped bit";
  }
  return absl::OkStatus();
}

// propose 1 a b c [body=100] [term=2] [always].
absl::Status Commands::Propose(const Line& line) {
  const std::string body(line.Number("body", 0), 'b');
  std::vector<Entry> entries;
  for (size_t i = 1; i < line.words.size(); ++i) {
    if (line.words[i] == "always") continue;
    entries.push_back(MakeEntry(base::SliceChain(base::Slice::Copy(line.words[i])),
                                base::SliceChain(base::Slice::Copy(body))));
  }
  const Core::Room room = line.Has("always") ? Core::Room::kAlways : Core::Room::kBounded;
  world_->Act(NodeOf(line.words[0]), [&](Core& core) {
    return core.Propose(Term{line.Number("term", core.term().value)}, absl::MakeSpan(entries), room)
        .status();
  });
  return absl::OkStatus();
}

// members 1 voters=1,2,3 [learners=4] [term=2].
absl::Status Commands::Members(const Line& line) {
  Membership wanted;
  for (const auto& [name, list] :
       {std::pair("voters", &wanted.voters), std::pair("learners", &wanted.learners)}) {
    if (const std::string* named = line.Named(name); named != nullptr) *list = ReplicasOf(*named);
  }
  world_->Act(NodeOf(line.words[0]), [&](Core& core) {
    return core.ProposeConfig(Term{line.Number("term", core.term().value)}, wanted).status();
  });
  return absl::OkStatus();
}

// checkpoint 1 [at=5]: written with the next sync; install 2 from=1: the newest that is on the disk
// there.
absl::Status Commands::Snapshot(const Line& line) {
  const NodeId node = NodeOf(line.words[0]);
  if (world_->Up(node) == nullptr) return absl::NotFoundError("it is down");
  if (line.name == "checkpoint") {
    world_->TakeCheckpoint(node, Index{line.Number("at", world_->Up(node)->core->applied().value)});
  } else {
    const NodeId from{line.Number("from", 0)};
    if (world_->Find(from) == nullptr) return absl::InvalidArgumentError("from whom?");
    world_->Install(node, from);
  }
  return absl::OkStatus();
}

std::string Commands::Seen(const Replica& replica, const std::string& what) const {
  const Core& core = *replica.core;
  const auto number = [](auto id) { return absl::StrCat(id.value); };
  if (what == "role") return std::string(RoleName(core.role()));
  if (what == "term") return number(core.term());
  if (what == "vote") return core.vote().has_value() ? script::Show(*core.vote()) : "none";
  if (what == "leader") return core.leader().has_value() ? script::Show(*core.leader()) : "none";
  if (what == "commit") return number(core.commit());
  if (what == "applied") return number(core.applied());
  if (what == "durable") return number(core.durable());
  if (what == "base") return script::Show(core.log().base());
  if (what == "last") return script::Show(core.log().last());
  if (what == "members") return absl::StrReplaceAll(script::Show(core.membership()), {{" ", "_"}});
  if (what == "ready") return core.ready() ? "yes" : "no";
  if (what == "lease") return core.LeaseHolds(world_->ClockOf(replica)) ? "yes" : "no";
  if (what == "permitted") {
    const base::MonotonicTime now = world_->ClockOf(replica);
    return core.LeaseHolds(now) && now >= core.PredecessorLeaseEnd() ? "yes" : "no";
  }
  if (what == "campaigns") return core.MayCampaign() ? "yes" : "no";
  if (what == "uncommitted") return absl::StrCat(core.uncommitted_bytes());
  if (what == "transfer")
    return core.transfer_target().has_value() ? script::Show(*core.transfer_target()) : "none";
  if (what == "quarantined") return core.quarantined() ? "yes" : "no";
  if (what == "whole") return core.whole() ? "yes" : "no";
  if (what == "epoch") return absl::StrCat(core.epoch().value);
  if (what == "disk-term") return number(replica.disk.hard_state().term);
  if (what == "log" || what == "disk") {
    std::vector<std::string> ids;
    if (what == "disk") {
      for (const auto& [index, entry] : replica.disk.entries())
        ids.push_back(script::Show(entry.id));
    } else {
      for (Index i = core.log().base().index + 1; i <= core.log().last().index; i = i + 1)
        ids.push_back(script::Show(EntryId{core.log().TermAt(i).value(), i}));
    }
    return absl::StrJoin(ids, ",");
  }
  return "?";
}

// state [1]; log 1; messages.
absl::Status Commands::Show(const Line& line) {
  if (line.name == "messages") {
    for (const Message& message : world_->messages()) world_->Say(script::Show(message));
    return absl::OkStatus();
  }
  for (const auto& [node, replica] : world_->replicas()) {
    if (!line.words.empty() && !line.Has(absl::StrCat(node.value))) continue;
    const std::string name = script::Show(replica->id);
    if (replica->core == nullptr) {
      world_->Say(name, " is down");
    } else if (line.name == "log") {
      world_->Say(name, " has ", Seen(*replica, "log"), " on disk ", Seen(*replica, "disk"));
    } else {
      std::string text = absl::StrCat(name, " ", Seen(*replica, "role"));
      for (const char* what :
           {"term", "vote", "leader", "last", "durable", "commit", "applied", "members"}) {
        absl::StrAppend(&text, " ", what, "=", Seen(*replica, what));
      }
      world_->Say(text);
    }
  }
  return absl::OkStatus();
}

// must 1 role=leader commit=5: of a replica, or `must all ..` of each that is up; must 1 down; must
// agree: all that are up have applied the same; must 1->2 append, must 1->2 not append: on its way.
absl::Status Commands::Must(const Line& line) {
  const std::string& what = line.words[0];
  if (absl::StrContains(what, "->")) {
    const std::vector<World::Link> links = LinksOf(what, *world_);
    if (links.size() != 1) return absl::InvalidArgumentError("which link?");
    const bool wanted = !line.Has("not");
    const std::string& kind = line.words.back();
    bool found = false;
    for (const Message* message : world_->OnTheWay(links[0])) {
      found = found || absl::StartsWith(KindName(message->kind), kind) || kind == "anything";
    }
    if (found != wanted) world_->Say("!! ", what, wanted ? " lacks " : " has ", kind);
    return absl::OkStatus();
  }
  const Replica* first = nullptr;
  bool any = false;
  for (const auto& [node, replica] : world_->replicas()) {
    if (what != "all" && what != "agree" && what != absl::StrCat(node.value)) continue;
    any = true;
    if (line.Has("down") != (replica->core == nullptr)) {
      if (what != "all" && what != "agree")
        world_->Say("!! ", node.value, line.Has("down") ? " is up" : " is down");
      continue;
    }
    if (replica->core == nullptr) continue;
    for (const auto& [name, value] : line.named) {
      line.understood.insert(name);
      const std::string seen = Seen(*replica, name);
      if (seen != value) world_->Say("!! ", node.value, " has ", name, "=", seen, ", not ", value);
    }
    if (what != "agree") continue;
    if (first == nullptr) first = replica.get();
    if (first->state().applied != replica->state().applied ||
        first->state().text != replica->state().text) {
      world_->Say("!! ", first->id.node.value, " and ", node.value,
                  " have applied different things");
    }
  }
  if (!any) return absl::InvalidArgumentError("of whom?");
  return absl::OkStatus();
}

}  // namespace pontoon::raft::script
