#ifndef PONTOON_CLIENT_CTL_NODE_JSON_H_
#define PONTOON_CLIENT_CTL_NODE_JSON_H_

#include <string>

#include "proto/admin.pb.h"

namespace pontoon::ctl {

// One line each, with the keys that RabbitMQ's own JSON has; what a node without Erlang does not
// have is 0 or empty.
std::string StatusJson(const std::string& node, const admin::Status& status);
std::string ClusterStatusJson(const std::string& node, const admin::Status& status);
std::string ListenersJson(const admin::Status& status);  // An array.
std::string AlarmsJson(const admin::Status& status);     // An array.

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_NODE_JSON_H_
