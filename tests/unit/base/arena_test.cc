#include "engine/base/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

namespace flashstor::base {
namespace {

TEST(ArenaTest, AllocatesAlignedAndApart) {
  ArenaPool pool(8, 8);
  Arena arena(pool);
  std::vector<std::pair<char*, std::size_t>> all;
  for (std::size_t i = 1; i < 2000; ++i) {
    const std::size_t alignment = std::size_t{1} << (i % 7);
    auto* memory = static_cast<char*>(arena.keep(i, alignment));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignment, 0U);
    std::memset(memory, static_cast<int>(i % 251), i);
    all.emplace_back(memory, i);
  }
  for (const auto& [memory, size] : all)
    for (std::size_t at = 0; at < size; ++at) ASSERT_EQ(static_cast<unsigned char>(memory[at]), size % 251);
  EXPECT_GT(arena.blocks(), 1U);
}

TEST(ArenaTest, GivesItsBlocksBackAndReusesThem) {
  ArenaPool pool(8, 2);
  Arena arena(pool);
  for (int i = 0; i < 5; ++i) (void)arena.keep(60'000);
  EXPECT_EQ(pool.lent_blocks(), 5U);
  arena.reset();
  EXPECT_EQ(pool.lent_blocks(), 0U);
  EXPECT_EQ(pool.free_blocks(), 2U);
  EXPECT_EQ(arena.used_bytes(), 0U);
  (void)arena.keep(10);
  EXPECT_EQ(pool.free_blocks(), 1U);
}

TEST(ArenaTest, TellsWhenEverythingIsLent) {
  ArenaPool pool(1, 1);
  Arena first(pool);
  EXPECT_FALSE(pool.exhausted());
  (void)first.keep(1);
  EXPECT_TRUE(pool.exhausted());
  (void)first.keep(65'000);  // what is under way still gets memory
  first.reset();
  EXPECT_FALSE(pool.exhausted());
}

TEST(ArenaTest, TakesWhatIsLargerThanABlock) {
  ArenaPool pool(8, 8);
  Arena arena(pool);
  auto* large = static_cast<char*>(arena.keep(300'000));
  std::memset(large, 1, 300'000);
  EXPECT_EQ(pool.lent_blocks(), 0U);
  arena.reset();
}

TEST(ArenaTest, GrowsTheLastAllocationInPlace) {
  ArenaPool pool(8, 8);
  Arena arena(pool);
  std::pmr::string text(&arena);
  for (int i = 0; i < 20'000; ++i) text.push_back('x');
  EXPECT_EQ(std::string_view(text), std::string(20'000, 'x'));
  EXPECT_EQ(arena.copy("abc"), "abc");
  EXPECT_TRUE(arena.copy("").empty());
}

#ifdef FLASHSTOR_DEBUG
TEST(ArenaTest, CountsWhatIsAlive) {
  ArenaPool pool(8, 8);
  Arena arena(pool);
  {
    std::pmr::vector<int> numbers(100, &arena);
    EXPECT_EQ(arena.live_allocations(), 1U);
  }
  EXPECT_EQ(arena.live_allocations(), 0U);
  (void)arena.keep(10);
  EXPECT_EQ(arena.live_allocations(), 0U);
}

// The leak that would do most harm: a container that goes on in memory which the next request writes to.
TEST(ArenaDeathTest, AContainerThatOutlivesItsRequestIsFound) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto plant = [] {
    ArenaPool pool(8, 8);
    Arena arena(pool);
    auto leaked = std::make_unique<std::pmr::vector<int>>(100, &arena);
    arena.reset();
  };
  EXPECT_DEATH(plant(), "live_ == 0");
}
#endif

}  // namespace
}  // namespace flashstor::base
