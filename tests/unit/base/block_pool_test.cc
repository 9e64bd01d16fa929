#include "engine/base/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "engine/base/buffer.h"

namespace flashstor::base {
namespace {

TEST(BlockPool, EverySizeIsHeldAndAligned) {
  for (std::size_t size = 1; size <= (std::size_t{5} << 20); size = size < 9000 ? size + 1 : size * 3 / 2) {
    Buffer block = Buffer::allocate(size);
    const std::size_t alignment = size >= 4096 ? 4096 : 64;
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % alignment, 0U) << size;
    std::memset(block.writable(), 0x5a, size);
    PayloadBlock* pooled = take_payload_block(size);
    EXPECT_GE(pooled->capacity, size);
    if (size > 64) {
      EXPECT_LE(pooled->capacity, 2 * size) << size;
    }
    give_payload_block(pooled);
  }
}

// Once each thread kept 40 MiB of what it had dropped, thirty threads kept a gigabyte.
TEST(BlockPool, WhatManyThreadsDropStaysBounded) {
  for (int thread = 0; thread < 24; ++thread) {
    std::vector<Buffer> blocks;
    for (int i = 0; i < 64; ++i) blocks.push_back(Buffer::allocate(std::size_t{1} << 20));
    std::thread([dropped = std::move(blocks)]() mutable { dropped.clear(); }).join();
    EXPECT_LE(payload_memory().depot_bytes, kDepotKeepBytes);
  }
}

// What one thread drops another takes: a loop allocates what a drive's thread frees.
TEST(BlockPool, TheDepotPassesBlocksFromThreadToThread) {
  if (payload_memory().depot_bytes == 0) {
    std::vector<Buffer> blocks;
    for (int i = 0; i < 8; ++i) blocks.push_back(Buffer::allocate(std::size_t{1} << 20));
    std::thread([dropped = std::move(blocks)]() mutable { dropped.clear(); }).join();
  }
  const std::size_t before = payload_memory().depot_bytes;
  if (before == 0) GTEST_SKIP() << "blocks are not kept under AddressSanitizer";
  const Buffer taken = Buffer::allocate(std::size_t{1} << 20);
  EXPECT_LT(payload_memory().depot_bytes, before);
}

}  // namespace
}  // namespace flashstor::base
