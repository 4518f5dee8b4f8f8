#include "raft/node/snapshot_server.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {
namespace {

// Their sizes are not known before they are read: few enough that what does not fit any more into
// an answer is little.
constexpr size_t kPagesAtOnce = 4;

uint64_t BytesOf(const BodyImage& image) {
  uint64_t bytes = 0;
  for (const BodyImage::Extent& extent : image.extents) bytes += extent.size;
  return bytes;
}

// What an answer repeats of its request.
SnapshotPart AnswerTo(const SnapshotPart& request) {
  SnapshotPart part;
  part.kind = request.kind;
  part.request = request.request;
  part.checkpoint = request.checkpoint;
  part.offset = request.offset;
  return part;
}

// Whether some fetcher could ask this.
bool IsPossible(const SnapshotPart& request) {
  switch (request.kind) {
    case SnapshotPart::Kind::kRoot:
      return request.offset == 0 || request.checkpoint != EntryId{};
    case SnapshotPart::Kind::kPages:
      return !request.pages.empty() && request.pages.size() <= kSnapshotItemsMax &&
             std::all_of(request.pages.begin(), request.pages.end(),
                         [](PageId page) { return page.value <= kPageIdMax; });
    case SnapshotPart::Kind::kBodies:
      return !request.bodies.empty() && request.bodies.size() <= kSnapshotItemsMax &&
             std::all_of(request.bodies.begin(), request.bodies.end(),
                         [&request](const BodyWanted& wanted) {
                           return wanted.index > Index{0} &&
                                  wanted.index <= request.checkpoint.index;
                         });
  }
  return false;
}

}  // namespace

// A request for pages that is being answered.
struct SnapshotServer::PageJob {
  GroupId group;
  ReplicaId from;
  uint64_t pin;
  uint16_t generation;
  std::vector<PageId> pages;
  SnapshotPart answer;
  uint64_t bytes = 0;
  std::vector<absl::StatusOr<base::Slice>> read;  // The next few of them.
  size_t unread = 0;
};

struct SnapshotServer::BodyJob {
  GroupId group;
  ReplicaId from;
  std::vector<BodyWanted> wanted;
  SnapshotPart answer;
  std::vector<Index> to_read;  // The kBytes in `answer`, in order.
};

SnapshotServer::SnapshotServer(LogStore* store, Post post, Host* host, uint64_t part_bytes)
    : store_(store), post_(std::move(post)), host_(host), part_bytes_(part_bytes) {}

template <typename Result>
std::function<void(Result)> SnapshotServer::OnLoop(std::function<void(Result)> done) const {
  return raft::OnLoop(post_, alive_, std::move(done));
}

bool SnapshotServer::OnRequest(GroupId group, const ReplicaId& from, const SnapshotPart& request) {
  ++counters_.requests;
  if (!IsPossible(request)) {
    ++counters_.invalid;
    return false;
  }
  const std::optional<Source> source = host_->FindSource(group);
  if (!source.has_value()) return true;
  // Until it has applied what its own bodies were settled by, it feeds no one (design section 4).
  if (source->applied < source->ended_through) {
    ++counters_.not_ready;
    return true;
  }
  switch (request.kind) {
    case SnapshotPart::Kind::kRoot:
      OnRootRequest(group, *source, from, request);
      break;
    case SnapshotPart::Kind::kPages:
      OnPagesRequest(group, from, request);
      break;
    case SnapshotPart::Kind::kBodies:
      OnBodiesRequest(group, *source, from, request);
      break;
  }
  return true;
}

SnapshotServer::Pin* SnapshotServer::FindPin(GroupId group, EntryId checkpoint) {
  const auto pins = groups_.find(group);
  if (pins == groups_.end()) return nullptr;
  for (Pin& pin : pins->second.pins) {
    if (!pin.loading && pin.checkpoint.applied == checkpoint) return &pin;
  }
  return nullptr;
}

void SnapshotServer::OnRootRequest(GroupId group, const Source& source, const ReplicaId& from,
                                   const SnapshotPart& request) {
  if (request.checkpoint != EntryId{}) {
    Pin* pin = FindPin(group, request.checkpoint);
    if (pin == nullptr) return SendGone(group, from, request);
    if (request.offset >= pin->root.size()) {
      ++counters_.invalid;  // Of that root.
      return;
    }
    pin->used = now_;
    return SendRoot(group, from, *pin, request.request, request.offset);
  }
  if (source.checkpoint == EntryId{}) return SendGone(group, from, request);
  if (Pin* pin = FindPin(group, source.checkpoint); pin != nullptr) {
    pin->used = now_;
    return SendRoot(group, from, *pin, request.request, 0);
  }
  Group* pins = &groups_[group];
  for (Pin& pin : pins->pins) {
    if (!pin.loading) continue;
    if (pin.waiting.size() < kSnapshotItemsMax) pin.waiting.push_back({from, request.request});
    return;
  }
  Load(group, pins, {from, request.request});
}

void SnapshotServer::Load(GroupId group, Group* pins, Waiting first) {
  if (pins->pins.size() >= kPinsMax) {
    pins->pins.erase(std::min_element(pins->pins.begin(), pins->pins.end(),
                                      [](const Pin& a, const Pin& b) { return a.used < b.used; }));
  }
  const uint64_t id = next_pin_++;
  pins->pins.push_back({.id = id,
                        .loading = true,
                        .checkpoint = {},
                        .root = {},
                        .root_crc = 0,
                        .used = now_,
                        .waiting = {first}});
  store_->ReadCheckpoint(group, OnLoop<absl::StatusOr<Checkpoint>>(
                                    [this, group, id](absl::StatusOr<Checkpoint> checkpoint) {
                                      OnLoaded(group, id, std::move(checkpoint));
                                    }));
}

void SnapshotServer::OnLoaded(GroupId group, uint64_t id, absl::StatusOr<Checkpoint> checkpoint) {
  const auto pins = groups_.find(group);
  if (pins == groups_.end()) return;
  const auto pin = std::find_if(pins->second.pins.begin(), pins->second.pins.end(),
                                [id](const Pin& pin) { return pin.id == id; });
  if (pin == pins->second.pins.end()) return;
  const std::optional<Source> source = host_->FindSource(group);
  // What is not known to be durable may be undone by a crash, and its pages' ids used again.
  if (!source.has_value() || !checkpoint.ok() ||
      (checkpoint->applied.index > source->checkpoint.index &&
       !MutantIs(Mutant::kServesUnsyncedCheckpoint))) {
    counters_.not_ready += pin->waiting.size();
    pins->second.pins.erase(pin);
    return ReleaseDrops(group, &pins->second);
  }
  pin->loading = false;
  pin->used = now_;
  pin->root = base::Slice::Copy(checkpoint->root);
  pin->root_crc = base::Crc32c(pin->root.view());
  checkpoint->root.clear();
  pin->checkpoint = *std::move(checkpoint);
  for (const Waiting& waiting : std::exchange(pin->waiting, {}))
    SendRoot(group, waiting.from, *pin, waiting.request, 0);
}

void SnapshotServer::SendRoot(GroupId group, const ReplicaId& to, const Pin& pin, uint64_t request,
                              uint64_t offset) {
  SnapshotPart part;
  part.kind = SnapshotPart::Kind::kRoot;
  part.request = request;
  part.checkpoint = pin.checkpoint.applied;
  part.offset = offset;
  part.root_bytes = pin.root.size();
  part.root_crc = pin.root_crc;
  part.membership = pin.checkpoint.membership;
  part.page_generation = pin.checkpoint.page_generation;
  part.root.Append(pin.root.Sub(offset, std::min<uint64_t>(part_bytes_, pin.root.size() - offset)));
  Send(group, to, std::move(part));
}

void SnapshotServer::SendGone(GroupId group, const ReplicaId& to, const SnapshotPart& request) {
  ++counters_.gone;
  SnapshotPart part = AnswerTo(request);
  part.gone = true;
  Send(group, to, std::move(part));
}

void SnapshotServer::Send(GroupId group, const ReplicaId& to, SnapshotPart part) {
  ++counters_.parts;
  host_->SendPart(group, to, std::move(part));
}

bool SnapshotServer::Begin() {
  if ((reading_ + 1) * kSnapshotPartBytes > kReadingBytesMax) {
    ++counters_.busy;
    return false;
  }
  ++reading_;
  return true;
}

void SnapshotServer::OnPagesRequest(GroupId group, const ReplicaId& from,
                                    const SnapshotPart& request) {
  Pin* pin = FindPin(group, request.checkpoint);
  if (pin == nullptr) return SendGone(group, from, request);
  pin->used = now_;
  if (!Begin()) return;
  auto job = std::make_shared<PageJob>();
  job->group = group;
  job->from = from;
  job->pin = pin->id;
  job->generation = pin->checkpoint.page_generation;
  job->pages = request.pages;
  job->answer = AnswerTo(request);
  ReadPages(job);
}

void SnapshotServer::ReadPages(const std::shared_ptr<PageJob>& job) {
  const size_t begin = job->answer.page_bytes.size();
  const size_t count = std::min(kPagesAtOnce, job->pages.size() - begin);
  job->read.assign(count, absl::UnknownError("not read yet"));
  job->unread = count;
  for (size_t i = 0; i < count; ++i) {
    store_->ReadPage(
        job->group, StoredPage(job->generation, job->pages[begin + i]),
        OnLoop<absl::StatusOr<base::Slice>>([this, job, i](absl::StatusOr<base::Slice> page) {
          job->read[i] = std::move(page);
          if (--job->unread == 0) OnPagesRead(job);
        }));
  }
}

void SnapshotServer::OnPagesRead(const std::shared_ptr<PageJob>& job) {
  // What was read after the pin was gone may be of another checkpoint.
  const Pin* pin = FindPin(job->group, job->answer.checkpoint);
  bool failed = pin == nullptr || pin->id != job->pin;
  std::vector<base::SliceChain>& pages = job->answer.page_bytes;
  if (failed) pages.clear();
  for (size_t i = 0; i < job->read.size() && !failed && job->bytes < part_bytes_; ++i) {
    if (!job->read[i].ok()) {
      failed = true;
      break;
    }
    job->bytes += job->read[i]->size();
    pages.emplace_back(*std::move(job->read[i]));
  }
  if (!failed && pages.size() < job->pages.size() && job->bytes < part_bytes_)
    return ReadPages(job);
  End();
  if (pages.empty()) return SendGone(job->group, job->from, job->answer);
  Send(job->group, job->from, std::move(job->answer));
}

void SnapshotServer::OnBodiesRequest(GroupId group, const Source& source, const ReplicaId& from,
                                     const SnapshotPart& request) {
  // It does not have those entries, or others in their places. The one from whom the checkpoint
  // came may be dead, and the receiver the one without whom nothing more is applied here.
  if (source.applied < request.checkpoint.index) {
    ++counters_.not_ready;
    return SendGone(group, from, request);
  }
  if (!Begin()) return;
  auto job = std::make_shared<BodyJob>();
  job->group = group;
  job->from = from;
  job->wanted = request.bodies;
  job->answer = AnswerTo(request);
  std::vector<Index> indexes;
  for (const BodyWanted& wanted : request.bodies) indexes.push_back(wanted.index);
  store_->ReadBodyImages(
      group, std::move(indexes), false,
      OnLoop<Images>([this, job](const Images& images) { OnBodiesCompared(job, images); }));
}

void SnapshotServer::OnBodiesCompared(const std::shared_ptr<BodyJob>& job, const Images& images) {
  const std::optional<Source> source = host_->FindSource(job->group);
  if (!source.has_value()) return End();
  uint64_t bytes = 0;
  for (size_t i = 0; i < images.size() && bytes < part_bytes_; ++i) {
    BodyAnswer answer;
    answer.index = job->wanted[i].index;
    if (absl::IsNotFound(images[i].status())) {
      if (source->machine->NeedsBody(answer.index)) {
        ++counters_.unreadable;
        break;
      }
      answer.kind = BodyAnswer::Kind::kEnded;
      answer.ended = source->applied;
    } else if (!images[i].ok()) {
      ++counters_.unreadable;
      break;
    } else if (FingerprintOf(*images[i]) == job->wanted[i].fingerprint) {
      answer.kind = BodyAnswer::Kind::kSame;
      // What is cut off was settled, but perhaps not yet at the checkpoint.
      if (!IsWhole(*images[i])) answer.ended = source->applied;
    } else {
      if (bytes > 0 && bytes + BytesOf(*images[i]) > part_bytes_) break;
      bytes += BytesOf(*images[i]);
      answer.kind = BodyAnswer::Kind::kBytes;
      job->to_read.push_back(answer.index);
    }
    job->answer.body_answers.push_back(std::move(answer));
  }
  if (job->to_read.empty()) return OnBodiesRead(job, {});
  store_->ReadBodyImages(job->group, job->to_read, true, OnLoop<Images>([this, job](Images images) {
                           OnBodiesRead(job, std::move(images));
                         }));
}

void SnapshotServer::OnBodiesRead(const std::shared_ptr<BodyJob>& job, Images images) {
  End();
  const std::optional<Source> source = host_->FindSource(job->group);
  if (!source.has_value()) return;
  std::vector<BodyAnswer>& answers = job->answer.body_answers;
  size_t read = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].kind != BodyAnswer::Kind::kBytes) continue;
    absl::StatusOr<BodyImage>& image = images[read++];
    if (image.ok()) {
      // It may have been cut, or settled, since it was compared.
      if (!IsWhole(*image)) answers[i].ended = source->applied;
      answers[i].image = *std::move(image);
    } else if (absl::IsNotFound(image.status()) && !source->machine->NeedsBody(answers[i].index)) {
      answers[i].kind = BodyAnswer::Kind::kEnded;
      answers[i].ended = source->applied;
    } else {
      ++counters_.unreadable;
      answers.resize(i);
    }
  }
  if (answers.empty()) return;
  Send(job->group, job->from, std::move(job->answer));
}

void SnapshotServer::Tick(base::MonotonicTime now) {
  now_ = now;
  for (auto it = groups_.begin(); it != groups_.end();) {
    Group& pins = it->second;
    std::erase_if(pins.pins,
                  [this](const Pin& pin) { return !pin.loading && now_ - pin.used > kPinnedFor; });
    ReleaseDrops(it->first, &pins);
    it = pins.pins.empty() && pins.held.empty() ? groups_.erase(it) : std::next(it);
  }
}

std::vector<PageId> SnapshotServer::HoldDrops(GroupId group, std::vector<PageId> pages) {
  const auto pins = groups_.find(group);
  if (pages.empty() || pins == groups_.end() || pins->second.pins.empty()) return pages;
  counters_.page_drops_held += pages.size();
  pins->second.held.push_back({pins->second.pins.back().id, std::move(pages)});
  return {};
}

void SnapshotServer::ReleaseDrops(GroupId group, Group* pins) {
  StateTask task;
  task.group = group;
  while (!pins->held.empty() &&
         (pins->pins.empty() || pins->held.front().last_pin < pins->pins.front().id)) {
    std::vector<PageId>& pages = pins->held.front().pages;
    task.drop_pages.insert(task.drop_pages.end(), pages.begin(), pages.end());
    pins->held.pop_front();
  }
  if (!task.drop_pages.empty()) host_->SubmitDrops(std::move(task));
}

bool SnapshotServer::IsPinned(GroupId group) const {
  const auto pins = groups_.find(group);
  return pins != groups_.end() && !pins->second.pins.empty();
}

void SnapshotServer::Close(GroupId group) {
  const auto pins = groups_.find(group);
  if (pins == groups_.end()) return;
  pins->second.pins.clear();
  ReleaseDrops(group, &pins->second);
  groups_.erase(pins);
}

void SnapshotServer::Forget(GroupId group) { groups_.erase(group); }

}  // namespace pontoon::raft
