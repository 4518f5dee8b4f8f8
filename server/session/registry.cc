#include "server/session/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/session/channel.h"
#include "server/session/connection.h"
#include "server/session/loop_context.h"

namespace pontoon::session {

struct Registry::State {
  LoopContext loop;
};

Registry::Registry(cluster::FrontEnd* front_end, base::Logger* logger, base::Random* random,
                   std::shared_ptr<const SessionOptions> options, Numbers numbers)
    : state_(std::make_unique<State>()) {
  LoopContext& loop = state_->loop;
  loop.front_end = front_end;
  loop.logger = logger;
  loop.random = random;
  loop.options = std::move(options);
  loop.next_number = numbers.first;
  loop.number_step = numbers.step;
}

// Connections speak with the loop's context to the last.
Registry::~Registry() { connections_.clear(); }

Connection* Registry::Accept(std::unique_ptr<Transport> transport, PeerInfo peer) {
  auto owned = std::make_unique<Connection>(&state_->loop, std::move(transport), std::move(peer));
  Connection* connection = owned.get();
  connections_.emplace(connection->number(), std::move(owned));
  return connection;
}

bool Registry::OnTurnEnd() {
  LoopContext& loop = state_->loop;
  ++loop.turn;
  std::vector<Connection*> unfinished;
  unfinished.swap(loop.unfinished);
  for (Connection* connection : unfinished) connection->ContinueInput();
  // Flushing one connection may dirty none but itself.
  for (size_t i = 0; i < loop.dirty.size(); ++i) loop.dirty[i]->Flush();
  loop.dirty.clear();
  if (loop.any_gone) {
    loop.any_gone = false;
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (it->second->gone()) {
        std::erase(loop.unfinished, it->second.get());
        it = connections_.erase(it);
      } else {
        ++it;
      }
    }
  }
  return !loop.unfinished.empty();
}

void Registry::OnTick() {
  const base::MonotonicTime now = state_->loop.front_end->now();
  for (auto& [number, connection] : connections_) connection->OnTick(now);
}

void Registry::OnCatalogChanges(absl::Span<const catalog::Change> changes) {
  cluster::FrontEnd* front_end = state_->loop.front_end;
  for (const catalog::Change& change : changes) {
    if (const auto* vhost = std::get_if<catalog::VhostDeleted>(&change)) {
      CloseByVhost(vhost->name, absl::StrCat("vhost '", vhost->name, "' is deleted"));
    } else if (const auto* user = std::get_if<catalog::UserDeleted>(&change)) {
      CloseByUser(user->name, absl::StrCat("user '", user->name, "' is deleted"));
    } else if (const auto* declared = std::get_if<catalog::QueueDeclared>(&change)) {
      // An exclusive queue whose connection ended while it was being declared.
      const catalog::QueueRecord* queue = front_end->catalog()->FindQueue(declared->queue);
      if (queue != nullptr && queue->owner && queue->owner->loop == front_end->id() &&
          !connections_.contains(queue->owner->number)) {
        front_end->DropQueue(*queue);
      }
    }
  }
}

void Registry::SetAlarms(bool memory, bool disk) {
  LoopContext& loop = state_->loop;
  if (loop.memory_alarm == memory && loop.disk_alarm == disk) return;
  loop.memory_alarm = memory;
  loop.disk_alarm = disk;
  for (auto& [number, connection] : connections_) connection->OnAlarmsChanged();
}

size_t Registry::CloseMatching(const std::function<bool(const Connection&)>& matches,
                               absl::string_view reason) {
  size_t count = 0;
  for (auto& [number, connection] : connections_) {
    if (connection->gone() || !matches(*connection)) continue;
    connection->CloseForced(reason);
    ++count;
  }
  return count;
}

size_t Registry::CloseByPid(absl::string_view pid, absl::string_view reason) {
  return CloseMatching([&](const Connection& connection) { return connection.pid() == pid; },
                       reason);
}
size_t Registry::CloseByName(absl::string_view name, absl::string_view reason) {
  return CloseMatching([&](const Connection& connection) { return connection.name() == name; },
                       reason);
}
size_t Registry::CloseByUser(absl::string_view user, absl::string_view reason) {
  return CloseMatching([&](const Connection& connection) { return connection.user() == user; },
                       reason);
}
size_t Registry::CloseByVhost(absl::string_view vhost, absl::string_view reason) {
  return CloseMatching(
      [&](const Connection& connection) { return connection.vhost_name() == vhost; }, reason);
}
size_t Registry::CloseAll(absl::string_view reason) {
  return CloseMatching([](const Connection&) { return true; }, reason);
}

void Registry::BeginShutdown() {
  CloseAll("broker forced connection closure with reason 'shutdown'");
}

void Registry::AbortAll() {
  for (auto& [number, connection] : connections_) connection->Abort();
}

size_t Registry::channel_count() const {
  size_t count = 0;
  for (const auto& [number, connection] : connections_) count += connection->channel_count();
  return count;
}

std::vector<ConnectionInfo> Registry::ListConnections() const {
  std::vector<ConnectionInfo> connections;
  connections.reserve(connections_.size());
  for (const auto& [number, connection] : connections_) {
    if (!connection->gone()) connections.push_back(connection->Describe());
  }
  return connections;
}

std::vector<ChannelInfo> Registry::ListChannels() const {
  std::vector<ChannelInfo> channels;
  for (const auto& [number, connection] : connections_) connection->DescribeChannels(&channels);
  return channels;
}

}  // namespace pontoon::session
