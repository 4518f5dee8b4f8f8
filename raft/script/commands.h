#ifndef PONTOON_RAFT_SCRIPT_COMMANDS_H_
#define PONTOON_RAFT_SCRIPT_COMMANDS_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "raft/script/world.h"

namespace pontoon::raft::script {

// The commands of the scripts (README.md lists them), run against a World. For
// tests.
class Commands {
 public:
  // Runs one line and returns what happened. A line that cannot be understood, a promise that is
  // broken, and a `must` that does not hold give lines that begin with "!!".
  std::string Run(absl::string_view line);

 private:
  // `deliver 1->2 nth=1`: name, words, and what stands behind each equals sign.
  struct Line {
    std::string name;
    std::vector<std::string> words;
    std::map<std::string, std::string> named;
    mutable std::set<std::string> understood;  // Of the names.

    bool Has(const std::string& word) const;
    // Nullptr: it is not there.
    const std::string* Named(const std::string& name) const;
    uint64_t Number(const std::string& name, uint64_t otherwise) const;
  };
  using Command = absl::Status (Commands::*)(const Line&);

  static absl::StatusOr<Line> Parse(absl::string_view text);
  absl::Status Dispatch(const Line& line);

  // What there is, and what happens to it: commands.cc.
  absl::Status Nodes(const Line& line);
  absl::Status Disk(const Line& line);
  absl::Status Time(const Line& line);
  absl::Status RunOn(const Line& line);
  absl::Status Links(const Line& line);
  absl::Status Storage(const Line& line);
  absl::Status Forge(const Line& line);
  // What a replica is asked for, and what is seen of it: asks.cc.
  absl::Status Ask(const Line& line);
  absl::Status Propose(const Line& line);
  absl::Status Members(const Line& line);
  absl::Status Snapshot(const Line& line);
  absl::Status Show(const Line& line);
  absl::Status Must(const Line& line);
  std::string Seen(const Replica& replica, const std::string& what) const;

  std::unique_ptr<World> world_;
};

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_COMMANDS_H_
