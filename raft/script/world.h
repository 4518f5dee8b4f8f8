#ifndef PONTOON_RAFT_SCRIPT_WORLD_H_
#define PONTOON_RAFT_SCRIPT_WORLD_H_

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/script/checks.h"
#include "raft/script/replica.h"

namespace pontoon::raft::script {

// Bare cores of one group, and around each what a script has in its hands: its disk, the messages
// on their way, time. Nothing moves but by a call. Whatever a replica does is written into the
// trace; whatever breaks a promise too, behind "!!". For tests; one thread.
class World {
 public:
  // From one node to another.
  using Link = std::pair<NodeId, NodeId>;

  explicit World(CoreOptions options) : options_(options) {}

  // Makes a replica and starts it; `founders` found the group.
  void Add(NodeId node, const Membership* founders);
  // Gives it another disk and starts it again.
  void Replace(NodeId node, Disk disk);
  // The first `keep` of the tasks that wait are on the disk.
  void Crash(NodeId node, size_t keep);
  void Restart(NodeId node);
  // An empty disk, and the next incarnation.
  void Wipe(NodeId node);

  // Nullptr: no such node, or it is down.
  Replica* Up(NodeId node);
  Replica* Find(NodeId node);
  // Calls `act` with a running core and then does what the core asks for.
  void Act(NodeId node, const std::function<absl::Status(Core&)>& act);

  // Time passes; who is told of it is for the caller.
  void Pass(base::Duration duration) { now_ = now_ + duration; }
  void Tick(NodeId node);

  // One message that is on its way there; false if it is not.
  bool Deliver(const Link& link, size_t nth, bool keep);
  bool Drop(const Link& link, size_t nth);
  void Forge(Message message);
  std::vector<const Message*> OnTheWay(const Link& link) const;
  const std::vector<Message>& messages() const { return messages_; }
  void Cut(const Link& link) { cut_.insert(link); }
  void Hold(const Link& link) { held_.insert(link); }
  void Release(const Link& link) { held_.erase(link); }
  void Heal() {
    cut_.clear();
    held_.clear();
  }

  // The first task that waits is done; false: none does.
  bool Sync(NodeId node);
  // All that waits is done, and the core hears of the last alone.
  void SyncAtOnce(NodeId node);
  // Applies what is committed and was held back.
  void Apply(NodeId node);
  // Answers the first of its reads of entries; false: there are none.
  enum class Answer {
    kNow,     // What the disk has.
    kStale,   // What it had when it was asked.
    kNeeded,  // As kNow, but the state still needs what is missing of bodies.
    kFailed,
    kDamaged,
  };
  bool AnswerReads(NodeId node, Answer answer, size_t count);
  void Read(NodeId node, const std::vector<uint64_t>& ids);  // In one turn.
  void TakeCheckpoint(NodeId node, Index at);
  void Install(NodeId node, NodeId from);

  // Delivers, syncs and reads until nothing is left to do, among `nodes` (all of them if empty).
  void Stabilize(const std::set<NodeId>& nodes);

  // Leaves out of the trace what goes on between the replicas and their disks.
  void SetQuiet(bool quiet) { quiet_ = quiet; }
  template <typename... Parts>
  void Say(const Parts&... parts) {
    absl::StrAppend(&trace_, parts..., "\n");
  }
  void Check(const absl::Status& status) {
    // Once; what is broken stays so.
    if (!status.ok() && broken_.insert(std::string(status.message())).second)
      Say("!! ", status.message());
  }
  std::string TakeTrace() { return std::exchange(trace_, {}); }

  const Checks::Replicas& replicas() const { return replicas_; }
  base::MonotonicTime ClockOf(const Replica& replica) const;

 private:
  void Start(Replica* replica, const Membership* founders);
  // Takes the core's outputs until there are none.
  void Run(Replica* replica);
  void TakeOver(Replica* replica, Output out);
  void ApplyHandedOut(Replica* replica);
  void Post(const Replica& from, Message message);
  void Release(Replica* replica, IoSeq done);
  void CheckAll();
  bool StabilizeOnce(const std::set<NodeId>& nodes);

  CoreOptions options_;
  base::MonotonicTime now_ = base::MonotonicTime{} + base::Seconds(10);
  Checks::Replicas replicas_;
  Checks checks_;
  std::vector<Message> messages_;
  std::set<Link> cut_;
  std::set<Link> held_;
  bool quiet_ = false;
  std::set<std::string> broken_;
  std::string trace_;
};

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_WORLD_H_
