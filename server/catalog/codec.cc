#include "server/catalog/codec.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include <limits>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pontoon::catalog {
namespace {

using proto::CatalogEntry;

std::vector<std::string> Strings(const google::protobuf::RepeatedPtrField<std::string>& in) {
  return std::vector<std::string>(in.begin(), in.end());
}
template <typename Message>
void PutTags(const std::vector<std::string>& tags, Message* out) {
  for (const std::string& tag : tags) out->add_tags(tag);
}

absl::Status Newer(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      "made by a newer version of this program: ", what, "; it needs that version or a later one"));
}

// ---- each command into the entry.

void Put(const DeclareExchange& command, CatalogEntry* entry) {
  auto* out = entry->mutable_declare_exchange();
  out->set_vhost(command.vhost.value);
  out->set_name(command.name);
  out->set_kind(static_cast<uint32_t>(command.kind));
  out->set_durable(command.durable);
  out->set_auto_delete(command.auto_delete);
  out->set_internal(command.internal);
  out->set_arguments(command.arguments);
  ToProto(command.home, out->mutable_home());
}
void Put(const DeleteExchange& command, CatalogEntry* entry) {
  auto* out = entry->mutable_delete_exchange();
  out->set_vhost(command.vhost.value);
  out->set_name(command.name);
  out->set_if_unused(command.if_unused);
}
void Put(const DeclareQueue& command, CatalogEntry* entry) {
  auto* out = entry->mutable_declare_queue();
  out->set_vhost(command.vhost.value);
  out->set_name(command.name);
  out->set_durable(command.durable);
  out->set_exclusive(command.exclusive);
  out->set_auto_delete(command.auto_delete);
  out->set_arguments(command.arguments);
  out->set_shard(command.shard.value);
  ToProto(command.home, out->mutable_home());
  ToProto(command.owner.loop, out->mutable_owner()->mutable_loop());
  out->mutable_owner()->set_number(command.owner.number);
  out->set_user(command.user);
}
void Put(const ForgetQueue& command, CatalogEntry* entry) {
  entry->mutable_forget_queue()->set_queue(command.queue.value);
}
void Put(const Bind& command, CatalogEntry* entry) {
  ToProto(command.binding, entry->mutable_bind());
  entry->mutable_bind()->set_vhost(command.vhost.value);
}
void Put(const Unbind& command, CatalogEntry* entry) {
  ToProto(command.binding, entry->mutable_unbind());
  entry->mutable_unbind()->set_vhost(command.vhost.value);
}
void Put(const AddVhost& command, CatalogEntry* entry) {
  auto* out = entry->mutable_add_vhost();
  out->set_name(command.name);
  out->set_description(command.description);
  PutTags(command.tags, out);
  out->set_default_queue_type(command.default_queue_type);
}
void Put(const DeleteVhost& command, CatalogEntry* entry) {
  entry->mutable_delete_vhost()->set_name(command.name);
}
void Put(const PutUser& command, CatalogEntry* entry) {
  ToProto(command.user, entry->mutable_put_user()->mutable_user());
  entry->mutable_put_user()->set_replace(command.replace);
}
void Put(const SetUserTags& command, CatalogEntry* entry) {
  entry->mutable_set_user_tags()->set_name(command.name);
  PutTags(command.tags, entry->mutable_set_user_tags());
}
void Put(const DeleteUser& command, CatalogEntry* entry) {
  entry->mutable_delete_user()->set_name(command.name);
}
void Put(const SetPermission& command, CatalogEntry* entry) {
  ToProto(command.permission, entry->mutable_set_permission());
}
void Put(const ClearPermission& command, CatalogEntry* entry) {
  entry->mutable_clear_permission()->set_user(command.user);
  entry->mutable_clear_permission()->set_vhost(command.vhost);
}
void Put(const RegisterBoot& command, CatalogEntry* entry) {
  auto* out = entry->mutable_register_boot();
  out->set_node(command.node.value);
  out->set_boot(command.boot.value);
  out->set_name(command.name);
}
void Put(const FoundCluster& command, CatalogEntry* entry) {
  auto* out = entry->mutable_found_cluster();
  out->set_cluster_id(command.cluster_id);
  out->set_shards(command.shards);
  out->set_default_vhost(command.default_vhost);
  ToProto(command.default_user, out->mutable_default_user());
  ToProto(command.default_permission, out->mutable_default_permission());
}

// ---- and back.

absl::StatusOr<Command> Take(const proto::CatalogExchange& in) {
  const absl::StatusOr<ExchangeKind> kind = ExchangeKindFromProto(in.kind());
  if (!kind.ok()) return kind.status();
  return DeclareExchange{
      VhostId::Of(in.vhost()), in.name(),     *kind,          in.durable(),
      in.auto_delete(),        in.internal(), in.arguments(), FromProto(in.home())};
}
Command Take(const proto::CatalogQueue& in) {
  return DeclareQueue{VhostId::Of(in.vhost()),
                      in.name(),
                      in.durable(),
                      in.exclusive(),
                      in.auto_delete(),
                      in.arguments(),
                      GroupId{in.shard()},
                      FromProto(in.home()),
                      ConnectionId{FromProto(in.owner().loop()), in.owner().number()},
                      in.user()};
}
template <typename BindOrUnbind>
absl::StatusOr<Command> TakeBinding(const proto::CatalogBinding& in) {
  absl::StatusOr<BindingRecord> binding = FromProto(in);
  if (!binding.ok()) return binding.status();
  return BindOrUnbind{VhostId::Of(in.vhost()), *std::move(binding)};
}
absl::StatusOr<Command> Take(const CatalogEntry::FoundCluster& in) {
  absl::StatusOr<UserRecord> user = FromProto(in.default_user());
  if (!user.ok()) return user.status();
  return FoundCluster{in.cluster_id(), in.shards(), in.default_vhost(), *std::move(user),
                      FromProto(in.default_permission())};
}

absl::StatusOr<Command> TakeCommand(const CatalogEntry& entry) {
  switch (entry.command_case()) {
    case CatalogEntry::kDeclareExchange:
      return Take(entry.declare_exchange());
    case CatalogEntry::kDeleteExchange: {
      const auto& in = entry.delete_exchange();
      return DeleteExchange{VhostId::Of(in.vhost()), in.name(), in.if_unused()};
    }
    case CatalogEntry::kDeclareQueue:
      return Take(entry.declare_queue());
    case CatalogEntry::kForgetQueue:
      return ForgetQueue{QueueId::Of(entry.forget_queue().queue())};
    case CatalogEntry::kBind:
      return TakeBinding<Bind>(entry.bind());
    case CatalogEntry::kUnbind:
      return TakeBinding<Unbind>(entry.unbind());
    case CatalogEntry::kAddVhost: {
      const auto& in = entry.add_vhost();
      return AddVhost{in.name(), in.description(), Strings(in.tags()), in.default_queue_type()};
    }
    case CatalogEntry::kDeleteVhost:
      return DeleteVhost{entry.delete_vhost().name()};
    case CatalogEntry::kPutUser: {
      absl::StatusOr<UserRecord> user = FromProto(entry.put_user().user());
      if (!user.ok()) return user.status();
      return PutUser{*std::move(user), entry.put_user().replace()};
    }
    case CatalogEntry::kSetUserTags:
      return SetUserTags{entry.set_user_tags().name(), Strings(entry.set_user_tags().tags())};
    case CatalogEntry::kDeleteUser:
      return DeleteUser{entry.delete_user().name()};
    case CatalogEntry::kSetPermission:
      return SetPermission{FromProto(entry.set_permission())};
    case CatalogEntry::kClearPermission:
      return ClearPermission{entry.clear_permission().user(), entry.clear_permission().vhost()};
    case CatalogEntry::kRegisterBoot: {
      const auto& in = entry.register_boot();
      return RegisterBoot{{in.node()}, {in.boot()}, in.name()};
    }
    case CatalogEntry::kFoundCluster:
      return Take(entry.found_cluster());
    case CatalogEntry::COMMAND_NOT_SET:
      break;
  }
  return Newer("an unknown command");
}

}  // namespace

std::string EncodeCommand(const Origin& origin, const Command& command) {
  google::protobuf::Arena arena;
  auto* entry = google::protobuf::Arena::CreateMessage<CatalogEntry>(&arena);
  entry->set_layout(kEntryLayout);
  ToProto(origin.session, entry->mutable_session());
  entry->set_number(origin.number);
  std::visit([&](const auto& kind) { Put(kind, entry); }, command);
  return entry->SerializeAsString();
}

absl::StatusOr<std::pair<Origin, Command>> DecodeCommand(absl::string_view bytes) {
  google::protobuf::Arena arena;
  auto* entry = google::protobuf::Arena::CreateMessage<CatalogEntry>(&arena);
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !entry->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      entry->layout() == 0) {
    return absl::DataLossError("not an entry of the catalog");
  }
  if (entry->layout() > kEntryLayout) return Newer(absl::StrCat("entry layout ", entry->layout()));
  if (absl::Status status = CheckNoUnknownFields(*entry); !status.ok()) return status;
  absl::StatusOr<Command> command = TakeCommand(*entry);
  if (!command.ok()) return command.status();
  return std::make_pair(Origin{FromProto(entry->session()), entry->number()}, *std::move(command));
}

void ToProto(const base::SessionId& session, proto::CatalogSession* out) {
  out->set_node(session.node.value);
  out->set_boot(session.boot.value);
  out->set_loop(session.loop.value);
}
base::SessionId FromProto(const proto::CatalogSession& in) {
  return {{in.node()}, {in.boot()}, {static_cast<uint16_t>(in.loop())}};
}

void ToProto(const UserRecord& user, proto::CatalogUser* out) {
  out->set_name(user.name);
  out->set_password_hash(user.password_hash);
  out->set_algorithm(static_cast<uint32_t>(user.algorithm));
  PutTags(user.tags, out);
}
absl::StatusOr<UserRecord> FromProto(const proto::CatalogUser& in) {
  if (in.algorithm() > static_cast<uint32_t>(HashAlgorithm::kMd5))
    return Newer("a password hash of an unknown kind");
  return UserRecord{in.name(), in.password_hash(), static_cast<HashAlgorithm>(in.algorithm()),
                    Strings(in.tags())};
}

void ToProto(const PermissionRecord& permission, proto::CatalogPermission* out) {
  out->set_user(permission.user);
  out->set_vhost(permission.vhost);
  out->set_configure(permission.configure);
  out->set_write(permission.write);
  out->set_read(permission.read);
}
PermissionRecord FromProto(const proto::CatalogPermission& in) {
  return {in.user(), in.vhost(), in.configure(), in.write(), in.read()};
}

void ToProto(const BindingRecord& binding, proto::CatalogBinding* out) {
  out->set_source(binding.source);
  out->set_kind(static_cast<uint32_t>(binding.kind));
  out->set_destination(binding.destination);
  out->set_routing_key(binding.routing_key);
  out->set_arguments(binding.arguments);
}
absl::StatusOr<BindingRecord> FromProto(const proto::CatalogBinding& in) {
  if (in.kind() > static_cast<uint32_t>(DestinationKind::kExchange))
    return Newer("a destination of an unknown kind");
  return BindingRecord{in.source(), static_cast<DestinationKind>(in.kind()), in.destination(),
                       in.routing_key(), in.arguments()};
}

absl::StatusOr<ExchangeKind> ExchangeKindFromProto(uint32_t kind) {
  if (kind > static_cast<uint32_t>(ExchangeKind::kHeaders))
    return Newer("an exchange of an unknown type");
  return static_cast<ExchangeKind>(kind);
}

absl::Status CheckNoUnknownFields(const google::protobuf::Message& message) {
  const google::protobuf::Reflection* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) {
    return Newer(absl::StrCat("an unknown field in ", message.GetDescriptor()->name()));
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const absl::Status status = CheckNoUnknownFields(
          field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                               : reflection->GetMessage(message, field));
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace pontoon::catalog
