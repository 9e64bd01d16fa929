#include "engine/storage/shard_store.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/sim_file_io.h"

namespace flashstor::storage {
namespace {

/// Files in memory, with something that happens after a look whether one exists.
class WatchedIo final : public FileIo {
 public:
  std::function<void(const std::string& path)> after_look;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode, bool direct) override {
    return inner.open(path, mode, direct);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return inner.rename(from, to);
  }
  Result<void> remove(const std::string& path) override { return inner.remove(path); }
  Result<void> make_directory(const std::string& path) override { return inner.make_directory(path); }
  Result<void> sync_directory(const std::string& path) override { return inner.sync_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return inner.list(path); }
  Result<bool> exists(const std::string& path) override {
    auto there = inner.exists(path);
    if (after_look) after_look(path);
    return there;
  }
  Result<SpaceInfo> space(const std::string& path) override { return inner.space(path); }
  Result<std::unique_ptr<File>> lock(const std::string& path) override { return inner.lock(path); }

  SimFileIo inner;
};

// It is looked for in its place, then in staging: what is published in between was said to be absent, and a
// new leader took that for the proof that nobody had seen it.
TEST(ShardStore, AFileThatIsPublishedWhileItIsLookedForIsHeld) {
  WatchedIo io;
  ShardStore store(io, "drive");
  const DataId id{3, 4};
  const std::string text = id.to_text();
  for (const char* directory : {"drive", "drive/staging", "drive/shards"})
    ASSERT_TRUE(io.make_directory(directory));
  ASSERT_TRUE(io.open(store.staging_path(id), OpenMode::kCreate, false));
  bool published = false;
  io.after_look = [&](const std::string& path) {
    if (path != "drive/shards/" + text.substr(0, 2) + "/" + text || std::exchange(published, true)) return;
    EXPECT_TRUE(store.publish(id));
  };
  const auto held = store.holds(id);
  ASSERT_TRUE(held) << held.error().describe();
  EXPECT_TRUE(published);
  EXPECT_TRUE(*held);
}

// The next process saw it in its place, closed cleanly, and so nobody put it there again: after a power cut
// it lay in staging for ever (simulator, files 44568).
TEST(ShardStore, WhatAProcessMovedThatWasKilledIsMadeSafeByTheNext) {
  const DataId id{3, 4};
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    SimFileIo io;
    for (const char* directory : {"drive", "drive/staging", "drive/shards"})
      ASSERT_TRUE(io.make_directory(directory));
    {
      ShardStore killed(io, "drive");
      ASSERT_TRUE(io.open(killed.staging_path(id), OpenMode::kCreate, false));
      ASSERT_TRUE(killed.sync_staging());
      ASSERT_TRUE(killed.publish(id));
    }
    ShardStore store(io, "drive");
    ASSERT_TRUE(store.publish(id));
    ASSERT_TRUE(store.sync_published());
    base::SeededRandom random(seed);
    io.crash(random);
    EXPECT_EQ(*store.published(), std::vector{id}) << seed;
  }
}

}  // namespace
}  // namespace flashstor::storage
