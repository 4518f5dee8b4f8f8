#ifndef PONTOON_SERVER_CATALOG_TESTING_H_
#define PONTOON_SERVER_CATALOG_TESTING_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/table.h"
#include "server/catalog/catalog.h"

// A catalog for tests: runs one command per entry and remembers what came of it.

namespace pontoon::catalog {

class TestCatalog {
 public:
  static base::SessionId Session(uint64_t node = 1, uint32_t boot = 1) {
    return {{node}, {boot}, {0}};
  }
  static ConnectionId Owner(uint64_t number) { return {Session(), number}; }

  // With a virtual host "/".
  TestCatalog() : machine_(NewMachine()) {
    Run(AddVhost{"/", "", {}, ""});
    vhost_ = version().FindVhost("/")->id;
  }

  Outcome Run(const Command& command) { return RunFrom({Session(), 0}, command); }
  Outcome RunFrom(const Origin& origin, const Command& command) {
    return Feed({{++index_, EncodeCommand(origin, command)}});
  }
  Outcome Feed(const std::vector<std::pair<uint64_t, std::string>>& entries) {
    log_.insert(log_.end(), entries.begin(), entries.end());
    AppliedBatch batch = machine_->Apply(entries);
    changes_ = std::move(batch.changes);
    if (!batch.status.ok()) return {0, {}, batch.status, {}, false};
    return batch.outcomes.back();
  }

  // "406 inequivalent arg ..." or "" for OK.
  static std::string Text(const absl::Status& status) {
    if (status.ok()) return "";
    const auto code = amqp::ReplyCodeOf(status);
    return absl::StrCat(
        code ? absl::StrCat(amqp::ReplyNumber(*code)) : absl::StatusCodeToString(status.code()),
        " ", status.message());
  }
  std::string Try(const Command& command) { return Text(Run(command).status); }

  static std::string Arguments(const amqp::Table& table) { return table.EncodeContents(); }

  DeclareQueue Queue(std::string name, const amqp::Table& arguments = {}) const {
    DeclareQueue command;
    command.vhost = vhost_;
    command.name = std::move(name);
    command.durable = true;
    command.shard = GroupId{1};
    command.home = Session();
    command.owner = Owner(1);
    command.user = "guest";
    command.arguments = Arguments(arguments);
    return command;
  }
  DeclareQueue TransientQueue(std::string name, const base::SessionId& home = Session()) const {
    DeclareQueue command = Queue(std::move(name));
    command.durable = false;
    command.shard = GroupId{0};
    command.home = home;
    return command;
  }
  DeclareExchange Exchange(std::string name, ExchangeKind kind = ExchangeKind::kDirect,
                           const amqp::Table& arguments = {}) const {
    return {vhost_, std::move(name), kind, true, false, false, Arguments(arguments), Session()};
  }
  BindingRecord Binding(std::string source, std::string queue, std::string key = "",
                        const amqp::Table& arguments = {}) const {
    return {std::move(source), DestinationKind::kQueue, std::move(queue), std::move(key),
            Arguments(arguments)};
  }
  Bind BindQueue(std::string source, std::string queue, std::string key = "",
                 const amqp::Table& arguments = {}) const {
    return {vhost_, Binding(std::move(source), std::move(queue), std::move(key), arguments)};
  }
  Bind BindExchange(std::string source, std::string destination, std::string key = "") const {
    return {vhost_,
            {std::move(source), DestinationKind::kExchange, std::move(destination), std::move(key),
             ""}};
  }

  // Names of the queues that a message reaches, in the order given.
  std::vector<std::string> Route(const std::string& exchange, std::vector<std::string> keys,
                                 const amqp::Table* headers = nullptr) const {
    const ExchangeRecord* found = version().FindExchange(vhost_, exchange);
    if (found == nullptr) return {"no such exchange"};
    const std::vector<absl::string_view> views(keys.begin(), keys.end());
    std::vector<Target> targets;
    version().Route(*found, views, headers, &targets);
    std::vector<std::string> names;
    for (const Target& target : targets) names.push_back(version().FindQueue(target.queue)->name);
    return names;
  }

  const Version& version() const {
    latest_ = machine_->version();
    return *latest_;
  }
  VersionPtr held_version() const { return machine_->version(); }
  Machine& machine() { return *machine_; }
  VhostId vhost() const { return vhost_; }
  uint64_t index() const { return index_; }
  const std::vector<Change>& changes() const { return changes_; }
  const std::vector<std::pair<uint64_t, std::string>>& log() const { return log_; }

 private:
  std::unique_ptr<Machine> machine_;
  mutable VersionPtr latest_;
  uint64_t index_ = 0;
  VhostId vhost_;
  std::vector<Change> changes_;
  std::vector<std::pair<uint64_t, std::string>> log_;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_TESTING_H_
