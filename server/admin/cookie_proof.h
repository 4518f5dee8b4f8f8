#ifndef PONTOON_SERVER_ADMIN_COOKIE_PROOF_H_
#define PONTOON_SERVER_ADMIN_COOKIE_PROOF_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/time.h"

namespace pontoon::admin {

// HMAC-SHA256 with the cookie as key; proto/admin.proto says over what.
std::string CookieProof(absl::string_view cookie, absl::string_view text);
// In constant time.
bool SameProof(absl::string_view a, absl::string_view b);

// Gives nonces that are good once, for a while, for the client nonce that they were given for.
// Whoever asks for nonces costs nothing: a nonce says itself when it was given, under a seal of
// this book; only those that were used are kept, until they are too old anyway. Any thread.
class NonceBook {
 public:
  static constexpr base::Duration kGoodFor = base::Seconds(30);

  // `random` is borrowed and must bear being asked by several threads.
  explicit NonceBook(base::Random* random);
  std::string Give(absl::string_view client_nonce, base::MonotonicTime now);
  // Call it only for somebody whose proof is right. False: never given, used before, too old, or
  // for another client.
  bool Use(absl::string_view server_nonce, absl::string_view client_nonce, base::MonotonicTime now);
  size_t kept() const;

 private:
  // Hides when a nonce was given: how long a node runs is nobody's business.
  int64_t Mask(absl::string_view chance) const;
  std::string Seal(absl::string_view open_part, absl::string_view client_nonce) const;

  base::Random* const random_;
  const std::string secret_;
  mutable base::Mutex mutex_;
  // By the time they were given.
  std::set<std::pair<int64_t, std::string>> used_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_COOKIE_PROOF_H_
