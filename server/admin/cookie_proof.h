#ifndef PONTOON_SERVER_ADMIN_COOKIE_PROOF_H_
#define PONTOON_SERVER_ADMIN_COOKIE_PROOF_H_

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/time.h"

namespace pontoon::admin {

// HMAC-SHA256 with the cookie as key; proto/admin.proto says over what.
std::string CookieProof(absl::string_view cookie, absl::string_view text);
// In constant time.
bool SameProof(absl::string_view a, absl::string_view b);

// The nonces that were given out and not yet used: each is good once, for a while, for the client nonce that it was
// given for. Strangers can ask for nonces, so their number is bounded: the oldest go first. Any thread.
class NonceBook {
 public:
  static constexpr size_t kNoncesMax = 1024;
  static constexpr base::Duration kGoodFor = base::Seconds(30);

  explicit NonceBook(base::Random* random) : random_(random) {}
  std::string Give(absl::string_view client_nonce, base::MonotonicTime now);
  // False: never given, used before, too old, or for another client.
  bool Use(absl::string_view server_nonce, absl::string_view client_nonce, base::MonotonicTime now);

 private:
  struct Given {
    std::string client_nonce;
    base::MonotonicTime at;
  };
  base::Mutex mutex_;
  base::Random* const random_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::string, Given> given_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_COOKIE_PROOF_H_
