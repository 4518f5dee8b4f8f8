#include "server/catalog/checkpoint.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/table.h"
#include "server/catalog/codec.h"

namespace pontoon::catalog {
namespace {

using proto::CatalogCheckpoint;

void WriteExchange(const ExchangeRecord& record, const base::SessionId& home,
                   CatalogCheckpoint* out) {
  auto* exchange = out->add_exchanges();
  exchange->set_id(record.id.value);
  exchange->set_vhost(record.vhost.value);
  exchange->set_name(record.name);
  exchange->set_kind(static_cast<uint32_t>(record.kind));
  exchange->set_durable(record.durable);
  exchange->set_auto_delete(record.auto_delete);
  exchange->set_internal(record.internal);
  exchange->set_arguments(record.arguments);
  if (!record.durable) ToProto(home, exchange->mutable_home());
}

void WriteQueue(const QueueRecord& record, CatalogCheckpoint* out) {
  auto* queue = out->add_queues();
  queue->set_id(record.id.value);
  queue->set_vhost(record.vhost.value);
  queue->set_name(record.name);
  queue->set_durable(record.durable);
  queue->set_exclusive(record.exclusive);
  queue->set_auto_delete(record.auto_delete);
  queue->set_arguments(record.arguments);
  queue->set_shard(record.shard.value);
  ToProto(record.home, queue->mutable_home());
  if (record.owner) {
    ToProto(record.owner->loop, queue->mutable_owner()->mutable_loop());
    queue->mutable_owner()->set_number(record.owner->number);
  }
  queue->set_user(record.created_by);
}

uint64_t IdOf(const ExchangeState& exchange) { return exchange.node->record.id.value; }
uint64_t IdOf(const QueueNode& queue) { return queue.record.id.value; }

template <typename Map>
auto SortedById(const Map& map) {
  using Node = std::remove_pointer_t<decltype(FindNode(map, uint64_t{}))>;
  std::vector<const Node*> nodes;
  nodes.reserve(map.size());
  map.ForEach([&](const Ref<Node>& node) { nodes.push_back(node.get()); });
  std::sort(nodes.begin(), nodes.end(),
            [](const Node* a, const Node* b) { return IdOf(*a) < IdOf(*b); });
  return nodes;
}

void WriteBindings(const ExchangeState& exchange, CatalogCheckpoint* out) {
  std::vector<const BindingNode*> bindings;
  bindings.reserve(exchange.bindings.size());
  exchange.bindings.ForEach(
      [&](const Ref<BindingNode>& binding) { bindings.push_back(binding.get()); });
  std::sort(bindings.begin(), bindings.end(), [](const BindingNode* a, const BindingNode* b) {
    return std::tie(a->destination, a->routing_key, a->arguments) <
           std::tie(b->destination, b->routing_key, b->arguments);
  });
  for (const BindingNode* binding : bindings) {
    auto* stored = out->add_bindings();
    stored->set_source(binding->source);
    stored->set_destination(binding->destination);
    stored->set_routing_key(binding->routing_key);
    stored->set_arguments(binding->arguments);
  }
}

void WriteMembers(const Members& members, CatalogCheckpoint* out) {
  for (const auto& [id, node] : members.nodes()) {
    auto* member = out->add_members();
    member->set_node(id.value);
    member->set_boot(node.boot.value);
    member->set_name(node.name);
  }
  for (const auto& [session, answers] : members.answers()) {
    auto* group = out->add_answers();
    ToProto(session, group->mutable_session());
    for (const auto& [number, answer] : answers) {
      auto* kept = group->add_answers();
      kept->set_number(number);
      kept->set_queue(answer.queue.value);
      kept->set_created(answer.created);
      if (answer.status.ok()) continue;
      if (const auto code = amqp::ReplyCodeOf(answer.status)) {
        kept->set_reply_code(amqp::ReplyNumber(*code));
      } else {
        kept->set_status_code(static_cast<uint32_t>(answer.status.code()));
      }
      kept->set_text(std::string(answer.status.message()));
    }
  }
}

absl::Status ReadMembers(const CatalogCheckpoint& in, Members* members) {
  members->cluster_id = in.cluster_id();
  members->shards = in.shards();
  for (const auto& member : in.members()) {
    const absl::Status status = members->Register({member.node()}, {member.boot()}, member.name());
    if (!status.ok()) return absl::DataLossError(status.message());
  }
  for (const auto& group : in.answers()) {
    for (const auto& kept : group.answers()) {
      Answer answer{absl::OkStatus(), QueueId::Of(kept.queue()), kept.created()};
      if (kept.reply_code() != 0) {
        const auto code = amqp::ReplyCodeFromNumber(static_cast<uint16_t>(kept.reply_code()));
        if (!code)
          return absl::DataLossError(absl::StrCat("unknown reply code ", kept.reply_code()));
        answer.status = amqp::MakeError(*code, kept.text());
      } else if (kept.status_code() != 0) {
        answer.status =
            absl::Status(static_cast<absl::StatusCode>(kept.status_code()), kept.text());
      }
      members->Remember({FromProto(group.session()), kept.number()}, std::move(answer));
    }
  }
  return absl::OkStatus();
}

// Rebuilds the state; whatever does not fit together is damage, since it was written from a whole
// state.
class Builder {
 public:
  Builder(const CatalogCheckpoint& in, Editor* editor) : in_(in), editor_(editor) {}

  absl::Status Run() {
    for (const auto& vhost : in_.vhosts()) {
      if (vhost.id() == 0 || state().vhosts.Find(vhost.name()) != nullptr ||
          state().vhost_states.Find(vhost.id()) != nullptr) {
        return Damaged("virtual host", vhost.name());
      }
      editor_->AddVhost({VhostId::Of(vhost.id()),
                         vhost.name(),
                         vhost.description(),
                         {vhost.tags().begin(), vhost.tags().end()},
                         vhost.default_queue_type()});
    }
    for (const auto& user : in_.users()) {
      absl::StatusOr<UserRecord> record = FromProto(user);
      if (!record.ok()) return record.status();
      Ref<UserNode> node(new UserNode());
      node->record = *std::move(record);
      editor_->mutable_state()->users.Insert(std::move(node));
    }
    for (const auto& permission : in_.permissions()) {
      Ref<PermissionNode> node(new PermissionNode());
      node->record = FromProto(permission);
      editor_->mutable_state()->permissions.Insert(std::move(node));
    }
    absl::Status status = AddExchanges();
    if (status.ok()) status = AddQueues();
    if (status.ok()) status = AddBindings();
    return status;
  }

 private:
  const State& state() const { return editor_->state(); }
  static absl::Status Damaged(absl::string_view what, absl::string_view name) {
    return absl::DataLossError(
        absl::StrCat("checkpoint of the catalog: ", what, " '", name, "' does not fit"));
  }

  absl::Status AddExchanges() {
    for (const auto& in : in_.exchanges()) {
      const VhostState* vhost = FindNode(state().vhost_states, in.vhost());
      if (in.id() == 0 || vhost == nullptr || vhost->exchanges.Find(in.name()) != nullptr ||
          state().exchanges.Find(in.id()) != nullptr) {
        return Damaged("exchange", in.name());
      }
      const absl::StatusOr<ExchangeKind> kind = ExchangeKindFromProto(in.kind());
      if (!kind.ok()) return kind.status();
      ExchangeRecord record{
          ExchangeId::Of(in.id()), VhostId::Of(in.vhost()), in.name(),      *kind, in.durable(),
          in.auto_delete(),        in.internal(),           in.arguments(), ""};
      if (!record.arguments.empty()) {
        const absl::StatusOr<amqp::Table> arguments = amqp::Table::Parse(record.arguments);
        if (!arguments.ok()) return Damaged("exchange", in.name());
        const amqp::Value* alternate = arguments->Find("alternate-exchange");
        if (alternate != nullptr && alternate->AsString()) {
          record.alternate_exchange = std::string(*alternate->AsString());
        }
      }
      editor_->AddExchange(std::move(record), FromProto(in.home()));
    }
    return absl::OkStatus();
  }

  absl::Status AddQueues() {
    for (const auto& in : in_.queues()) {
      const VhostState* vhost = FindNode(state().vhost_states, in.vhost());
      if (in.id() == 0 || vhost == nullptr || vhost->queues.Find(in.name()) != nullptr ||
          state().queues.Find(in.id()) != nullptr) {
        return Damaged("queue", in.name());
      }
      QueueRecord record;
      record.id = QueueId::Of(in.id());
      record.vhost = VhostId::Of(in.vhost());
      record.name = in.name();
      record.durable = in.durable();
      record.exclusive = in.exclusive();
      record.auto_delete = in.auto_delete();
      record.arguments = in.arguments();
      record.shard = GroupId{in.shard()};
      record.home = FromProto(in.home());
      if (in.has_owner())
        record.owner = ConnectionId{FromProto(in.owner().loop()), in.owner().number()};
      record.created_by = in.user();
      editor_->AddQueue(std::move(record));
    }
    return absl::OkStatus();
  }

  absl::Status AddBindings() {
    for (const auto& in : in_.bindings()) {
      const ExchangeState* source = FindNode(state().exchanges, in.source());
      if (source == nullptr) return Damaged("binding", in.routing_key());
      Ref<BindingNode> binding(new BindingNode());
      if (FindNode(state().queues, in.destination()) != nullptr) {
        binding->kind = DestinationKind::kQueue;
      } else if (FindNode(state().exchanges, in.destination()) != nullptr) {
        binding->kind = DestinationKind::kExchange;
      } else {
        return Damaged("binding", in.routing_key());
      }
      if (source->node->record.kind == ExchangeKind::kHeaders) {
        const absl::StatusOr<amqp::Table> arguments = amqp::Table::Parse(in.arguments());
        if (!arguments.ok()) return Damaged("binding", in.routing_key());
        binding->pattern = std::make_unique<const HeaderPattern>(*arguments);
      }
      binding->source = in.source();
      binding->destination = in.destination();
      binding->routing_key = in.routing_key();
      binding->arguments = in.arguments();
      if (!editor_->AddBinding(std::move(binding))) return Damaged("binding", in.routing_key());
    }
    return absl::OkStatus();
  }

  const CatalogCheckpoint& in_;
  Editor* const editor_;
};

}  // namespace

std::string WriteCheckpoint(const State& state, const Members& members, uint64_t digest) {
  google::protobuf::Arena arena;
  auto* out = google::protobuf::Arena::CreateMessage<CatalogCheckpoint>(&arena);
  out->set_layout(kCheckpointLayout);
  out->set_applied(state.index);
  out->set_digest(digest);
  out->set_cluster_id(members.cluster_id);
  out->set_shards(members.shards);
  WriteMembers(members, out);
  const VersionPtr version = NewVersion(state);
  for (const UserRecord* user : version->ListUsers()) ToProto(*user, out->add_users());
  for (const PermissionRecord* permission : version->ListPermissions()) {
    ToProto(*permission, out->add_permissions());
  }
  for (const VhostRecord* vhost : version->ListVhosts()) {
    auto* written = out->add_vhosts();
    written->set_id(vhost->id.value);
    written->set_name(vhost->name);
    written->set_description(vhost->description);
    for (const std::string& tag : vhost->tags) written->add_tags(tag);
    written->set_default_queue_type(vhost->default_queue_type);
  }
  for (const ExchangeState* exchange : SortedById(state.exchanges)) {
    // Predeclared ones come with their virtual host.
    const ExchangeNode& node = *exchange->node;
    if (!IsPredeclared(node.record)) WriteExchange(node.record, node.home, out);
    WriteBindings(*exchange, out);
  }
  for (const QueueNode* queue : SortedById(state.queues)) WriteQueue(queue->record, out);
  return out->SerializeAsString();
}

absl::StatusOr<CheckpointContents> ReadCheckpoint(uint64_t applied, absl::string_view root) {
  google::protobuf::Arena arena;
  auto* in = google::protobuf::Arena::CreateMessage<CatalogCheckpoint>(&arena);
  if (root.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !in->ParseFromArray(root.data(), static_cast<int>(root.size())) || in->layout() == 0) {
    return absl::DataLossError("not a checkpoint of the catalog");
  }
  if (in->layout() > kCheckpointLayout) {
    return absl::FailedPreconditionError(absl::StrCat(
        "checkpoint of the catalog has layout ", in->layout(),
        ": made by a newer version of this program; it needs that version or a later one"));
  }
  if (absl::Status status = CheckNoUnknownFields(*in); !status.ok()) return status;
  // The log also has entries that are not the catalog's, behind its last one.
  if (in->applied() > applied) {
    return absl::DataLossError(absl::StrCat("checkpoint of the catalog is of index ", in->applied(),
                                            ", later than ", applied));
  }
  CheckpointContents contents;
  contents.digest = in->digest();
  absl::Status status = ReadMembers(*in, &contents.members);
  if (status.ok()) status = Builder(*in, &contents.editor).Run();
  if (!status.ok()) return status;
  contents.editor.mutable_state()->index = in->applied();
  return contents;
}

}  // namespace pontoon::catalog
