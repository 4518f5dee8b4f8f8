#include "server/amqp/methods.h"

#include <type_traits>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/utf8.h"
#include "server/amqp/wire.h"

namespace pontoon::amqp {
namespace {

constexpr size_t kIdBytes = 4;

// The three visitors below go over a method's fields in the order of the wire. Neighbouring bits
// share octets, the first in the lowest bit (section 4.2.5.2), so each keeps the octet that is
// being filled.

class Sizer {
 public:
  void operator()(bool) {
    if (bit_ == 0) ++size_;
    bit_ = (bit_ + 1) % 8;
  }
  template <typename T>
  void operator()(const T& field) {
    bit_ = 0;
    if constexpr (std::is_integral_v<T>) {
      size_ += sizeof(T);
    } else if constexpr (std::is_same_v<T, LongString>) {
      size_ += 4 + field.size();
    } else if constexpr (std::is_same_v<T, Table>) {
      size_ += field.EncodedSize();
    } else {
      size_ += 1 + field.size();
    }
  }
  size_t size() const { return size_; }

 private:
  size_t size_ = kIdBytes;
  int bit_ = 0;
};

class Encoder {
 public:
  explicit Encoder(char* out) : out_(out) {}
  void operator()(bool field) {
    if (bit_ == 0) *out_++ = 0;
    if (field) out_[-1] = static_cast<char>(static_cast<uint8_t>(out_[-1]) | 1u << bit_);
    bit_ = (bit_ + 1) % 8;
  }
  template <typename T>
  void operator()(const T& field) {
    bit_ = 0;
    if constexpr (std::is_same_v<T, uint8_t>) {
      out_ = StoreOctet(out_, field);
    } else if constexpr (std::is_same_v<T, uint16_t>) {
      out_ = StoreShort(out_, field);
    } else if constexpr (std::is_same_v<T, uint32_t>) {
      out_ = StoreLong(out_, field);
    } else if constexpr (std::is_same_v<T, uint64_t>) {
      out_ = StoreLongLong(out_, field);
    } else if constexpr (std::is_same_v<T, LongString>) {
      out_ = StoreBytes(StoreLong(out_, static_cast<uint32_t>(field.size())), field);
    } else if constexpr (std::is_same_v<T, Table>) {
      out_ = field.Encode(out_);
    } else {
      PONTOON_CHECK_MSG(FitsShortString(field), "a method's text is a short string");
      out_ = StoreBytes(StoreOctet(out_, static_cast<uint8_t>(field.size())), field);
    }
  }
  char* out() const { return out_; }

 private:
  char* out_;
  int bit_ = 0;
};

class Decoder {
 public:
  Decoder(absl::string_view arguments, Utf8 names) : reader_(arguments), names_(names) {}
  void operator()(bool& field) {
    if (bit_ == 0) {
      bits_ = 0;
      reader_.Octet(&bits_);
    }
    field = (bits_ >> bit_ & 1) != 0;
    bit_ = (bit_ + 1) % 8;
  }
  template <typename T>
  void operator()(T& field) {
    bit_ = 0;
    absl::string_view text;
    if constexpr (std::is_same_v<T, uint8_t>) {
      reader_.Octet(&field);
    } else if constexpr (std::is_same_v<T, uint16_t>) {
      reader_.Short(&field);
    } else if constexpr (std::is_same_v<T, uint32_t>) {
      reader_.Long(&field);
    } else if constexpr (std::is_same_v<T, uint64_t>) {
      reader_.LongLong(&field);
    } else if constexpr (std::is_same_v<T, absl::string_view>) {
      reader_.ShortString(&field);  // Of a content method: any octets.
    } else if constexpr (std::is_same_v<T, LongString>) {
      if (reader_.LongString(&text)) field.assign(text.data(), text.size());
    } else if constexpr (std::is_same_v<T, Table>) {
      reader_.LongString(&table_);
      table_field_ = &field;
    } else {
      if (!reader_.ShortString(&text)) return;
      if (names_ == Utf8::kRequired && !IsValidUtf8(text)) malformed_text_ = true;
      field.assign(text.data(), text.size());
    }
  }

  // What came of it. `arguments` are shown in the text; tables are parsed last, since no method has
  // two of them.
  absl::Status Finish(absl::string_view arguments) {
    if (reader_.failed() || reader_.remaining() > 0) {
      return FrameError(absl::StrCat("cannot decode ", ErlangBinaryNumbers(arguments)));
    }
    if (malformed_text_) return FrameError("Malformed UTF-8 in shortstr");
    if (table_field_ == nullptr) return absl::OkStatus();
    absl::StatusOr<Table> table = Table::Parse(table_);
    if (!table.ok()) return table.status();
    *table_field_ = *std::move(table);
    return absl::OkStatus();
  }

 private:
  WireReader reader_;
  const Utf8 names_;
  uint8_t bits_ = 0;
  int bit_ = 0;
  bool malformed_text_ = false;
  absl::string_view table_;
  Table* table_field_ = nullptr;
};

template <typename M, typename Visitor>
void VisitFields(M& method, Visitor& visitor) {
  std::apply([&](auto... field) { (visitor(method.*field), ...); },
             std::remove_const_t<M>::Fields());
}

absl::Status UnknownMethod(MethodId id) {
  return CommandInvalid(absl::StrCat("unknown method ", id.method_id, " of class ", id.class_id));
}

template <typename M>
bool TryDecode(MethodId id, absl::string_view payload, Utf8 names, absl::StatusOr<Method>* result) {
  if (M::kId != id) return false;
  M method;
  if (absl::Status status = DecodeMethodAs(payload, &method, names); !status.ok()) {
    *result = std::move(status);
  } else {
    *result = Method(std::move(method));
  }
  return true;
}

// All alternatives of Method, for what must be done for each.
template <typename Variant>
struct AllMethods;
template <typename... M>
struct AllMethods<std::variant<M...>> {
  static bool Decode(MethodId id, absl::string_view payload, Utf8 names,
                     absl::StatusOr<Method>* result) {
    return (TryDecode<M>(id, payload, names, result) || ...);
  }
  static absl::string_view Name(MethodId id) {
    absl::string_view name;
    (void)((M::kId == id ? (name = M::kName, true) : false) || ...);
    return name;
  }
};

}  // namespace

absl::string_view MethodName(MethodId id) { return AllMethods<Method>::Name(id); }

absl::StatusOr<MethodId> PeekMethodId(absl::string_view payload) {
  if (payload.size() < kIdBytes) {
    return FrameError(
        absl::StrCat("type 1, all octets = ", ErlangBinary(payload), ": unknown_frame"));
  }
  return MethodId{LoadShort(payload.data()), LoadShort(payload.data() + 2)};
}

absl::StatusOr<Method> DecodeMethod(absl::string_view payload, Utf8 names) {
  const absl::StatusOr<MethodId> id = PeekMethodId(payload);
  if (!id.ok()) return id.status();
  absl::StatusOr<Method> result = absl::UnknownError("");
  // The two that are most of all traffic.
  if (TryDecode<BasicPublish>(*id, payload, names, &result)) return result;
  if (TryDecode<BasicAck>(*id, payload, names, &result)) return result;
  if (AllMethods<Method>::Decode(*id, payload, names, &result)) return result;
  return UnknownMethod(*id);
}

template <typename M>
absl::Status DecodeMethodAs(absl::string_view payload, M* method, Utf8 names) {
  const absl::StatusOr<MethodId> id = PeekMethodId(payload);
  if (!id.ok()) return id.status();
  if (*id != M::kId) return UnknownMethod(*id);
  const absl::string_view arguments = payload.substr(kIdBytes);
  Decoder decoder(arguments, names);
  VisitFields(*method, decoder);
  return decoder.Finish(arguments);
}

template <typename M>
size_t EncodedMethodSize(const M& method) {
  Sizer sizer;
  VisitFields(method, sizer);
  return sizer.size();
}

template <typename M>
char* EncodeMethod(const M& method, char* out) {
  out = StoreShort(StoreShort(out, M::kId.class_id), M::kId.method_id);
  Encoder encoder(out);
  VisitFields(method, encoder);
  return encoder.out();
}

std::string EncodeMethod(const Method& method) {
  return std::visit([](const auto& m) { return EncodeMethod(m); }, method);
}

MethodId IdOf(const Method& method) {
  return std::visit([](const auto& m) { return m.kId; }, method);
}

absl::string_view NameOf(const Method& method) {
  return std::visit([](const auto& m) { return m.kName; }, method);
}

#define PONTOON_AMQP_INSTANTIATE(M)                                     \
  template absl::Status DecodeMethodAs<M>(absl::string_view, M*, Utf8); \
  template size_t EncodedMethodSize<M>(const M&);                       \
  template char* EncodeMethod<M>(const M&, char*);
PONTOON_AMQP_INSTANTIATE(ConnectionStart)
PONTOON_AMQP_INSTANTIATE(ConnectionStartOk)
PONTOON_AMQP_INSTANTIATE(ConnectionSecure)
PONTOON_AMQP_INSTANTIATE(ConnectionSecureOk)
PONTOON_AMQP_INSTANTIATE(ConnectionTune)
PONTOON_AMQP_INSTANTIATE(ConnectionTuneOk)
PONTOON_AMQP_INSTANTIATE(ConnectionOpen)
PONTOON_AMQP_INSTANTIATE(ConnectionOpenOk)
PONTOON_AMQP_INSTANTIATE(ConnectionClose)
PONTOON_AMQP_INSTANTIATE(ConnectionCloseOk)
PONTOON_AMQP_INSTANTIATE(ConnectionBlocked)
PONTOON_AMQP_INSTANTIATE(ConnectionUnblocked)
PONTOON_AMQP_INSTANTIATE(ConnectionUpdateSecret)
PONTOON_AMQP_INSTANTIATE(ConnectionUpdateSecretOk)
PONTOON_AMQP_INSTANTIATE(ChannelOpen)
PONTOON_AMQP_INSTANTIATE(ChannelOpenOk)
PONTOON_AMQP_INSTANTIATE(ChannelFlow)
PONTOON_AMQP_INSTANTIATE(ChannelFlowOk)
PONTOON_AMQP_INSTANTIATE(ChannelClose)
PONTOON_AMQP_INSTANTIATE(ChannelCloseOk)
PONTOON_AMQP_INSTANTIATE(AccessRequest)
PONTOON_AMQP_INSTANTIATE(AccessRequestOk)
PONTOON_AMQP_INSTANTIATE(ConfirmSelect)
PONTOON_AMQP_INSTANTIATE(ConfirmSelectOk)
PONTOON_AMQP_INSTANTIATE(TxSelect)
PONTOON_AMQP_INSTANTIATE(TxSelectOk)
PONTOON_AMQP_INSTANTIATE(TxCommit)
PONTOON_AMQP_INSTANTIATE(TxCommitOk)
PONTOON_AMQP_INSTANTIATE(TxRollback)
PONTOON_AMQP_INSTANTIATE(TxRollbackOk)
PONTOON_AMQP_INSTANTIATE(ExchangeDeclare)
PONTOON_AMQP_INSTANTIATE(ExchangeDeclareOk)
PONTOON_AMQP_INSTANTIATE(ExchangeDelete)
PONTOON_AMQP_INSTANTIATE(ExchangeDeleteOk)
PONTOON_AMQP_INSTANTIATE(ExchangeBind)
PONTOON_AMQP_INSTANTIATE(ExchangeBindOk)
PONTOON_AMQP_INSTANTIATE(ExchangeUnbind)
PONTOON_AMQP_INSTANTIATE(ExchangeUnbindOk)
PONTOON_AMQP_INSTANTIATE(QueueDeclare)
PONTOON_AMQP_INSTANTIATE(QueueDeclareOk)
PONTOON_AMQP_INSTANTIATE(QueueBind)
PONTOON_AMQP_INSTANTIATE(QueueBindOk)
PONTOON_AMQP_INSTANTIATE(QueuePurge)
PONTOON_AMQP_INSTANTIATE(QueuePurgeOk)
PONTOON_AMQP_INSTANTIATE(QueueDelete)
PONTOON_AMQP_INSTANTIATE(QueueDeleteOk)
PONTOON_AMQP_INSTANTIATE(QueueUnbind)
PONTOON_AMQP_INSTANTIATE(QueueUnbindOk)
PONTOON_AMQP_INSTANTIATE(BasicQos)
PONTOON_AMQP_INSTANTIATE(BasicQosOk)
PONTOON_AMQP_INSTANTIATE(BasicConsume)
PONTOON_AMQP_INSTANTIATE(BasicConsumeOk)
PONTOON_AMQP_INSTANTIATE(BasicCancel)
PONTOON_AMQP_INSTANTIATE(BasicCancelOk)
PONTOON_AMQP_INSTANTIATE(BasicPublish)
PONTOON_AMQP_INSTANTIATE(BasicReturn)
PONTOON_AMQP_INSTANTIATE(BasicDeliver)
PONTOON_AMQP_INSTANTIATE(BasicGet)
PONTOON_AMQP_INSTANTIATE(BasicGetOk)
PONTOON_AMQP_INSTANTIATE(BasicGetEmpty)
PONTOON_AMQP_INSTANTIATE(BasicAck)
PONTOON_AMQP_INSTANTIATE(BasicReject)
PONTOON_AMQP_INSTANTIATE(BasicRecoverAsync)
PONTOON_AMQP_INSTANTIATE(BasicRecover)
PONTOON_AMQP_INSTANTIATE(BasicRecoverOk)
PONTOON_AMQP_INSTANTIATE(BasicNack)
#undef PONTOON_AMQP_INSTANTIATE

}  // namespace pontoon::amqp
