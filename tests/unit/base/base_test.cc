#include <gtest/gtest.h>

#include "engine/base/buffer.h"
#include "engine/base/codec.h"
#include "engine/base/error.h"
#include "engine/base/hex.h"
#include "engine/base/uuid.h"

namespace flashstor::base {
namespace {

TEST(Error, KeepsItsCauses) {
  const Error disk = errno_error(28, "write", "log");
  EXPECT_EQ(disk.code(), ErrorCode::kNoSpace);
  const Error outer = disk.wrap(ErrorCode::kDriveFailed, "drive 2 is out");
  EXPECT_EQ(outer.describe(), "DriveFailed: drive 2 is out <- NoSpace: write log: No space left on device");
}

TEST(Buffer, SlicesShareTheBlock) {
  const Buffer whole = Buffer::copy_of("hello world");
  const Buffer part = whole.slice(6, 5);
  EXPECT_EQ(part.view(), "world");
  BufferChain chain(whole.slice(0, 6));
  chain.append(part);
  EXPECT_EQ(chain.flatten().view(), "hello world");
  EXPECT_EQ(chain.sub(4, 4).flatten().view(), "o wo");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(whole.data()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(Buffer::allocate(4096).data()) % 4096, 0U);
}

TEST(Codec, ReadsWhatItWrote) {
  ByteWriter writer;
  writer.u8(7).u32(70000).varint(300).svarint(-5).bytes("abc").u64(1ULL << 60);
  ByteReader reader(writer.view());
  EXPECT_EQ(reader.u8(), 7);
  EXPECT_EQ(reader.u32(), 70000U);
  EXPECT_EQ(reader.varint(), 300U);
  EXPECT_EQ(reader.svarint(), -5);
  EXPECT_EQ(reader.bytes(), "abc");
  EXPECT_EQ(reader.u64(), 1ULL << 60);
  EXPECT_TRUE(reader.ok() && reader.at_end());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.ok());
}

// The first bytes lie in the writer, the rest outside: at every place where that can change in between.
TEST(Codec, AWriterGoesOnOutsideOfItself) {
  std::string expected;
  for (std::size_t size = 0; size < 600; ++size) {
    expected.push_back(static_cast<char>('a' + size % 26));
    ByteWriter writer;
    writer.append(std::string_view(expected).substr(0, size)).u64(0x0102030405060708);
    writer.append(expected).varint(UINT64_MAX);
    const std::string bytes(writer.view());
    EXPECT_EQ(writer.take(), bytes);
    ByteReader reader(bytes);
    EXPECT_EQ(reader.raw(size), std::string_view(expected).substr(0, size));
    EXPECT_EQ(reader.u64(), 0x0102030405060708U);
    EXPECT_EQ(reader.raw(expected.size()), expected);
    EXPECT_EQ(reader.varint(), UINT64_MAX);
    EXPECT_TRUE(reader.ok() && reader.at_end());
  }
  EXPECT_EQ(ByteWriter(expected).u8('!').take(), expected + "!");
}

TEST(Codec, AVarintThatNeverEndsIsRefused) {
  const std::string endless(20, '\xff');
  ByteReader reader(endless);
  reader.varint();
  EXPECT_FALSE(reader.ok());
}

TEST(Hex, RoundTripsAndRefuses) {
  EXPECT_EQ(to_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  for (const std::string_view text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"})
    EXPECT_EQ(from_base64(to_base64(text)).value(), text);
  EXPECT_FALSE(from_base64("ab=c").has_value());
  EXPECT_FALSE(from_base64("abc").has_value());
  EXPECT_EQ(to_hex("\x01\xff"), "01ff");
  EXPECT_FALSE(from_hex("0g").has_value());
}

TEST(Uuid, RoundTrips) {
  SeededRandom random(1);
  const Uuid id = Uuid::make(random);
  EXPECT_EQ(Uuid::from_text(id.to_text()).value(), id);
  EXPECT_EQ(Uuid::from_bytes(id.to_bytes()), id);
}

}  // namespace
}  // namespace flashstor::base
