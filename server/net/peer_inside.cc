#include "server/net/peer_inside.h"

#include <grpcpp/support/slice.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace pontoon::net {
namespace {

constexpr size_t kLengthBytes = sizeof(uint32_t);

// gRPC keeps slices of this size within itself; others cost it an allocation.
constexpr size_t kInlinedBytes = 16;

grpc::Slice ToGrpc(const base::Slice& slice) {
  if (slice.size() <= kInlinedBytes) return grpc::Slice(slice.data(), slice.size());
  auto* const held = new base::Slice(slice);
  return grpc::Slice(
      const_cast<char*>(slice.data()), slice.size(),
      [](void* holder) { delete static_cast<base::Slice*>(holder); }, held);
}

}  // namespace

std::string PeerContext::Nonce() {
  base::MutexLock lock(&random_mutex);
  return absl::StrCat(absl::Hex(random->Next(), absl::kZeroPad16),
                      absl::Hex(random->Next(), absl::kZeroPad16));
}

const char* PeerMethod(PeerLane lane) {
  switch (lane) {
    case PeerLane::kControl:
      return "/pontoon.Peer/Control";
    case PeerLane::kAppend:
      return "/pontoon.Peer/Append";
    case PeerLane::kSnapshot:
      return "/pontoon.Peer/Snapshot";
    case PeerLane::kFrontEnd:
      return "/pontoon.Peer/FrontEnd";
  }
  return "";
}

const char* PeerLaneName(PeerLane lane) { return std::strrchr(PeerMethod(lane), '/') + 1; }

std::string PeerProof(const std::string& cookie, PeerRole by, const PeerIntroduction& about) {
  const std::string text = absl::StrCat(
      "pontoon peer ", by == PeerRole::kCaller ? "caller " : "server ", kPeerVersion, " ",
      about.cluster_id, " ", about.from.value, " ", about.to.value, " ", about.boot.value, " ",
      static_cast<int>(about.lane), " ", about.caller_nonce, " ", about.server_nonce);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), cookie.data(), static_cast<int>(cookie.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), size});
}

bool SamePeerProof(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

grpc::ByteBuffer PackBatches(absl::Span<const base::SliceChain> batches) {
  std::vector<grpc::Slice> slices;
  slices.reserve(batches.size() * 3);
  for (const base::SliceChain& batch : batches) {
    const auto length = static_cast<uint32_t>(batch.size());
    slices.emplace_back(&length, sizeof(length));
    for (const base::Slice& slice : batch.slices()) slices.push_back(ToGrpc(slice));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

bool UnpackBatches(const grpc::ByteBuffer& message, std::vector<base::Slice>* batches) {
  const size_t size = message.Length();
  std::vector<grpc::Slice> slices;
  if (size == 0 || !message.Dump(&slices).ok()) return false;
  base::Block* const block = base::Block::New(size);
  char* out = block->data();
  for (const grpc::Slice& slice : slices) {
    std::memcpy(out, slice.begin(), slice.size());
    out += slice.size();
  }
  const base::Slice whole(block, block->data(), size);
  for (size_t at = 0; at < size;) {
    uint32_t length;
    if (size - at < kLengthBytes) return false;
    std::memcpy(&length, whole.data() + at, kLengthBytes);
    at += kLengthBytes;
    if (length == 0 || length > size - at) return false;
    batches->push_back(whole.Sub(at, length));
    at += length;
  }
  return true;
}

grpc::ByteBuffer PackText(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string UnpackText(const grpc::ByteBuffer& message, size_t bytes_max) {
  std::vector<grpc::Slice> slices;
  if (message.Length() > bytes_max || !message.Dump(&slices).ok()) return "";
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

}  // namespace pontoon::net
