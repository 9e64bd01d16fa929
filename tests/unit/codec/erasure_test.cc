#include "engine/codec/erasure.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "engine/base/random.h"

namespace flashstor::codec {
namespace {

BufferChain chain_of(const std::string& bytes, std::size_t piece) {
  BufferChain chain;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    chain.append(Buffer::copy_of(std::string_view(bytes).substr(at, piece)));
  return chain;
}

std::string joined(const std::vector<Buffer>& shards, std::size_t k, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < k; ++i) out.append(shards[i].view());
  out.resize(size);
  return out;
}

TEST(Erasure, EveryPatternOfUpToMLostShardsIsRebuilt) {
  base::SeededRandom random(1);
  for (const Geometry geometry :
       {Geometry{1, 1}, Geometry{2, 1}, Geometry{2, 2}, Geometry{4, 2}, Geometry{5, 3}}) {
    const std::string bytes = random.bytes(10'007);
    const auto shards = encode_stripe(geometry, chain_of(bytes, 999), kInlineBlockAlignment);
    ASSERT_EQ(shards.size(), geometry.shards());
    ASSERT_EQ(joined(shards, geometry.data_shards, bytes.size()), bytes);
    const PresenceMask all = (PresenceMask{1} << geometry.shards()) - 1;
    for (PresenceMask lost = 1; lost <= all; ++lost) {
      std::vector<Buffer> damaged;
      std::vector<std::byte*> pointers;
      for (std::size_t i = 0; i < shards.size(); ++i) {
        damaged.push_back(Buffer::copy_of(shards[i].view()));
        if ((lost >> i & 1) != 0) std::fill_n(damaged[i].writable(), damaged[i].size(), std::byte{0x5a});
        pointers.push_back(damaged[i].writable());
      }
      const auto result = erasure_coder(geometry).rebuild(pointers, shards[0].size(), all & ~lost, lost);
      if (std::popcount(lost) > geometry.parity_shards) {
        ASSERT_FALSE(result.has_value());
        EXPECT_EQ(result.error().code(), ErrorCode::kReadQuorum);
        continue;
      }
      ASSERT_TRUE(result.has_value());
      for (std::size_t i = 0; i < shards.size(); ++i) ASSERT_EQ(damaged[i].view(), shards[i].view()) << lost;
    }
  }
}

TEST(Erasure, TheLargestSetRebuildsFourLost) {
  base::SeededRandom random(2);
  const Geometry geometry{12, 4};
  const std::string bytes = random.bytes(limits::kStripeBytes);
  const auto shards = encode_stripe(geometry, chain_of(bytes, bytes.size()), kFileBlockAlignment);
  EXPECT_EQ(shards[0].size() % kFileBlockAlignment, 0U);
  std::vector<Buffer> copies;
  std::vector<std::byte*> pointers;
  for (const auto& shard : shards) copies.push_back(Buffer::copy_of(shard.view()));
  const PresenceMask lost = 0b1000'0000'0010'0101;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    if ((lost >> i & 1) != 0) std::fill_n(copies[i].writable(), copies[i].size(), std::byte{});
    pointers.push_back(copies[i].writable());
  }
  ASSERT_TRUE(erasure_coder(geometry).rebuild(pointers, shards[0].size(), 0xffff & ~lost, lost).has_value());
  EXPECT_EQ(joined(copies, 12, bytes.size()), bytes);
}

TEST(Erasure, AnAlignedStripeIsNotCopied) {
  const Geometry geometry{2, 2};
  const BufferChain stripe(Buffer::copy_of(std::string(8192, 'x')));
  const auto shards = encode_stripe(geometry, stripe, kInlineBlockAlignment);
  EXPECT_EQ(shards[0].data(), stripe.slices()[0].data());
  EXPECT_EQ(shards[1].data(), stripe.slices()[0].data() + 4096);
}

TEST(Erasure, OneDriveHasNoParity) {
  const BufferChain stripe(Buffer::copy_of("abc"));
  const auto shards = encode_stripe({1, 0}, stripe, kInlineBlockAlignment);
  ASSERT_EQ(shards.size(), 1U);
  EXPECT_EQ(shards[0].size(), 64U);
  EXPECT_EQ(shards[0].view().substr(0, 4), std::string_view("abc\0", 4));
}

}  // namespace
}  // namespace flashstor::codec
