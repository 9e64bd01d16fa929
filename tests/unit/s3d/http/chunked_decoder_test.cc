#include "s3d/http/chunked_decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace flashstor::s3d {
namespace {

TEST(ChunkedDecoderTest, GivesPayloadAtEverySplit) {
  const std::string wire =
      "5;name=value\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext";
  for (std::size_t piece = 1; piece <= wire.size(); ++piece) {
    ChunkedDecoder decoder;
    std::string held;
    std::string payload;
    for (std::size_t at = 0; at < wire.size() && !decoder.done();) {
      const std::size_t size = std::min(piece, wire.size() - at);
      held.append(wire, at, size);
      at += size;
      for (;;) {
        const auto step = decoder.next(held, 3);
        ASSERT_TRUE(step.has_value()) << step.error().describe();
        payload.append(step->payload);
        held.erase(0, step->consumed);
        if (step->payload.empty()) break;
      }
    }
    EXPECT_TRUE(decoder.done());
    EXPECT_EQ(payload, "hello 0123456789");
    EXPECT_TRUE(std::string_view("next").starts_with(held));
  }
}

TEST(ChunkedDecoderTest, RefusesBrokenFraming) {
  for (const std::string wire :
       {"x\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "5\nhello\r\n", "-5\r\nhello\r\n", "",
        "\r\n", "0x5\r\nhello\r\n", "5 5\r\nhello\r\n", "5;a\rb\r\nhello\r\n", "5\r\nhello\n\r",
        "8000000000000000\r\n", "0\r\nname\r\n\r\n", "0\r\n: x\r\n\r\n", "0\r\n folded: x\r\n\r\n",
        "0\r\nna me: x\r\n\r\n", "0\r\nname: x\n\r\n"}) {
    ChunkedDecoder decoder;
    bool refused = false;
    std::string held = wire + std::string(5000, 'a');
    while (!held.empty() && !refused) {
      const auto step = decoder.next(held, 100);
      refused = !step.has_value();
      if (refused || (step->consumed == 0 && step->payload.empty())) break;
      held.erase(0, step->consumed);
    }
    EXPECT_TRUE(refused) << wire;
  }
}

// What Beast's parser stopped the process on: a last chunk's line cut behind its line feed, after an end of
// payload that a client chose.
TEST(ChunkedDecoderTest, WaitsForTheRestOfATrailer) {
  const std::string wire =
      "15\r\nBost: h\r\nTransf\x16"
      "e\ntwo\r\n0\r\n";
  ChunkedDecoder decoder;
  std::string held = wire;
  std::string payload;
  for (;;) {
    const auto step = decoder.next(held, 100);
    ASSERT_TRUE(step.has_value()) << step.error().describe();
    payload.append(step->payload);
    held.erase(0, step->consumed);
    if (step->payload.empty()) break;
  }
  EXPECT_EQ(payload.size(), 0x15U);
  EXPECT_FALSE(decoder.done());
  const auto end = decoder.next(held + "\r\n", 100);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(decoder.done());
}

// A body with a broken trailer was taken for whole by who asked again: its connection stayed open.
TEST(ChunkedDecoderTest, StaysBroken) {
  for (const std::string wire : {"\r\n0\r\nx: a\n\r\n", "0\r\nx\r\n\r\n"}) {
    ChunkedDecoder decoder;
    if (wire.starts_with('\r')) ASSERT_TRUE(decoder.next("5\r\nhello", 100).has_value());
    EXPECT_FALSE(decoder.next(wire, 100).has_value());
    EXPECT_FALSE(decoder.next(wire, 100).has_value());
    EXPECT_FALSE(decoder.next("\r\n", 100).has_value());
    EXPECT_FALSE(decoder.done());
  }
}

TEST(ChunkedDecoderTest, RefusesATrailerThatNeverEnds) {
  ChunkedDecoder decoder;
  ASSERT_TRUE(decoder.next("0\r\n", 1).has_value());
  bool refused = false;
  for (int line = 0; line < 5000 && !refused; ++line) refused = !decoder.next("a: b\r\n", 1).has_value();
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace flashstor::s3d
