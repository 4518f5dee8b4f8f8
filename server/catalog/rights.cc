#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/catalog/catalog.h"
#include "server/catalog/hash.h"

namespace pontoon::catalog {
namespace {

// A pattern that backtracks further than this does not match: at about 10 ns a step a check ends
// within milliseconds, while an honest pattern on a name of 255 octets takes some thousand steps.
constexpr uint32_t kMatchStepsMax = 100000;
constexpr uint32_t kMatchHeapKibMax = 1024;
// A class or a group may be repeated by counts that make it huge when compiled.
constexpr size_t kCompiledBytesMax = size_t{1} << 20;

struct Deleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

// A regular expression of a permission: PCRE over octets, found anywhere in the name; the empty one
// matches the empty name only (RabbitMQ: rights are refused by an empty pattern).
class Pattern {
 public:
  absl::Status Compile(absl::string_view pattern) {
    if (pattern.empty()) pattern = "^$";
    int error = 0;
    PCRE2_SIZE offset = 0;
    const std::unique_ptr<pcre2_compile_context, Deleter> context(
        pcre2_compile_context_create(nullptr));
    pcre2_set_parens_nest_limit(context.get(), 250);
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), 0,
                              &error, &offset, context.get()));
    size_t bytes = 0;
    if (code_ != nullptr) pcre2_pattern_info(code_.get(), PCRE2_INFO_SIZE, &bytes);
    if (code_ == nullptr || bytes > kCompiledBytesMax) {
      std::string reason = "it is too large";
      if (code_ == nullptr) {
        char text[256] = {};
        pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof(text));
        reason = absl::StrCat(absl::string_view(text), " at offset ", offset);
      }
      code_.reset();
      return absl::InvalidArgumentError(
          absl::StrCat("invalid regular expression '", pattern, "': ", reason));
    }
    data_.reset(pcre2_match_data_create(1, nullptr));
    limits_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(limits_.get(), kMatchStepsMax);
    pcre2_set_heap_limit(limits_.get(), kMatchHeapKibMax);
    return absl::OkStatus();
  }

  // False also for a pattern that did not compile or that takes too long.
  bool Matches(absl::string_view name) const {
    if (code_ == nullptr) return false;
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0,
                       data_.get(), limits_.get()) >= 0;
  }

 private:
  std::unique_ptr<pcre2_code, Deleter> code_;
  std::unique_ptr<pcre2_match_data, Deleter> data_;
  std::unique_ptr<pcre2_match_context, Deleter> limits_;
};

class RightsImpl final : public Rights {
 public:
  RightsImpl(std::string user, std::string vhost)
      : user_(std::move(user)), vhost_(std::move(vhost)) {}

  absl::Status Check(const Version& version, Right right, absl::string_view kind,
                     absl::string_view name) override {
    if (version.index() != seen_index_ || !seen_any_) Refresh(version);
    if (name.empty() && kind == "exchange")
      name = "amq.default";  // RabbitMQ's name of it in permissions.
    Known& known = known_[(HashName(name) + static_cast<size_t>(right)) % known_.size()];
    if (!known.filled || known.right != right || known.name != name) {
      known.allowed = has_permission_ && patterns_[static_cast<size_t>(right)].Matches(name);
      known.filled = true;
      known.right = right;
      known.name = std::string(name);
    }
    if (known.allowed) return absl::OkStatus();
    return amqp::AccessRefused(absl::StrCat("access to ", kind, " '", name, "' in vhost '", vhost_,
                                            "' refused for user '", user_, "'"));
  }

 private:
  // A name's answer is the same for a queue and an exchange.
  struct Known {
    bool filled = false;
    bool allowed = false;
    Right right = Right::kConfigure;
    std::string name;
  };

  void Refresh(const Version& version) {
    seen_index_ = version.index();
    seen_any_ = true;
    const PermissionRecord* found = version.FindPermission(user_, vhost_);
    const bool same =
        (found != nullptr) == has_permission_ &&
        (found == nullptr || (found->configure == compiled_.configure &&
                              found->write == compiled_.write && found->read == compiled_.read));
    if (same) return;
    known_.fill({});
    has_permission_ = found != nullptr;
    if (!has_permission_) return;
    compiled_ = *found;
    const std::string* const texts[] = {&compiled_.configure, &compiled_.write, &compiled_.read};
    for (size_t i = 0; i < patterns_.size(); ++i) {
      patterns_[i] = Pattern();
      (void)patterns_[i].Compile(*texts[i]);  // One that does not compile refuses.
    }
  }

  const std::string user_;
  const std::string vhost_;
  uint64_t seen_index_ = 0;
  bool seen_any_ = false;
  bool has_permission_ = false;
  PermissionRecord compiled_;
  std::array<Pattern, 3> patterns_;
  std::array<Known, 32> known_;
};

}  // namespace

std::unique_ptr<Rights> NewRights(std::string user, std::string vhost) {
  return std::make_unique<RightsImpl>(std::move(user), std::move(vhost));
}

absl::Status CheckPattern(absl::string_view pattern) { return Pattern().Compile(pattern); }

}  // namespace pontoon::catalog
