#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/catalog/catalog.h"

namespace pontoon::catalog {
namespace {

constexpr size_t kSaltBytes = 4;

const EVP_MD* DigestOf(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha256:
      return EVP_sha256();
    case HashAlgorithm::kSha512:
      return EVP_sha512();
    case HashAlgorithm::kMd5:
      return EVP_md5();
  }
  return nullptr;
}

// The salt, then the digest of salt and password.
std::string Salted(absl::string_view salt, absl::string_view password, HashAlgorithm algorithm) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const std::string salted = absl::StrCat(salt, password);
  const int made =
      EVP_Digest(salted.data(), salted.size(), digest, &size, DigestOf(algorithm), nullptr);
  PONTOON_CHECK_MSG(made == 1, "OpenSSL has no such digest");
  return absl::StrCat(salt, absl::string_view(reinterpret_cast<const char*>(digest), size));
}

}  // namespace

std::string HashPassword(absl::string_view password, HashAlgorithm algorithm, uint32_t salt) {
  const char octets[kSaltBytes] = {static_cast<char>(salt >> 24), static_cast<char>(salt >> 16),
                                   static_cast<char>(salt >> 8), static_cast<char>(salt)};
  return Salted(absl::string_view(octets, kSaltBytes), password, algorithm);
}

bool CheckPassword(const UserRecord& user, absl::string_view password) {
  if (user.password_hash.size() <= kSaltBytes) return false;
  const std::string expected =
      Salted(absl::string_view(user.password_hash).substr(0, kSaltBytes), password, user.algorithm);
  return expected.size() == user.password_hash.size() &&
         CRYPTO_memcmp(expected.data(), user.password_hash.data(), expected.size()) == 0;
}

}  // namespace pontoon::catalog
