#include "raft/node/test_machine.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"

namespace pontoon::raft {
namespace {

constexpr char kPut = 1;
constexpr char kSettle = 2;
constexpr char kRootVersion = 1;

template <typename T>
void PutInt(std::string* out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// False, and `*in` as it was, if it is too short.
template <typename T>
bool TakeInt(absl::string_view* in, T* value) {
  if (in->size() < sizeof(T)) return false;
  uint64_t read = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    read |= uint64_t{static_cast<unsigned char>((*in)[i])} << (8 * i);
  *value = static_cast<T>(read);
  in->remove_prefix(sizeof(T));
  return true;
}

absl::Status Damaged() { return absl::DataLossError("the root of a test's checkpoint is damaged"); }

}  // namespace

Entry TestMachine::Put(const std::vector<std::string>& messages) {
  PONTOON_CHECK(!messages.empty() && messages.size() <= kMessagesPerEntryMax);
  std::string header(1, kPut);
  base::SliceChain body;
  PutInt<uint32_t>(&header, messages.size());
  for (const std::string& message : messages) {
    PONTOON_CHECK(!message.empty());
    PutInt<uint32_t>(&header, message.size());
    PutInt<uint32_t>(&header, base::Crc32c(message));
    body.Append(base::Slice::Copy(message));
  }
  return MakeEntry(base::SliceChain(base::Slice::Copy(header)), std::move(body));
}

Entry TestMachine::Settle(const std::vector<MessageRef>& messages) {
  std::string header(1, kSettle);
  PutInt<uint32_t>(&header, messages.size());
  for (const MessageRef& ref : messages) {
    PutInt<uint64_t>(&header, ref.index.value);
    PutInt<uint32_t>(&header, ref.message);
  }
  return MakeEntry(base::SliceChain(base::Slice::Copy(header)));
}

TestMachine::TestMachine(const std::optional<Checkpoint>& checkpoint) {
  if (checkpoint.has_value()) TestMachine::Install(*checkpoint);
}

void TestMachine::Note(uint64_t value) {
  digest_ = (digest_ ^ value) * 0x9E3779B97F4A7C15ull;
  digest_ ^= digest_ >> 29;
}

void TestMachine::Apply(absl::Span<const Entry> committed) {
  for (const Entry& entry : committed) {
    PONTOON_CHECK(entry.kind == EntryKind::kNormal);
    PONTOON_CHECK_MSG(entry.id.index > last_, "applied twice, or out of order");
    last_ = entry.id.index;
    Note(entry.id.index.value);
    Note(entry.id.term.value);
    Note(base::Crc32c(entry.header));
    const base::Slice header = entry.header.Flatten();
    absl::string_view command = header.view();
    if (command.empty()) continue;
    const char kind = command.front();
    command.remove_prefix(1);
    if (kind == kPut) ApplyPut(entry, command);
    if (kind == kSettle) ApplySettle(command);
  }
}

void TestMachine::ApplyPut(const Entry& entry, absl::string_view command) {
  uint32_t count = 0;
  PONTOON_CHECK(TakeInt(&command, &count));
  Held held;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Held::Part part;
    PONTOON_CHECK(TakeInt(&command, &part.size) && TakeInt(&command, &part.crc));
    bytes += part.size;
    held.parts.push_back(part);
  }
  PONTOON_CHECK_MSG(bytes == entry.body_bytes, "the header of another body");
  held_.emplace(entry.id.index, std::move(held));
}

void TestMachine::ApplySettle(absl::string_view command) {
  uint32_t count = 0;
  PONTOON_CHECK(TakeInt(&command, &count));
  for (uint32_t i = 0; i < count; ++i) {
    MessageRef ref;
    PONTOON_CHECK(TakeInt(&command, &ref.index.value) && TakeInt(&command, &ref.message));
    const auto held = held_.find(ref.index);
    // One that was settled before changes nothing, as in a shard.
    if (held == held_.end() || ref.message >= held->second.parts.size()) continue;
    std::vector<Held::Part>& parts = held->second.parts;
    if (!parts[ref.message].live) continue;
    parts[ref.message].live = false;
    Note(ref.index.value << 8 | ref.message);
    if (std::none_of(parts.begin(), parts.end(), [](const auto& part) { return part.live; })) {
      cut_bodies_.erase(ref.index);
      drop_bodies_.push_back(ref.index);
      held_.erase(held);
    } else {
      cut_bodies_.insert(ref.index);
    }
  }
}

std::optional<StateTask> TestMachine::TakeStateTask(GroupId group) {
  if (drop_bodies_.empty() && cut_bodies_.empty()) return std::nullopt;
  StateTask task;
  task.group = group;
  task.drop_bodies = std::exchange(drop_bodies_, {});
  task.ended_through = last_;
  for (const Index index : std::exchange(cut_bodies_, {})) {
    BodyCut keep{index, {}};
    uint32_t offset = 0;
    for (const Held::Part& part : held_.at(index).parts) {
      if (part.live) {
        if (!keep.keep.empty() && keep.keep.back().offset + keep.keep.back().size == offset) {
          keep.keep.back().size += part.size;
        } else {
          keep.keep.push_back({offset, part.size});
        }
      }
      offset += part.size;
    }
    task.cut_bodies.push_back(std::move(keep));
  }
  return task;
}

StateTask TestMachine::MakeCheckpoint(GroupId group, EntryId applied, bool keep_pages) {
  StateTask task;
  task.group = group;
  std::map<PageId, uint32_t> named;
  if (keep_pages) named = pages_;
  std::vector<Index> unpaged;
  for (const auto& [index, held] : held_) {
    if (held.page.value != 0) {
      named[held.page] = pages_.at(held.page);
    } else {
      unpaged.push_back(index);
    }
  }
  size_t next = 0;
  for (; unpaged.size() - next >= kEntriesPerPage + kUnpagedEntries; next += kEntriesPerPage) {
    const PageId page{next_page_++};
    std::string bytes = absl::StrCat("page ", page.value, ":");
    for (size_t i = next; i < next + kEntriesPerPage; ++i) {
      Held& held = held_.at(unpaged[i]);
      held.page = page;
      absl::StrAppend(&bytes, " ", unpaged[i].value);
      for (const Held::Part& part : held.parts) absl::StrAppend(&bytes, "/", part.crc);
    }
    named[page] = base::Crc32c(bytes);
    task.put_pages.emplace_back(page, base::SliceChain(base::Slice::Copy(bytes)));
  }
  for (const auto& [page, crc] : pages_) {
    if (!named.contains(page)) task.drop_pages.push_back(page);
  }
  pages_ = std::move(named);
  task.checkpoint = Checkpoint{.applied = applied, .membership = {}, .root = WriteRoot()};
  return task;
}

std::string TestMachine::WriteRoot() const {
  std::string root(1, kRootVersion);
  PutInt<uint64_t>(&root, last_.value);
  PutInt<uint64_t>(&root, digest_);
  PutInt<uint64_t>(&root, next_page_);
  PutInt<uint32_t>(&root, pages_.size());
  for (const auto& [page, crc] : pages_) {
    PutInt<uint64_t>(&root, page.value);
    PutInt<uint32_t>(&root, crc);
  }
  PutInt<uint32_t>(&root, held_.size());
  for (const auto& [index, held] : held_) {
    PutInt<uint64_t>(&root, index.value);
    PutInt<uint64_t>(&root, held.page.value);
    PutInt<uint8_t>(&root, static_cast<uint8_t>(held.parts.size()));
    for (const Held::Part& part : held.parts) {
      PutInt<uint32_t>(&root, part.size);
      PutInt<uint32_t>(&root, part.crc);
      root.push_back(part.live ? 1 : 0);
    }
  }
  PutInt<uint32_t>(&root, base::Crc32c(root));
  return root;
}

absl::Status TestMachine::ReadRoot(absl::string_view root) {
  if (root.size() < 5) return Damaged();
  if (root.front() != kRootVersion) return absl::FailedPreconditionError("of a newer version");
  absl::string_view tail = root.substr(root.size() - 4);
  root.remove_suffix(4);
  uint32_t crc = 0;
  (void)TakeInt(&tail, &crc);
  if (crc != base::Crc32c(root)) return Damaged();
  root.remove_prefix(1);
  uint32_t pages = 0;
  if (!TakeInt(&root, &last_.value) || !TakeInt(&root, &digest_) || !TakeInt(&root, &next_page_) ||
      !TakeInt(&root, &pages))
    return Damaged();
  for (; pages > 0; --pages) {
    PageId page;
    uint32_t page_crc = 0;
    if (!TakeInt(&root, &page.value) || !TakeInt(&root, &page_crc)) return Damaged();
    pages_[page] = page_crc;
  }
  uint32_t entries = 0;
  if (!TakeInt(&root, &entries)) return Damaged();
  for (; entries > 0; --entries) {
    Index index;
    Held held;
    uint8_t parts = 0;
    if (!TakeInt(&root, &index.value) || !TakeInt(&root, &held.page.value) ||
        !TakeInt(&root, &parts))
      return Damaged();
    for (; parts > 0; --parts) {
      Held::Part part;
      uint8_t live = 0;
      if (!TakeInt(&root, &part.size) || !TakeInt(&root, &part.crc) || !TakeInt(&root, &live))
        return Damaged();
      part.live = live != 0;
      held.parts.push_back(part);
    }
    held_.emplace(index, std::move(held));
  }
  return absl::OkStatus();
}

void TestMachine::Install(const Checkpoint& checkpoint) {
  PONTOON_CHECK_MSG(!leading_.has_value(), "a leader takes over nobody's snapshot");
  last_ = {};
  held_.clear();
  pages_.clear();
  drop_bodies_.clear();
  cut_bodies_.clear();
  PONTOON_CHECK(ReadRoot(checkpoint.root).ok());
}

absl::StatusOr<StateMachine::Contents> TestMachine::ListContents(absl::string_view root) const {
  TestMachine other;
  if (absl::Status read = other.ReadRoot(root); !read.ok()) return read;
  Contents contents;
  for (const auto& [page, crc] : other.pages_) contents.pages.push_back(page);
  for (const auto& [index, held] : other.held_) {
    if (contents.bodies.empty() ||
        contents.bodies.back().first + contents.bodies.back().count != index)
      contents.bodies.push_back({index, 0});
    ++contents.bodies.back().count;
  }
  return contents;
}

std::vector<TestMachine::LiveMessage> TestMachine::live_messages() const {
  std::vector<LiveMessage> live;
  for (const auto& [index, held] : held_) {
    uint32_t offset = 0;
    for (uint32_t i = 0; i < held.parts.size(); ++i) {
      const Held::Part& part = held.parts[i];
      if (part.live) live.push_back({{index, i}, {offset, part.size}, part.crc});
      offset += part.size;
    }
  }
  return live;
}

std::vector<std::pair<PageId, uint32_t>> TestMachine::pages() const {
  return {pages_.begin(), pages_.end()};
}

}  // namespace pontoon::raft
