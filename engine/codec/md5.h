#pragma once

#include <openssl/md5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace flashstor::codec {

/// MD5 (RFC 1321) whose state is plain, so that several streams can be hashed side by side. One stream is a
/// chain of dependent steps: 0.4 GB/s whatever the processor; eight in the lanes of one vector unit cost
/// little more than one. Threads: one at a time.
class Md5 {
 public:
  static constexpr std::size_t kBlock = 64;
  Md5();
  void update(std::span<const std::byte> bytes);
  /// The 16 bytes of the digest. Once, after the last update.
  [[nodiscard]] std::string finish();

 private:
  friend class Md5Lanes;
  MD5_CTX context_;
};

/// Bytes for one stream.
struct Md5Job {
  Md5* stream = nullptr;
  std::span<const std::byte> bytes;
};
inline constexpr std::size_t kMd5Lanes = 8;

/// `stream->update(bytes)` of all jobs, whose streams differ, eight at a time in vector lanes where the
/// processor has AVX2 (about 2 GB/s with eight jobs of one length) or AVX-512VL.
void md5_update_side_by_side(std::span<const Md5Job> jobs);

}  // namespace flashstor::codec
