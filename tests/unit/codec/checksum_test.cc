#include "engine/codec/checksum.h"

#include <gtest/gtest.h>

#include "engine/base/hex.h"
#include "engine/base/random.h"

namespace flashstor::codec {
namespace {

constexpr ChecksumKind kAll[] = {ChecksumKind::kMd5,   ChecksumKind::kSha1,   ChecksumKind::kSha256,
                                 ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme,
                                 ChecksumKind::kXxh3};

std::string hex(ChecksumKind kind, std::string_view bytes) { return base::to_hex(digest_of(kind, bytes)); }

std::span<const std::byte> span_of(std::string_view bytes) { return std::as_bytes(std::span(bytes)); }

TEST(Checksum, KnownAnswers) {
  const std::string_view digits = "123456789";
  EXPECT_EQ(hex(ChecksumKind::kMd5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(ChecksumKind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(ChecksumKind::kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(ChecksumKind::kCrc32, digits), "cbf43926");
  EXPECT_EQ(hex(ChecksumKind::kCrc32c, digits), "e3069283");
  EXPECT_EQ(hex(ChecksumKind::kCrc64Nvme, digits), "ae8b14860a799888");
}

TEST(Checksum, PiecesGiveTheSameAsTheWhole) {
  base::SeededRandom random(3);
  const std::string bytes = random.bytes(70'001);
  for (const ChecksumKind kind : kAll) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{63}, std::size_t{129}, std::size_t{4096}, bytes.size()}) {
      const auto hasher = make_hasher(kind);
      for (std::size_t at = 0; at < bytes.size(); at += piece)
        hasher->update(std::string_view(bytes).substr(at, piece));
      const std::string digest = hasher->finish();
      EXPECT_EQ(digest.size(), digest_bytes(kind));
      EXPECT_EQ(digest, digest_of(kind, bytes)) << static_cast<int>(kind) << " by " << piece;
    }
  }
}

TEST(Checksum, CombineGivesTheChecksumOfBothParts) {
  base::SeededRandom random(4);
  for (const std::size_t second : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{65'536}}) {
    const std::string a = random.bytes(777);
    const std::string b = random.bytes(second);
    const std::string both = a + b;
    EXPECT_EQ(combine_crc32(crc32(0, span_of(a)), crc32(0, span_of(b)), second), crc32(0, span_of(both)));
    EXPECT_EQ(combine_crc32c(crc32c(0, span_of(a)), crc32c(0, span_of(b)), second), crc32c(0, span_of(both)));
    EXPECT_EQ(combine_crc64nvme(crc64nvme(0, span_of(a)), crc64nvme(0, span_of(b)), second),
              crc64nvme(0, span_of(both)));
  }
}

TEST(Checksum, CombineOfATerabyteOfZerosMatchesDoubling) {
  // The checksum of 2^40 zero bytes by doubling a known one, against one call with that length.
  std::uint64_t doubled = crc64nvme(0, span_of(std::string(1, '\0')));
  for (int i = 0; i < 40; ++i) doubled = combine_crc64nvme(doubled, doubled, std::uint64_t{1} << i);
  std::uint64_t once = crc64nvme(0, span_of(std::string(1, '\0')));
  std::uint64_t rest = 0;
  for (int i = 0; i < 40; ++i) {
    rest = i == 0 ? once : combine_crc64nvme(rest, rest, std::uint64_t{1} << (i - 1));
    once = combine_crc64nvme(once, rest, std::uint64_t{1} << i);
  }
  EXPECT_EQ(doubled, once);
}

}  // namespace
}  // namespace flashstor::codec
