#ifndef PONTOON_SERVER_ADMIN_ADMIN_SERVER_H_
#define PONTOON_SERVER_ADMIN_ADMIN_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "base/random.h"
#include "server/admin/node_control.h"

namespace pontoon::admin {

// The administration service of proto/admin.proto on a port of its own. Whoever cannot prove that
// he knows the cookie learns nothing but that there is such a service, and changes nothing.
class AdminServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 0;  // 0: any free one.
    std::string node_name;
    std::string cookie;
  };
  // All borrowed. AlreadyExists: the port is in use; the message names it.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const Options& options,
                                                            NodeControl* control,
                                                            base::Random* random,
                                                            base::Logger* logger);
  // Stops; calls that are under way get a second to end.
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  uint16_t port() const;

 private:
  class Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_ADMIN_SERVER_H_
