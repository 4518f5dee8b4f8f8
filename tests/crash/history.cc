#include "tests/crash/history.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pontoon::crash {
namespace {

using Kind = Event::Kind;

struct KindName {
  Kind kind;
  absl::string_view name;
  size_t fields;
};
constexpr KindName kKinds[] = {
    {Kind::kInvoke, "invoke", 2},     {Kind::kOk, "ok", 1},
    {Kind::kUnrouted, "unrouted", 1}, {Kind::kInfo, "info", 1},
    {Kind::kOpened, "opened", 2},     {Kind::kDeliver, "deliver", 6},
    {Kind::kAck, "ack", 3},           {Kind::kDead, "dead", 0},
    {Kind::kRequeue, "requeue", 2},   {Kind::kClosed, "closed", 2},
    {Kind::kDeclared, "declared", 1}, {Kind::kMissing, "missing", 1},
    {Kind::kDrained, "drained", 1},   {Kind::kFault, "fault", 1},
    {Kind::kStarted, "started", 0},   {Kind::kEnd, "end", 0},
};

const KindName& NameOf(Kind kind) {
  for (const KindName& entry : kKinds) {
    if (entry.kind == kind) return entry;
  }
  std::abort();
}

bool ReadBool(absl::string_view text, bool* out) {
  if (text != "0" && text != "1") return false;
  *out = text == "1";
  return true;
}

bool ReadId(absl::string_view text, MessageId* out) {
  absl::StatusOr<MessageId> id = MessageId::Parse(text);
  if (id.ok()) *out = *id;
  return id.ok();
}

// The fields behind the kind; their number has been checked.
bool ReadFields(const std::vector<absl::string_view>& fields, Event* event) {
  switch (event->kind) {
    case Kind::kInvoke:
      event->queue = std::string(fields[1]);
      return ReadId(fields[0], &event->id);
    case Kind::kOk:
    case Kind::kUnrouted:
    case Kind::kInfo:
      return ReadId(fields[0], &event->id);
    case Kind::kOpened:
      event->session = std::string(fields[0]);
      event->queue = std::string(fields[1]);
      return true;
    case Kind::kDeliver:
      event->session = std::string(fields[0]);
      event->queue = std::string(fields[2]);
      event->good = fields[5] == "good";
      return absl::SimpleAtoi(fields[1], &event->tag) && ReadId(fields[3], &event->id) &&
             ReadBool(fields[4], &event->flag) && (event->good || fields[5] == "bad");
    case Kind::kAck:
      event->session = std::string(fields[0]);
      return absl::SimpleAtoi(fields[1], &event->tag) && ReadBool(fields[2], &event->flag);
    case Kind::kRequeue:
      event->session = std::string(fields[0]);
      return absl::SimpleAtoi(fields[1], &event->tag);
    case Kind::kClosed:
      event->session = std::string(fields[0]);
      event->text = std::string(fields[1]);
      return event->text == "clean" || event->text == "lost";
    case Kind::kDeclared:
    case Kind::kMissing:
    case Kind::kDrained:
      event->queue = std::string(fields[0]);
      return true;
    case Kind::kFault:
      event->text = std::string(fields[0]);
      return true;
    case Kind::kDead:
    case Kind::kStarted:
    case Kind::kEnd:
      return true;
  }
  return false;
}

}  // namespace

std::string MessageId::ToString() const {
  return absl::StrCat(publisher, ".", channel, ".", sequence);
}

absl::StatusOr<MessageId> MessageId::Parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  MessageId id;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &id.publisher) ||
      !absl::SimpleAtoi(parts[1], &id.channel) || !absl::SimpleAtoi(parts[2], &id.sequence)) {
    return absl::InvalidArgumentError(absl::StrCat("no message id: '", text, "'"));
  }
  return id;
}

std::vector<std::string> Event::Queues() const {
  if (queue == "-") return {};
  return absl::StrSplit(queue, ',');
}

std::string Event::ToLine() const {
  std::string line = absl::StrCat(nanos, " ", NameOf(kind).name);
  switch (kind) {
    case Kind::kInvoke:
      absl::StrAppend(&line, " ", id.ToString(), " ", queue);
      break;
    case Kind::kOk:
    case Kind::kUnrouted:
    case Kind::kInfo:
      absl::StrAppend(&line, " ", id.ToString());
      break;
    case Kind::kOpened:
      absl::StrAppend(&line, " ", session, " ", queue);
      break;
    case Kind::kDeliver:
      absl::StrAppend(&line, " ", session, " ", tag, " ", queue, " ", id.ToString(),
                      flag ? " 1 " : " 0 ", good ? "good" : "bad");
      break;
    case Kind::kAck:
      absl::StrAppend(&line, " ", session, " ", tag, flag ? " 1" : " 0");
      break;
    case Kind::kRequeue:
      absl::StrAppend(&line, " ", session, " ", tag);
      break;
    case Kind::kClosed:
      absl::StrAppend(&line, " ", session, " ", text);
      break;
    case Kind::kDeclared:
    case Kind::kMissing:
    case Kind::kDrained:
      absl::StrAppend(&line, " ", queue);
      break;
    case Kind::kFault:
      absl::StrAppend(&line, " ", text);
      break;
    case Kind::kDead:
    case Kind::kStarted:
    case Kind::kEnd:
      break;
  }
  return line;
}

absl::StatusOr<Event> Event::Parse(absl::string_view line) {
  std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  Event event;
  if (words.size() >= 2 && absl::SimpleAtoi(words[0], &event.nanos)) {
    for (const KindName& entry : kKinds) {
      if (entry.name != words[1] || entry.fields != words.size() - 2) continue;
      event.kind = entry.kind;
      words.erase(words.begin(), words.begin() + 2);
      if (ReadFields(words, &event)) return event;
      break;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("no line of a history: '", line, "'"));
}

int64_t MonotonicNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

absl::StatusOr<HistoryWriter> HistoryWriter::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
  return HistoryWriter(fd);
}

HistoryWriter::~HistoryWriter() {
  if (fd_ >= 0) close(fd_);
}

void HistoryWriter::Write(Event event) {
  event.nanos = MonotonicNanos();
  const std::string line = event.ToLine() + "\n";
  if (write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    std::perror("the history cannot be written");
    std::_Exit(3);
  }
}

absl::StatusOr<std::vector<Event>> ReadHistory(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::DataLossError(absl::StrCat(path, ": cannot be read"));
  std::vector<Event> events;
  std::string line;
  while (std::getline(file, line)) {
    absl::StatusOr<Event> event = Event::Parse(line);
    if (!event.ok()) {
      return absl::DataLossError(
          absl::StrCat(path, ":", events.size() + 1, ": ", event.status().message()));
    }
    events.push_back(*std::move(event));
  }
  if (events.empty() || events.back().kind != Kind::kEnd) {
    return absl::DataLossError(absl::StrCat(path, ": its process did not end in order"));
  }
  return events;
}

}  // namespace pontoon::crash
