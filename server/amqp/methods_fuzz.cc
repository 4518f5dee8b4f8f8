// Any payload of a method frame: refused with a reply code, or decoded into what encodes and
// decodes to itself.
#include "base/check.h"
#include "server/amqp/methods.h"
#include "server/amqp/reply_code.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pontoon::amqp;
  const absl::string_view payload(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Method> method = DecodeMethod(payload);
  if (!method.ok()) {
    PONTOON_CHECK(ReplyCodeOf(method.status()).has_value());
    return 0;
  }
  PONTOON_CHECK(MethodName(IdOf(*method)) == NameOf(*method));
  // Bits that no field owns are not kept, so the first encoding may differ from what came; the
  // second may not.
  const std::string encoded = EncodeMethod(*method);
  PONTOON_CHECK(encoded.size() == payload.size());
  const absl::StatusOr<Method> again = DecodeMethod(encoded);
  PONTOON_CHECK(again.ok());
  PONTOON_CHECK(EncodeMethod(*again) == encoded);
  return 0;
}
