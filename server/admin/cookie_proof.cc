#include "server/admin/cookie_proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

namespace pontoon::admin {

std::string CookieProof(absl::string_view cookie, absl::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), cookie.data(), static_cast<int>(cookie.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

bool SameProof(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string NonceBook::Give(absl::string_view client_nonce, base::MonotonicTime now) {
  base::MutexLock lock(&mutex_);
  std::string nonce(16, '\0');
  const uint64_t words[2] = {random_->Next(), random_->Next()};
  std::memcpy(nonce.data(), words, sizeof(words));
  given_[nonce] = {std::string(client_nonce), now};
  order_.push_back(nonce);
  while (order_.size() > kNoncesMax) {
    given_.erase(order_.front());
    order_.pop_front();
  }
  return nonce;
}

bool NonceBook::Use(absl::string_view server_nonce, absl::string_view client_nonce, base::MonotonicTime now) {
  base::MutexLock lock(&mutex_);
  const auto it = given_.find(std::string(server_nonce));
  if (it == given_.end()) return false;
  const bool good = it->second.client_nonce == client_nonce && now - it->second.at <= kGoodFor;
  given_.erase(it);
  return good;
}

}  // namespace pontoon::admin
