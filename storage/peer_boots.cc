#include "storage/peer_boots.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "storage/files.h"

namespace pontoon::storage {
namespace {

constexpr int kFormatVersion = 1;
constexpr absl::string_view kFirstLine = "pontoon peers, format ";

}  // namespace

absl::StatusOr<std::unique_ptr<PeerBoots>> PeerBoots::OpenBlocking(const std::string& path) {
  std::unique_ptr<PeerBoots> boots(new PeerBoots(path + "/peers"));
  absl::StatusOr<std::string> text = ReadFileBlocking(boots->path_);
  if (absl::IsNotFound(text.status())) return boots;
  if (!text.ok()) return text.status();
  if (absl::Status read = boots->Read(*text); !read.ok()) return read;
  return boots;
}

absl::Status PeerBoots::Read(const std::string& text) {
  const auto damaged = [this](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat(path_, " is damaged (", why,
                     "). Nothing was changed. Without this file the node starts, and forgets which "
                     "starts of other nodes it has heard."));
  };
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  absl::string_view first = lines.front();
  int version = 0;
  if (!absl::ConsumePrefix(&first, kFirstLine) || !absl::SimpleAtoi(first, &version) ||
      version < 1) {
    return damaged("its first line is none of ours");
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " has format ", version,
                                                      ", written by a newer Pontoon; this one "
                                                      "knows up to ",
                                                      kFormatVersion, ". Nothing was changed."));
  }
  const absl::string_view all = text;
  const size_t crc_at = all.rfind("crc32c ");
  if (crc_at == absl::string_view::npos ||
      all.substr(crc_at) !=
          absl::StrCat("crc32c ", absl::Hex(base::Crc32c(all.substr(0, crc_at)), absl::kZeroPad8),
                       "\n")) {
    return damaged("its checksum does not match");
  }
  for (const absl::string_view line : lines) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words[0] != "peer") continue;
    base::NodeId node;
    uint64_t boot = 0;
    if (words.size() != 3 || !absl::SimpleHexAtoi(words[1], &node.value) ||
        !absl::SimpleAtoi(words[2], &boot))
      return damaged(line);
    boots_[node] = boot;
  }
  return absl::OkStatus();
}

absl::Status PeerBoots::RememberBlocking(base::NodeId node, uint64_t boot) {
  std::map<base::NodeId, uint64_t> boots = boots_;
  uint64_t& known = boots[node];
  if (boot <= known) return absl::OkStatus();
  known = boot;
  std::string text = absl::StrCat(kFirstLine, kFormatVersion, "\n");
  for (const auto& [id, highest] : boots)
    absl::StrAppend(&text, "peer ", absl::Hex(id.value, absl::kZeroPad16), " ", highest, "\n");
  absl::StrAppend(&text, "crc32c ", absl::Hex(base::Crc32c(text), absl::kZeroPad8), "\n");
  if (absl::Status written = ReplaceFileBlocking(path_, text, 0644); !written.ok()) return written;
  boots_ = std::move(boots);
  return absl::OkStatus();
}

}  // namespace pontoon::storage
