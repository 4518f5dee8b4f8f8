#ifndef PONTOON_RAFT_NODE_SNAPSHOT_SERVER_H_
#define PONTOON_RAFT_NODE_SNAPSHOT_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/slice.h"
#include "base/time.h"
#include "raft/core/log_store.h"
#include "raft/core/snapshot.h"
#include "raft/core/types.h"
#include "raft/node/on_loop.h"
#include "raft/node/state_machine.h"

namespace pontoon::raft {

// Answers the requests of SnapshotFetchers for the groups of one loop, out of the log store. It
// knows nothing of its receivers but which checkpoints somebody asked for lately: as long as that
// is so their roots stay in memory and their pages on the disk. A request that cannot be answered
// now is dropped: the receiver asks again.
//
// Runs on the loop that owns the groups; what the store reads comes back through `post`.
class SnapshotServer {
 public:
  // After the last request for a root or its pages the checkpoint may go.
  static constexpr base::Duration kPinnedFor = base::Seconds(10);
  // Of one group, at once. One more takes the place of the one that was idle for longest.
  static constexpr size_t kPinsMax = 4;
  // What is being read, at once; counted as kSnapshotPartBytes for each request.
  static constexpr uint64_t kReadingBytesMax = 8 * 1024 * 1024;

  // Where a group stands.
  struct Source {
    ReplicaId self;
    Index applied;
    Index ended_through;
    EntryId checkpoint;  // The newest that is durable; zero: none.
    const StateMachine* machine = nullptr;
  };
  class Host {
   public:
    virtual ~Host() = default;
    // Nullopt: the group is not open (any more), or its state is not to be passed on.
    virtual std::optional<Source> FindSource(GroupId group) const = 0;
    virtual void SendPart(GroupId group, const ReplicaId& to, SnapshotPart part) = 0;
    // To the log store, as it is.
    virtual void SubmitDrops(StateTask task) = 0;
  };
  struct Counters {
    uint64_t requests = 0;
    uint64_t parts = 0;       // Answers sent.
    uint64_t gone = 0;        // Of them: begin again.
    uint64_t invalid = 0;     // Requests that no fetcher of this version sends.
    uint64_t not_ready = 0;   // Dropped: this replica is behind the one that asks, or feeds no one.
    uint64_t busy = 0;        // Dropped: enough is being read.
    uint64_t unreadable = 0;  // Dropped: a body that the state needs cannot be read.
    uint64_t page_drops_held = 0;
  };

  // All are borrowed. `post` as in MultiRaftOptions; may be null.
  SnapshotServer(LogStore* store, Post post, Host* host, uint64_t part_bytes = kSnapshotPartBytes);
  SnapshotServer(const SnapshotServer&) = delete;
  SnapshotServer& operator=(const SnapshotServer&) = delete;

  // A kSnapshotRequest that `from` sent to this group. False: no fetcher of this version sends it.
  bool OnRequest(GroupId group, const ReplicaId& from, const SnapshotPart& request);
  void Tick(base::MonotonicTime now);

  // Pages that the group's state machine needs no more, as the store knows them: what of them may
  // go now. The rest goes when those have had them who are fetching now.
  std::vector<PageId> HoldDrops(GroupId group, std::vector<PageId> pages);
  // Somebody is fetching a checkpoint of the group, or has lately.
  bool IsPinned(GroupId group) const;
  // The group is about to be closed.
  void Close(GroupId group);
  // A snapshot was installed: all pages of before are gone.
  void Forget(GroupId group);

  const Counters& counters() const { return counters_; }

 private:
  using Images = std::vector<absl::StatusOr<BodyImage>>;

  struct Waiting {
    ReplicaId from;
    uint64_t request;
  };
  struct Pin {
    uint64_t id;
    bool loading = true;
    Checkpoint checkpoint;  // Without its root.
    base::Slice root;
    uint32_t root_crc = 0;
    base::MonotonicTime used;
    std::vector<Waiting> waiting;  // For it to be loaded.
  };
  struct Held {
    uint64_t last_pin;  // Goes when no pin up to this one is left.
    std::vector<PageId> pages;
  };
  struct Group {
    std::deque<Pin> pins;  // By id, ascending.
    std::deque<Held> held;
  };
  struct PageJob;
  struct BodyJob;

  template <typename Result>
  std::function<void(Result)> OnLoop(std::function<void(Result)> done) const;
  void OnRootRequest(GroupId group, const Source& source, const ReplicaId& from,
                     const SnapshotPart& request);
  void Load(GroupId group, Group* pins, Waiting first);
  void OnLoaded(GroupId group, uint64_t pin, absl::StatusOr<Checkpoint> checkpoint);
  void SendRoot(GroupId group, const ReplicaId& to, const Pin& pin, uint64_t request,
                uint64_t offset);
  void SendGone(GroupId group, const ReplicaId& to, const SnapshotPart& request);
  void OnPagesRequest(GroupId group, const ReplicaId& from, const SnapshotPart& request);
  void ReadPages(const std::shared_ptr<PageJob>& job);
  void OnPagesRead(const std::shared_ptr<PageJob>& job);
  void OnBodiesRequest(GroupId group, const Source& source, const ReplicaId& from,
                       const SnapshotPart& request);
  void OnBodiesCompared(const std::shared_ptr<BodyJob>& job, const Images& images);
  void OnBodiesRead(const std::shared_ptr<BodyJob>& job, Images images);
  bool Begin();
  void End() { --reading_; }
  void Send(GroupId group, const ReplicaId& to, SnapshotPart part);
  Pin* FindPin(GroupId group, EntryId checkpoint);
  void ReleaseDrops(GroupId group, Group* pins);

  LogStore* const store_;
  const Post post_;
  Host* const host_;
  const uint64_t part_bytes_;  // About so many in one answer.
  base::MonotonicTime now_;
  std::map<GroupId, Group> groups_;  // Those with pins or held pages.
  uint64_t next_pin_ = 1;
  uint64_t reading_ = 0;  // Requests.
  Counters counters_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_SNAPSHOT_SERVER_H_
