#include "raft/node/memory_disk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {
namespace {

// The bytes of a body as it was proposed, with only what `keep` names of it in its place.
base::Slice Spread(uint32_t body_bytes, const std::vector<BodyExtent>& keep,
                   const base::SliceChain& bytes) {
  if (keep.size() == 1 && keep[0].size == body_bytes) return bytes.Flatten();
  const base::Slice kept = bytes.Flatten();
  std::string whole(body_bytes, '\0');
  size_t at = 0;
  for (const BodyExtent& extent : keep) {
    PONTOON_CHECK(uint64_t{extent.offset} + extent.size <= body_bytes);
    whole.replace(extent.offset, extent.size, kept.data() + at, extent.size);
    at += extent.size;
  }
  PONTOON_CHECK_MSG(at == kept.size(), "the bytes of a body are those of its parts");
  return base::Slice::Copy(whole);
}

}  // namespace

void MemoryDisk::Write(const Task& task) {
  std::visit([this](const auto& t) { WriteTask(t); }, task);
}

void MemoryDisk::WriteTask(const StorageTask& task) {
  Group& group = groups_[task.group];
  if (task.hard_state.has_value()) {
    PONTOON_CHECK(task.hard_state->term >= group.hard_state.term);
    group.hard_state = *task.hard_state;
  }
  if (task.epoch.has_value()) {
    PONTOON_CHECK_MSG(*task.epoch > group.epoch, "a recovery epoch never comes back");
    group.epoch = *task.epoch;
    group.quarantined = false;
    group.ended_through = task.ended_through;
  }
  group.quarantined = group.quarantined || task.quarantine;
  group.ended_through = std::max(group.ended_through, task.ended_through);
  if (task.install != nullptr) WriteInstall(*task.install, &group);
  if (task.truncate_from.has_value()) {
    PONTOON_CHECK(!group.checkpoint.has_value() ||
                  *task.truncate_from > group.checkpoint->applied.index);
    // Bodies of a snapshot that is on its way in may lie behind the last header, and stay.
    for (auto it = group.headers.lower_bound(*task.truncate_from); it != group.headers.end();
         it = group.headers.erase(it)) {
      group.bodies.erase(it->first);
    }
  }
  for (const Entry& entry : task.append) {
    Index last;
    if (group.checkpoint.has_value()) last = group.checkpoint->applied.index;
    if (!group.headers.empty()) last = std::prev(group.headers.end())->first;
    PONTOON_CHECK_MSG(entry.id.index == last + 1 || MutantIs(Mutant::kGapAccepted),
                      "the log has no holes");
    Entry header = entry;
    header.body.Clear();
    header.remains.reset();
    group.headers[entry.id.index] = {std::move(header)};
    group.bodies.erase(entry.id.index);
    if (entry.body.empty()) continue;
    std::vector<BodyExtent> keep = {{0, entry.body_bytes}};
    if (entry.remains != nullptr) keep = entry.remains->kept;
    PutBody(entry.id.index, entry.body_bytes, std::move(keep), entry.body, &group);
  }
  if (task.compact_to.has_value()) {
    PONTOON_CHECK_MSG(
        group.checkpoint.has_value() && group.checkpoint->applied.index >= *task.compact_to,
        "headers go only where a durable checkpoint covers them");
    group.headers.erase(group.headers.begin(), group.headers.upper_bound(*task.compact_to));
  }
}

void MemoryDisk::PutImage(const BodyImage& image, Group* group) {
  std::vector<BodyExtent> keep;
  for (const BodyImage::Extent& extent : image.extents)
    keep.push_back({extent.offset, extent.size});
  PutBody(image.index, image.body_bytes, std::move(keep), image.bytes, group);
}

void MemoryDisk::PutBody(Index index, uint32_t body_bytes, std::vector<BodyExtent> keep,
                         const base::SliceChain& bytes, Group* group) {
  base::Slice whole = Spread(body_bytes, keep, bytes);
  group->bodies[index] = {body_bytes, std::move(keep), std::move(whole), false};
}

// What is gone stays gone, whatever one asks to keep.
void MemoryDisk::CutBody(const BodyCut& cut, Group* group) {
  const auto body = group->bodies.find(cut.index);
  if (body == group->bodies.end()) return;
  std::vector<BodyExtent> left;
  for (const BodyExtent& wanted : cut.keep) {
    for (const BodyExtent& extent : body->second.keep) {
      const uint32_t begin = std::max(wanted.offset, extent.offset);
      const uint32_t end = std::min(wanted.offset + wanted.size, extent.offset + extent.size);
      if (begin < end) left.push_back({begin, end - begin});
    }
  }
  body->second.keep = std::move(left);
}

void MemoryDisk::DropGeneration(uint16_t generation, Group* group) {
  group->pages.erase(group->pages.lower_bound(StoredPage(generation, {0})),
                     group->pages.upper_bound(StoredPage(generation, {kPageIdMax})));
}

void MemoryDisk::WriteInstall(const Install& install, Group* group) {
  const EntryId applied = install.checkpoint.applied;
  PONTOON_CHECK_MSG(!group->checkpoint.has_value() || group->checkpoint->applied < applied,
                    "a snapshot older than what it replaces");
  group->ended_through = std::max(group->ended_through, install.ended_through);
  std::map<Index, Body> live;
  for (const IndexRun& run : install.live_bodies) {
    PONTOON_CHECK_MSG(run.first + run.count <= applied.index + 1, "live before it exists");
    const auto end = group->bodies.lower_bound(run.first + run.count);
    for (auto body = group->bodies.lower_bound(run.first); body != end;)
      live.insert(group->bodies.extract(body++));
  }
  if (MutantIs(Mutant::kSnapshotBesideConflictingLog)) {
    group->headers.erase(group->headers.begin(), group->headers.upper_bound(applied.index));
  } else {
    group->headers.clear();
  }
  group->bodies = std::move(live);
  for (const BodyImage& image : install.cut_bodies) PutImage(image, group);
  if (install.old_page_generation != install.checkpoint.page_generation)
    DropGeneration(install.old_page_generation, group);
  group->checkpoint = install.checkpoint;
  group->checkpoint_damaged = false;
  group->staging.reset();
}

void MemoryDisk::WriteTask(const StateTask& task) {
  Group& group = groups_[task.group];
  group.ended_through = std::max(group.ended_through, task.ended_through);
  if (task.drop_generation.has_value()) DropGeneration(*task.drop_generation, &group);
  if (task.staging.has_value()) group.staging = task.staging;
  for (const BodyImage& image : task.put_bodies) PutImage(image, &group);
  for (const auto& [page, bytes] : task.put_pages) group.pages[page] = {bytes.Flatten()};
  for (const Index index : task.drop_bodies) group.bodies.erase(index);
  for (const BodyCut& cut : task.cut_bodies) CutBody(cut, &group);
  if (task.checkpoint.has_value()) {
    const EntryId applied = task.checkpoint->applied;
    PONTOON_CHECK_MSG(!group.checkpoint.has_value() || group.checkpoint->applied <= applied,
                      "a checkpoint older than the one it replaces");
    const auto header = group.headers.find(applied.index);
    PONTOON_CHECK_MSG((header != group.headers.end() && header->second.entry.id == applied) ||
                          (group.checkpoint.has_value() && group.checkpoint->applied == applied),
                      "a checkpoint is never ahead of the log");
    group.checkpoint = task.checkpoint;
    group.checkpoint_damaged = false;
  }
  for (const PageId page : task.drop_pages) group.pages.erase(page);
}

void MemoryDisk::Sweep() {
  for (auto& [id, group] : groups_) {
    const uint16_t current =
        group.checkpoint.has_value() ? group.checkpoint->page_generation : uint16_t{0};
    // Clang 14 lets no lambda see a structured binding.
    std::erase_if(group.pages, [current, &staging = group.staging](const auto& page) {
      const auto generation = static_cast<uint16_t>(page.first.value >> 48);
      return generation != current && !(staging.has_value() && staging->generation == generation);
    });
    if (group.staging.has_value()) continue;
    Index last;
    if (group.checkpoint.has_value()) last = group.checkpoint->applied.index;
    if (!group.headers.empty()) last = std::max(last, std::prev(group.headers.end())->first);
    group.bodies.erase(group.bodies.upper_bound(last), group.bodies.end());
  }
}

void MemoryDisk::LoseTails(base::Random* random) {
  for (auto& [id, group] : groups_) {
    Index first{1};
    if (group.checkpoint.has_value()) first = group.checkpoint->applied.index + 1;
    std::vector<Index> tail;
    for (auto it = group.headers.lower_bound(first); it != group.headers.end(); ++it)
      tail.push_back(it->first);
    for (uint64_t keep = random->Below(tail.size() + 1); keep < tail.size(); ++keep) {
      group.headers.erase(tail[keep]);
      group.bodies.erase(tail[keep]);
    }
    Term term;
    if (group.checkpoint.has_value()) term = group.checkpoint->applied.term;
    if (!group.headers.empty())
      term = std::max(term, std::prev(group.headers.end())->second.entry.id.term);
    group.hard_state = {term, std::nullopt};
    group.quarantined = true;
  }
}

}  // namespace pontoon::raft
