// Any octets, cut anywhere: the same frames come out as from one piece, and what was taken is what
// was fed.
#include <string>

#include "base/check.h"
#include "server/amqp/content_assembler.h"
#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"

namespace pontoon::amqp {
namespace {

// What a reader makes of the octets, as text: the frames written again, and the error.
std::string Read(absl::string_view octets, uint32_t frame_max, size_t piece) {
  FrameReader reader(frame_max);
  FrameWriter writer(0);
  ContentAssembler assembler;
  Frame frame;
  while (!octets.empty()) {
    const absl::string_view part = octets.substr(0, piece);
    octets.remove_prefix(part.size());
    reader.Feed(base::Slice::Copy(part));
    FrameReader::Result result;
    while ((result = reader.Next(&frame)) == FrameReader::Result::kFrame) {
      const base::Slice payload = frame.payload.Flatten();
      writer.AddFrame(frame.type, frame.channel, payload.view());
      if (frame.type == FrameType::kMethod && !assembler.active()) {
        const auto id = PeekMethodId(payload.view());
        if (id.ok() && *id == BasicPublish::kId) assembler.Begin(*id);
      } else if (assembler.active()) {
        const auto whole = assembler.OnFrame(frame);
        if (!whole.ok()) {  // The connection would end here.
          const base::Slice written = writer.Take().Flatten();
          return std::string(written.view()) + whole.status().ToString();
        }
        if (*whole) PONTOON_CHECK(assembler.Take().body.size() == assembler.body_size());
      }
      if (!IsKnownFrameType(frame.type)) PONTOON_CHECK(!UnknownFrameError(frame).ok());
    }
    if (result == FrameReader::Result::kError) break;
  }
  const base::Slice written = writer.Take().Flatten();
  return std::string(written.view()) + reader.error().ToString();
}

}  // namespace
}  // namespace pontoon::amqp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pontoon::amqp::Read;
  if (size < 2) return 0;
  const uint32_t frame_max = data[0] < 128 ? 4096 : data[0];
  const size_t piece = 1 + data[1] % 64;
  const absl::string_view octets(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = Read(octets, frame_max, octets.size());
  PONTOON_CHECK(whole == Read(octets, frame_max, piece));
  return 0;
}
