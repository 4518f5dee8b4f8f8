#ifndef PONTOON_SERVER_CATALOG_TESTING_SAMPLES_H_
#define PONTOON_SERVER_CATALOG_TESTING_SAMPLES_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/catalog/testing.h"

// For tests of what is written down: commands of every kind, and a version as text.

namespace pontoon::catalog {

inline std::vector<Command> OneOfEachCommand(const TestCatalog& catalog) {
  DeclareExchange exchange = catalog.Exchange(
      "x", ExchangeKind::kTopic, {{"alternate-exchange", amqp::Value::String("amq.fanout")}});
  exchange.auto_delete = exchange.internal = true;
  DeclareQueue queue = catalog.Queue("q\xff", {{"x-max-length", amqp::Value::Long(5)}});
  queue.exclusive = queue.auto_delete = true;
  return {AddVhost{"v", "a description", {"one", "two"}, "quorum"},
          exchange,
          queue,
          catalog.Queue("durable"),
          catalog.BindQueue("x", "q\xff", "a.#", {{"k", amqp::Value::Bool(true)}}),
          catalog.BindExchange("amq.direct", "x", "k"),
          Unbind{catalog.vhost(), catalog.Binding("x", "durable", "nothing")},
          PutUser{{"u", std::string("\0\1\2\3digest", 10), HashAlgorithm::kSha512, {"monitoring"}},
                  false},
          SetUserTags{"u", {"administrator", "policymaker"}},
          SetPermission{{"u", "/", "^c", "^w", "^r"}},
          PutUser{{"gone", "", HashAlgorithm::kMd5, {}}, false},
          SetPermission{{"gone", "v", "", "", ""}},
          ClearPermission{"gone", "v"},
          DeleteUser{"gone"},
          RegisterBoot{{1}, {1}, "rabbit@here"},
          FoundCluster{"cluster",
                       32,
                       "/",
                       {"guest", "h", HashAlgorithm::kSha256, {"administrator"}},
                       {"guest", "/", ".*", ".*", ".*"}},
          DeleteExchange{catalog.vhost(), "missing", true},
          ForgetQueue{QueueId::Of(77)},
          DeleteVhost{"v"}};
}

// Everything that can be asked of a version, as text.
inline std::string Describe(const Version& version) {
  std::string text = absl::StrCat("index ", version.index(), "\n");
  for (const VhostRecord* vhost : version.ListVhosts()) {
    absl::StrAppend(&text, "vhost ", vhost->id.value, " ", vhost->name, " ", vhost->description,
                    "\n");
    for (const ExchangeRecord* x : version.ListExchanges(vhost->id)) {
      absl::StrAppend(&text, "exchange ", x->id.value, " ", x->name, " ", static_cast<int>(x->kind),
                      x->durable, x->auto_delete, x->internal, " ", x->alternate_exchange, " ",
                      x->arguments.size(), "\n");
    }
    for (const QueueRecord* q : version.ListQueues(vhost->id)) {
      absl::StrAppend(&text, "queue ", q->id.value, " ", q->name, " ", q->durable, q->exclusive,
                      q->auto_delete, " ", q->shard.value, " ", q->home.node.value, ".",
                      q->home.boot.value, " ", q->owner ? q->owner->number : 0, " ", q->created_by,
                      " ", q->arguments.size(), "\n");
    }
    for (const BindingRecord& b : version.ListBindings(vhost->id)) {
      absl::StrAppend(&text, "binding ", b.source, " ", static_cast<int>(b.kind), " ",
                      b.destination, " ", b.routing_key, " ", b.arguments.size(), "\n");
    }
  }
  for (const UserRecord* user : version.ListUsers()) {
    absl::StrAppend(&text, "user ", user->name, " ", user->password_hash.size(), " ",
                    user->tags.size(), "\n");
  }
  for (const PermissionRecord* p : version.ListPermissions()) {
    absl::StrAppend(&text, "permission ", p->user, " ", p->vhost, " ", p->configure, p->write,
                    p->read, "\n");
  }
  return text;
}

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_TESTING_SAMPLES_H_
