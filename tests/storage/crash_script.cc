#include "tests/storage/crash_script.h"

#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/node/memory_log_store.h"
#include "storage/test_support.h"

namespace pontoon::raft {
namespace {

constexpr GroupId kFirst{1};
constexpr GroupId kSecond{2};

std::string BodyOf(GroupId group, uint64_t index) {
  std::string body = absl::StrCat("<body ", group.value, " ", index, ">");
  body.resize(2000, 'b');
  return body;
}

class Builder {
 public:
  Builder& Step(std::string name) {
    steps_.push_back({std::move(name), {}});
    return *this;
  }
  StorageTask Storage(GroupId group) {
    StorageTask task;
    task.group = group;
    task.seq = IoSeq{++seq_};
    return task;
  }
  StorageTask Append(GroupId group, uint64_t term, uint64_t from, uint64_t to) {
    StorageTask task = Storage(group);
    for (uint64_t i = from; i <= to; ++i) {
      task.append.push_back(
          storage::testing::MakeEntry(term, i, absl::StrCat("<header ", i, ">"), BodyOf(group, i)));
    }
    return task;
  }
  void Add(MemoryDisk::Task task) { steps_.back().tasks.push_back(std::move(task)); }
  std::vector<CrashStep> Take() { return std::move(steps_); }

 private:
  std::vector<CrashStep> steps_;
  uint64_t seq_ = 0;
};

BodyImage ImageOf(uint64_t index) {
  const std::string body = BodyOf(kFirst, index);
  BodyImage image;
  image.index = Index{index};
  image.body_bytes = static_cast<uint32_t>(body.size());
  image.extents = {{0, image.body_bytes, base::Crc32c(body)}};
  image.bytes = base::SliceChain(base::Slice::Copy(body));
  return image;
}

void PutPages(uint16_t generation, StateTask* task) {
  for (uint64_t id = 1; id <= 3; ++id) {
    const std::string page =
        absl::StrCat("<page ", generation, " ", id, ">", std::string(3000, 'p'));
    task->put_pages.emplace_back(StoredPage(generation, {id}),
                                 base::SliceChain(base::Slice::Copy(page)));
  }
}

std::vector<CrashStep> MakeScript() {
  Builder builder;
  builder.Step("append");
  StorageTask storage = builder.Append(kFirst, 1, 1, 20);
  storage.hard_state = HardState{{1}, ReplicaId{{7}, 1}};
  builder.Add(std::move(storage));

  builder.Step("quarantine");
  builder.Add(builder.Append(kSecond, 1, 1, 10));
  storage = builder.Storage(kSecond);
  storage.quarantine = true;
  builder.Add(std::move(storage));

  builder.Step("checkpoint");
  StateTask state;
  state.group = kFirst;
  PutPages(0, &state);
  state.drop_bodies = {Index{1}, Index{2}};
  state.checkpoint = Checkpoint{{{1}, {12}}, {.voters = {{{7}, 1}}}, "<root 12>"};
  builder.Add(std::move(state));
  builder.Add(builder.Append(kSecond, 1, 11, 11));

  builder.Step("truncate");
  storage = builder.Append(kFirst, 2, 18, 30);
  storage.truncate_from = Index{18};
  storage.hard_state = HardState{{2}, std::nullopt};
  storage.compact_to = Index{12};
  builder.Add(std::move(storage));

  builder.Step("staging");
  state = StateTask();
  state.group = kFirst;
  state.drop_generation = 1;
  state.staging = Staging{.sender = {{9}, 1}, .sender_generation = 4, .generation = 1};
  state.ended_through = Index{6};
  PutPages(1, &state);
  builder.Add(std::move(state));
  state = StateTask();
  state.group = kFirst;
  state.put_bodies = {ImageOf(35), ImageOf(38)};
  builder.Add(std::move(state));
  builder.Add(builder.Append(kSecond, 1, 12, 12));

  builder.Step("install");
  auto install = std::make_shared<Install>();
  install->checkpoint = Checkpoint{{{2}, {40}}, {.voters = {{{7}, 1}, {{9}, 1}}}, "<root 40>"};
  install->checkpoint.page_generation = 1;
  install->live_bodies = {{Index{5}, 2}, {Index{35}, 1}};
  install->ended_through = Index{39};
  storage = builder.Append(kFirst, 3, 41, 41);
  storage.install = std::move(install);
  builder.Add(std::move(storage));

  builder.Step("append behind");
  builder.Add(builder.Append(kFirst, 3, 42, 50));
  return builder.Take();
}

std::string Told(const absl::Status& status) {
  return absl::IsNotFound(status) ? "" : absl::StrCat(" ", absl::StatusCodeToString(status.code()));
}

}  // namespace

const std::vector<CrashStep>& CrashScript() {
  static const auto* const script = new std::vector<CrashStep>(MakeScript());
  return *script;
}

size_t TasksOf(size_t steps) {
  size_t tasks = 0;
  for (size_t i = 0; i < steps; ++i) tasks += CrashScript()[i].tasks.size();
  return tasks;
}

std::vector<std::string> DumpGroups(LogStore* store) {
  auto* const memory = dynamic_cast<MemoryLogStore*>(store);
  const auto answer = [&](auto&& future) {
    if (memory != nullptr) memory->AnswerReads();
    return future.get();
  };
  std::vector<std::string> lines;
  for (const GroupId id : {kFirst, kSecond}) {
    const std::string group = absl::StrCat("group ", id.value);
    const absl::StatusOr<RecoveredGroup> found = store->RecoverBlocking(id);
    if (!found.ok()) {
      lines.push_back(absl::StrCat(group, Told(found.status())));
    } else {
      const HardState& hard = found->hard_state;
      lines.push_back(absl::StrCat(
          group, " term ", hard.term.value, hard.vote.has_value() ? " voted" : "", " epoch ",
          found->epoch.value, found->quarantined ? " quarantined" : "", " ended ",
          found->ended_through.value, found->staging.has_value() ? " staging" : ""));
      if (found->checkpoint.has_value()) {
        const Checkpoint& checkpoint = *found->checkpoint;
        lines.push_back(absl::StrCat(group, " checkpoint ", checkpoint.applied.index.value, " ",
                                     checkpoint.root, " ", checkpoint.page_generation, " ",
                                     checkpoint.membership.voters.size()));
      }
      for (const Entry& entry : found->entries) {
        lines.push_back(absl::StrCat(group, " entry ", entry.id.term.value, " ",
                                     entry.id.index.value, " ", entry.header.Flatten().view()));
      }
    }
    std::vector<Index> indexes;
    for (uint64_t i = 1; i <= 60; ++i) indexes.push_back(Index{i});
    std::promise<std::vector<absl::StatusOr<BodyImage>>> bodies;
    store->ReadBodyImages(id, indexes, /*with_bytes=*/true,
                          [&](auto images) { bodies.set_value(std::move(images)); });
    const auto images = answer(bodies.get_future());
    for (size_t i = 0; i < images.size(); ++i) {
      if (absl::IsNotFound(images[i].status())) continue;
      lines.push_back(absl::StrCat(
          group, " body ", indexes[i].value,
          images[i].ok() ? absl::StrCat(" ", images[i]->bytes.Flatten().view().substr(0, 12), " ",
                                        FingerprintOf(*images[i]))
                         : Told(images[i].status())));
    }
    for (const uint16_t generation : {0, 1}) {
      for (uint64_t page = 1; page <= 3; ++page) {
        std::promise<absl::StatusOr<base::Slice>> promise;
        store->ReadPage(id, StoredPage(generation, {page}),
                        [&](auto slice) { promise.set_value(std::move(slice)); });
        const absl::StatusOr<base::Slice> slice = answer(promise.get_future());
        if (absl::IsNotFound(slice.status())) continue;
        lines.push_back(absl::StrCat(group, " page ", generation, " ", page,
                                     slice.ok() ? absl::StrCat(" ", slice->view().substr(0, 10),
                                                               " ", base::Crc32c(slice->view()))
                                                : Told(slice.status())));
      }
    }
  }
  return lines;
}

std::vector<std::string> ExpectedDump(size_t tasks) {
  struct Nobody final : StorageEvents {
    void OnStorageDone(GroupId, IoSeq) override {}
    void OnCheckpointDurable(GroupId, EntryId) override {}
  } nobody;
  MemoryDisk disk;
  for (const CrashStep& step : CrashScript()) {
    for (const MemoryDisk::Task& task : step.tasks) {
      if (tasks == 0) break;
      disk.Write(task);
      --tasks;
    }
  }
  MemoryLogStore store(&nobody);
  store.PutBack(disk, &nobody);
  return DumpGroups(&store);
}

}  // namespace pontoon::raft
