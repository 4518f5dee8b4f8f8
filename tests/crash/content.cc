#include "tests/crash/content.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/crc32c.h"

namespace pontoon::crash {
namespace {

size_t DrawSize(base::Random* random) {
  const uint64_t dice = random->Below(1000);
  if (dice < 150) return 0;
  if (dice < 800) return 1 + random->Below(1000);
  if (dice < 960) return 1 + random->Below(16 * 1024);
  if (dice < 992) return 16 * 1024 + random->Below(84 * 1024);
  return 100'000 + random->Below(kBodyBytesMax - 100'000 + 1);
}

// Noise that all bodies are cut from: neither compressible nor slow to make.
const std::string& Noise() {
  static const std::string* const noise = [] {
    auto* bytes = new std::string;
    base::SeededRandom random(1);
    while (bytes->size() < 2 * kBodyBytesMax) {
      const uint64_t word = random.Next();
      bytes->append(reinterpret_cast<const char*>(&word), sizeof(word));
    }
    return bytes;
  }();
  return *noise;
}

std::string Head(const std::string& run, MessageId id, size_t size) {
  return absl::StrCat(run, "/", id.ToString(), "/", size, "/");
}

}  // namespace

Content MakeContent(const std::string& run, MessageId id, uint32_t bytes_max,
                    base::Random* random) {
  const size_t size = std::min<size_t>(DrawSize(random), bytes_max);
  Content content;
  content.body = Noise().substr(random->Below(kBodyBytesMax), size);
  content.message_id = Head(run, id, size);
  const uint32_t crc = base::Crc32cExtend(base::Crc32c(content.message_id), content.body);
  absl::StrAppend(&content.message_id, crc);
  return content;
}

std::optional<Judged> JudgeContent(const std::string& run, absl::string_view message_id,
                                   const base::SliceChain& body) {
  const std::vector<absl::string_view> parts = absl::StrSplit(message_id, '/');
  if (parts.size() != 4 || parts[0] != run) return std::nullopt;
  const absl::StatusOr<MessageId> id = MessageId::Parse(parts[1]);
  size_t size = 0;
  uint32_t crc = 0;
  if (!id.ok() || !absl::SimpleAtoi(parts[2], &size) || !absl::SimpleAtoi(parts[3], &crc)) {
    return std::nullopt;
  }
  const std::string head = Head(run, *id, size);
  const bool good = body.size() == size &&
                    base::Crc32cCombine(base::Crc32c(head), base::Crc32c(body), body.size()) == crc;
  return Judged{.id = *id, .good = good};
}

}  // namespace pontoon::crash
