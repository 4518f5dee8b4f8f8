#ifndef PONTOON_SERVER_APP_AMQP_SOCKET_H_
#define PONTOON_SERVER_APP_AMQP_SOCKET_H_

#include "base/logger.h"
#include "server/app/loop_runtime.h"
#include "server/net/accepted_socket.h"

namespace pontoon::app {

// Serves an accepted socket as an AMQP connection of this loop. On the loop. The connection owns
// itself and goes when its socket is closed. Failed TLS handshakes are logged here; they never
// become a connection.
void ServeAmqp(LoopRuntime* runtime, net::AcceptedSocket socket,
               base::Duration tls_handshake_timeout, base::Logger* logger);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_AMQP_SOCKET_H_
