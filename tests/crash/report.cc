#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/crash/checker.h"

namespace pontoon::crash {
namespace {

using Figures = std::vector<std::pair<absl::string_view, uint64_t>>;

Figures MustBeZero(const Report& report) {
  return {{"lost", report.lost},
          {"out_of_order", report.out_of_order},
          {"duplicated", report.duplicated},
          {"unexpected", report.unexpected},
          {"damaged", report.damaged},
          {"redelivered_unexplained", report.redelivered_unexplained},
          {"returns_missing", report.returns_missing},
          {"queues_lost", report.queues_lost}};
}

Figures AllFigures(const Report& report) {
  Figures figures = {{"attempted", report.attempted},
                     {"confirmed", report.confirmed},
                     {"confirmed_between_faults", report.confirmed_between_faults},
                     {"outcome_unknown", report.outcome_unknown},
                     {"unrouted", report.unrouted},
                     {"delivered", report.delivered},
                     {"recovered", report.recovered},
                     {"redelivered", report.redelivered},
                     {"redelivered_after_ack", report.redelivered_after_ack},
                     {"faults", report.faults},
                     {"starts", report.starts},
                     {"longest_confirm_gap_ms",
                      static_cast<uint64_t>(report.longest_confirm_gap_nanos) / 1'000'000},
                     {"longest_start_to_confirm_ms",
                      static_cast<uint64_t>(report.longest_start_to_confirm_nanos) / 1'000'000}};
  for (const auto& figure : MustBeZero(report)) figures.push_back(figure);
  return figures;
}

// The texts are our own: no character in them needs more than this.
std::string JsonTexts(const std::vector<std::string>& texts) {
  return absl::StrCat(
      "[",
      absl::StrJoin(texts, ", ",
                    [](std::string* out, const std::string& text) {
                      out->push_back('"');
                      for (const char c : text) {
                        if (c == '"' || c == '\\') out->push_back('\\');
                        out->push_back(static_cast<unsigned char>(c) < ' ' ? ' ' : c);
                      }
                      out->push_back('"');
                    }),
      "]");
}

}  // namespace

Verdict Report::verdict() const {
  for (const auto& [name, count] : MustBeZero(*this)) {
    if (count != 0) return Verdict::kFail;
  }
  return incomplete.empty() ? Verdict::kPass : Verdict::kUnknown;
}

std::string Report::ToJson() const {
  std::string json = absl::StrCat("{\n  \"verdict\": \"", VerdictName(verdict()), "\"");
  for (const auto& [name, value] : AllFigures(*this)) {
    absl::StrAppend(&json, ",\n  \"", name, "\": ", value);
  }
  absl::StrAppend(&json, ",\n  \"broken\": ", JsonTexts(broken),
                  ",\n  \"incomplete\": ", JsonTexts(incomplete), "\n}\n");
  return json;
}

std::string Report::ToLine() const {
  return absl::StrCat(
      VerdictName(verdict()), ": ",
      absl::StrJoin(AllFigures(*this), ", ", [](std::string* out, const auto& figure) {
        absl::StrAppend(out, figure.first, " ", figure.second);
      }));
}

}  // namespace pontoon::crash
