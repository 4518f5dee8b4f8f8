#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "server/amqp/reply_code.h"
#include "server/catalog/checkpoint.h"
#include "server/catalog/codec.h"
#include "server/catalog/commands.h"
#include "server/catalog/difference.h"
#include "server/catalog/editor.h"
#include "server/catalog/members.h"

namespace pontoon::catalog {
namespace {

class MachineImpl final : public Machine {
 public:
  MachineImpl() : version_(NewVersion(editor_.state())) {}

  absl::Status Restore(uint64_t applied, absl::string_view root) override {
    absl::StatusOr<CheckpointContents> contents = ReadCheckpoint(applied, root);
    if (!contents.ok()) return contents.status();
    editor_ = std::move(contents->editor);
    members_ = std::move(contents->members);
    digest_ = contents->digest;
    stopped_ = absl::OkStatus();
    version_ = NewVersion(editor_.state());
    return absl::OkStatus();
  }

  absl::StatusOr<AppliedBatch> Install(uint64_t applied, absl::string_view root) override {
    const VersionPtr before = version_;
    const Members members = members_;
    if (absl::Status restored = Restore(applied, root); !restored.ok()) return restored;
    AppliedBatch batch;
    batch.version = version_;
    batch.changes = Difference(*before, members, *version_, members_);
    return batch;
  }

  AppliedBatch Apply(absl::Span<const std::pair<uint64_t, std::string>> entries) override {
    AppliedBatch batch;
    batch.status = stopped_;
    for (const auto& [index, entry] : entries) {
      if (!batch.status.ok()) break;
      if (index <= editor_.state().index) continue;
      ApplyOne(index, entry, &batch);
    }
    if (editor_.state().index != version_->index()) version_ = NewVersion(editor_.state());
    batch.version = version_;
    return batch;
  }

  std::function<std::string()> CheckpointTask() const override {
    return [state = editor_.state(), members = members_, digest = digest_] {
      return WriteCheckpoint(state, members, digest);
    };
  }
  VersionPtr version() const override { return version_; }
  uint64_t digest() const override { return digest_; }

 private:
  void ApplyOne(uint64_t index, const std::string& entry, AppliedBatch* batch) {
    absl::StatusOr<std::pair<Origin, Command>> decoded = DecodeCommand(entry);
    if (!decoded.ok()) {
      stopped_ = absl::Status(decoded.status().code(), absl::StrCat("catalog entry ", index, ": ",
                                                                    decoded.status().message()));
      batch->status = stopped_;
      return;
    }
    const Origin& origin = decoded->first;
    Answer answer;
    if (const Answer* first = members_.FindAnswer(origin)) {
      answer = *first;
    } else if (absl::Status status = members_.CheckOrigin(origin); !status.ok()) {
      answer.status = std::move(status);
    } else {
      Commands commands(index, &editor_, &members_, &batch->changes);
      answer =
          std::visit([&](const auto& command) { return commands.Run(command); }, decoded->second);
      members_.Remember(origin, answer);
    }
    editor_.mutable_state()->index = index;
    UpdateDigest(index, entry, answer);
    batch->outcomes.push_back(
        {index, origin, std::move(answer.status), answer.queue, answer.created});
  }

  // Over what was applied and what came of it, so that replicas that read the same but did not do
  // the same differ.
  void UpdateDigest(uint64_t index, const std::string& entry, const Answer& answer) {
    // Not the text, which another version may word otherwise.
    const auto reply = amqp::ReplyCodeOf(answer.status);
    const uint64_t outcome =
        reply ? amqp::ReplyNumber(*reply) : static_cast<uint64_t>(answer.status.code());
    digest_ = HashId(digest_ ^ index);
    digest_ = HashId(digest_ ^ (uint64_t{base::Crc32c(entry)} << 32 | outcome));
    digest_ = HashId(digest_ ^ answer.queue.value ^ (answer.created ? uint64_t{1} << 63 : 0));
  }

  Editor editor_;
  Members members_;
  uint64_t digest_ = 0;
  absl::Status stopped_;
  VersionPtr version_;
};

}  // namespace

absl::Status CheckCheckpoint(uint64_t applied, absl::string_view root) {
  return ReadCheckpoint(applied, root).status();
}

std::unique_ptr<Machine> NewMachine() { return std::make_unique<MachineImpl>(); }

}  // namespace pontoon::catalog
