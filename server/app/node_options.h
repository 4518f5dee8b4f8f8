#ifndef PONTOON_SERVER_APP_NODE_OPTIONS_H_
#define PONTOON_SERVER_APP_NODE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "server/app/node.h"
#include "server/app/settings.h"

namespace pontoon::app {

// What the settings mean for a node. `salt` is a random number for the default user's password.
NodeOptions NodeOptionsFrom(const Settings& settings, const std::string& version, uint64_t salt);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_NODE_OPTIONS_H_
