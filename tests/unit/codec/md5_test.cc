#include "engine/codec/md5.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/base/hex.h"
#include "engine/codec/checksum.h"

namespace flashstor::codec {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// RFC 1321, A.5.
TEST(Md5, GivesTheDigestsOfItsStandard) {
  const auto hex = [](const std::string& text) {
    Md5 md5;
    md5.update(bytes_of(text));
    return base::to_hex(md5.finish());
  };
  EXPECT_EQ(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, EveryLengthNearABlockAgreesWithOpenSsl) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string bytes = random_bytes(random, size);
    Md5 md5;
    md5.update(bytes_of(bytes).first(size / 3));
    md5.update(bytes_of(bytes).subspan(size / 3));
    ASSERT_EQ(md5.finish(), digest_of(ChecksumKind::kMd5, bytes)) << size;
  }
}

// Streams of unequal lengths in unequal pieces, some begun inside a block, one to twelve at a time.
TEST(Md5, StreamsSideBySideAgreeWithEachAlone) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const std::size_t streams = 1 + random() % 12;
    std::vector<std::string> bytes;
    std::vector<Md5> md5(streams);
    std::vector<std::size_t> at(streams, 0);
    for (std::size_t i = 0; i < streams; ++i) bytes.push_back(random_bytes(random, random() % 3000));
    for (bool more = true; more;) {
      std::vector<Md5Job> jobs;
      more = false;
      for (std::size_t i = 0; i < streams; ++i) {
        const std::size_t take = std::min<std::size_t>(bytes[i].size() - at[i], random() % 700);
        jobs.push_back({&md5[i], bytes_of(bytes[i]).subspan(at[i], take)});
        at[i] += take;
        more = more || at[i] < bytes[i].size();
      }
      md5_update_side_by_side(jobs);
    }
    for (std::size_t i = 0; i < streams; ++i)
      ASSERT_EQ(md5[i].finish(), digest_of(ChecksumKind::kMd5, bytes[i]))
          << "stream " << i << " of " << streams;
  }
}

}  // namespace
}  // namespace flashstor::codec
