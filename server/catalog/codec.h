#ifndef PONTOON_SERVER_CATALOG_CODEC_H_
#define PONTOON_SERVER_CATALOG_CODEC_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/catalog.pb.h"
#include "server/catalog/catalog.h"

// Between the catalog's own types and their Protobuf [format]; EncodeCommand is declared in
// catalog.h.

namespace pontoon::catalog {

inline constexpr uint32_t kEntryLayout = 1;
inline constexpr uint32_t kCheckpointLayout = 1;

// FailedPrecondition: made by a newer Pontoon (a higher layout, a command or a field that this one
// does not know). DataLoss: not an entry of the catalog.
absl::StatusOr<std::pair<Origin, Command>> DecodeCommand(absl::string_view entry);

void ToProto(const base::SessionId& session, proto::CatalogSession* out);
base::SessionId FromProto(const proto::CatalogSession& in);
void ToProto(const UserRecord& user, proto::CatalogUser* out);
absl::StatusOr<UserRecord> FromProto(const proto::CatalogUser& in);
void ToProto(const PermissionRecord& permission, proto::CatalogPermission* out);
PermissionRecord FromProto(const proto::CatalogPermission& in);
void ToProto(const BindingRecord& binding, proto::CatalogBinding* out);
absl::StatusOr<BindingRecord> FromProto(const proto::CatalogBinding& in);
absl::StatusOr<ExchangeKind> ExchangeKindFromProto(uint32_t kind);

// FailedPrecondition if `message`, or a message in it, has a field that this program does not know.
absl::Status CheckNoUnknownFields(const google::protobuf::Message& message);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_CODEC_H_
