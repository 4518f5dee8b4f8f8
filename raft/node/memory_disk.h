#ifndef PONTOON_RAFT_NODE_MEMORY_DISK_H_
#define PONTOON_RAFT_NODE_MEMORY_DISK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/random.h"
#include "raft/core/log_store.h"

namespace pontoon::raft {

// What all groups of a node have on a disk in memory: what tasks do to it and what can be read
// from it (raft/core/log_store.h). Copied by value. It trusts nobody: a task out of order, a gap in
// the log, or headers dropped that no checkpoint covers are failed checks here.
class MemoryDisk {
 public:
  using Task = std::variant<StorageTask, StateTask>;
  void Write(const Task& task);
  // All of this group goes.
  void Drop(GroupId group) { groups_.erase(group); }
  // What a start does before anything is recovered: pages and bodies that a snapshot left which was
  // given up go away.
  void Sweep();

  absl::StatusOr<base::Slice> ReadBody(GroupId group, const BodyRead& read) const;
  absl::StatusOr<base::Slice> ReadPage(GroupId group, PageId page) const;
  absl::StatusOr<std::vector<Entry>> ReadEntries(GroupId group, Index from, Index to,
                                                 uint64_t bytes_max) const;
  absl::StatusOr<BodyImage> ReadBodyImage(GroupId group, Index index, bool with_bytes) const;
  absl::StatusOr<Checkpoint> ReadCheckpoint(GroupId group) const;
  absl::StatusOr<RecoveredGroup> Recover(GroupId group) const;

  // Reading it is DataLoss from now on, until it is written anew. False: it is not there.
  bool DamageBody(GroupId group, Index index);
  bool DamageHeader(GroupId group, Index index);
  bool DamagePage(GroupId group, PageId page);
  bool DamageCheckpoint(GroupId group);
  // What is left once somebody has accepted that what was vouched for is gone: of each group a log
  // that ends somewhere behind its checkpoint, no vote, and the word that it is quarantined.
  void LoseTails(base::Random* random);

  bool HasBody(GroupId group, Index index) const;
  uint64_t body_bytes() const;
  std::vector<PageId> pages(GroupId group) const;
  std::vector<EntryId> headers(GroupId group) const;
  std::vector<GroupId> groups() const;

 private:
  struct Body {
    uint32_t body_bytes = 0;  // As it was proposed.
    std::vector<BodyExtent> keep;
    base::Slice bytes;  // As it was proposed; only what `keep` names is there.
    bool damaged = false;
  };
  struct Header {
    Entry entry;  // Without its body.
    bool damaged = false;
  };
  struct Page {
    base::Slice bytes;
    bool damaged = false;
  };
  struct Group {
    HardState hard_state;
    base::RecoveryEpoch epoch;
    bool quarantined = false;
    Index ended_through;
    std::optional<Staging> staging;
    std::optional<Checkpoint> checkpoint;
    bool checkpoint_damaged = false;
    std::map<Index, Header> headers;
    std::map<Index, Body> bodies;
    std::map<PageId, Page> pages;
  };

  void WriteTask(const StorageTask& task);
  void WriteTask(const StateTask& task);
  static void WriteInstall(const Install& install, Group* group);
  static void PutImage(const BodyImage& image, Group* group);
  static void PutBody(Index index, uint32_t body_bytes, std::vector<BodyExtent> keep,
                      const base::SliceChain& bytes, Group* group);
  static void CutBody(const BodyCut& cut, Group* group);
  static void DropGeneration(uint16_t generation, Group* group);
  const Group* Find(GroupId group) const;

  std::map<GroupId, Group> groups_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_MEMORY_DISK_H_
