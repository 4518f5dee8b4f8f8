// Any payload of a content header: refused with a reply code, or its properties read, copied and
// rid of BCC without a change to the rest.
#include "base/check.h"
#include "server/amqp/properties.h"
#include "server/amqp/reply_code.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pontoon::amqp;
  const absl::StatusOr<ContentHeader> header =
      ContentHeader::Parse(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!header.ok()) {
    PONTOON_CHECK(ReplyCodeOf(header.status()) == ReplyCode::kFrameError);
    return 0;
  }
  const absl::StatusOr<BasicProperties> view = BasicProperties::Parse(header->properties);
  if (!view.ok()) {
    PONTOON_CHECK(ReplyCodeOf(view.status()) == ReplyCode::kSyntaxError);
    return 0;
  }
  // All but the flag that no property owns comes back.
  std::string expected(view->octets());
  expected[1] = static_cast<char>(expected[1] & 0xfc);
  PONTOON_CHECK(PropertiesBuilder::From(*view).Encode() == expected);
  if (const auto without = WithoutHeader(*view, "BCC"); without.has_value()) {
    const absl::StatusOr<BasicProperties> rest = BasicProperties::Parse(*without);
    PONTOON_CHECK(rest.ok() && !rest->headers().Find("BCC").has_value());
    PropertiesBuilder builder = PropertiesBuilder::From(*view);
    builder.headers->Remove("BCC");
    PONTOON_CHECK(PropertiesBuilder::From(*rest).Encode() == builder.Encode());
  }
  return 0;
}
