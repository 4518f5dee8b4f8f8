#include "server/admin/cookie_proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace pontoon::admin {
namespace {

constexpr size_t kSecretBytes = 32, kChanceBytes = 16, kSealBytes = 32;

std::string RandomOctets(base::Random* random, size_t count) {
  std::string octets(count, '\0');
  for (size_t at = 0; at < count; at += sizeof(uint64_t)) {
    const uint64_t word = random->Next();
    std::memcpy(&octets[at], &word, sizeof(word));
  }
  return octets;
}

}  // namespace

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

NonceBook::NonceBook(base::Random* random)
    : random_(random), secret_(RandomOctets(random, kSecretBytes)) {}

std::string NonceBook::Seal(absl::string_view open_part, absl::string_view client_nonce) const {
  return CookieProof(secret_, absl::StrCat(open_part, client_nonce)).substr(0, kSealBytes);
}

int64_t NonceBook::Mask(absl::string_view chance) const {
  int64_t mask = 0;
  std::memcpy(&mask, CookieProof(secret_, absl::StrCat("when", chance)).data(), sizeof(mask));
  return mask;
}

std::string NonceBook::Give(absl::string_view client_nonce, base::MonotonicTime now) {
  const std::string chance = RandomOctets(random_, kChanceBytes);
  const int64_t hidden = now.nanos ^ Mask(chance);
  std::string nonce(sizeof(hidden), '\0');
  std::memcpy(nonce.data(), &hidden, sizeof(hidden));
  nonce += chance;
  return nonce + Seal(nonce, client_nonce);
}

bool NonceBook::Use(absl::string_view server_nonce, absl::string_view client_nonce,
                    base::MonotonicTime now) {
  constexpr size_t kOpenBytes = sizeof(int64_t) + kChanceBytes;
  if (server_nonce.size() != kOpenBytes + kSealBytes) return false;
  const absl::string_view open_part = server_nonce.substr(0, kOpenBytes);
  if (!SameProof(Seal(open_part, client_nonce), server_nonce.substr(kOpenBytes))) return false;
  base::MonotonicTime given;
  std::memcpy(&given.nanos, open_part.data(), sizeof(given.nanos));
  given.nanos ^= Mask(open_part.substr(sizeof(given.nanos)));
  if (now - given > kGoodFor) return false;
  base::MutexLock lock(&mutex_);
  while (!used_.empty() && now.nanos - used_.begin()->first > kGoodFor.nanos) {
    used_.erase(used_.begin());
  }
  return used_.emplace(given.nanos, std::string(server_nonce)).second;
}

size_t NonceBook::kept() const {
  base::MutexLock lock(&mutex_);
  return used_.size();
}

}  // namespace pontoon::admin
