#ifndef PONTOON_SERVER_NET_ASIO_CONTEXT_H_
#define PONTOON_SERVER_NET_ASIO_CONTEXT_H_

// The only header of this room that includes Asio; for event_loop.cc and descriptor.cc.

// Each context is run by one thread, so Asio's fences around handlers order nothing (and
// ThreadSanitizer cannot see them).
#define BOOST_ASIO_DISABLE_FENCED_BLOCK 1

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

namespace pontoon::net {

struct AsioContext {
  // Only waking comes from other threads, so the reactor's own locks are left out.
  boost::asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_ASIO_CONTEXT_H_
