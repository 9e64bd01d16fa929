#include "engine/files/write_buffer.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/random.h"

namespace flashstor::files {
namespace {

BufferChain chain(const std::string& text) { return BufferChain(Buffer::copy_of(text)); }

TEST(WriteBuffer, RandomWritesMatchAByteModel) {
  base::SeededRandom random(3);
  for (int run = 0; run < 100; ++run) {
    WriteBuffer buffer;
    std::string model(300, '\0');
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t at = random.below(200);
      const std::size_t length = 1 + random.below(60);
      switch (random.below(5)) {
        case 0:
          buffer.truncate(at);
          std::fill(model.begin() + static_cast<long>(at), model.end(), '\0');
          break;
        case 1:
          buffer.erase(at, length);
          std::fill_n(model.begin() + static_cast<long>(at), length, '\0');
          break;
        default: {
          const std::string text(length, static_cast<char>('a' + random.below(26)));
          buffer.write(at, chain(text));
          model.replace(at, length, text);
        }
      }
      std::string seen(300, '\0');
      for (const auto& found : buffer.find(0, 300))
        seen.replace(found.offset, found.bytes.size(), found.bytes.flatten().view());
      ASSERT_EQ(seen, model);
    }
    std::uint64_t taken = 0;
    const std::uint64_t held = buffer.bytes();
    while (!buffer.empty())
      for (const auto& piece : buffer.take(37)) taken += piece.bytes.size();
    EXPECT_EQ(taken, held);
  }
}

TEST(WriteBuffer, FirstRunIsContiguous) {
  WriteBuffer buffer;
  buffer.write(10, chain("aaaa"));
  buffer.write(14, chain("bb"));
  buffer.write(20, chain("c"));
  EXPECT_EQ(buffer.first_run_bytes(), 6U);
  EXPECT_EQ(buffer.end(), 21U);
}

}  // namespace
}  // namespace flashstor::files
