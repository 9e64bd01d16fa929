#include <algorithm>

#include "tests/unit/files/rename_meets_fixture.h"

namespace flashstor::files {
namespace {

using RefusedPublishTest = RenameMeetsOpenTest;

TEST_F(RefusedPublishTest, AFileWithoutANameWhoseRowIsGoneIsStaleAtOnce) {
  for (const std::size_t size : {std::size_t{3}, std::size_t{3} << 20}) {
    const auto file = create("", "f");
    write(*file, 0, "before");
    get(file->sync(false));
    get(volume_->remove("", "f"));
    get(get(Volume::open(*store_, "bucket", {}, runtime_))
            ->close());  // it takes what has no name for left over
    EXPECT_EQ(orphans(), 0U);
    write(*file, 0, std::string(size, 'x'));
    EXPECT_EQ(error(file->sync(false)), ErrorCode::kStaleHandle);
    EXPECT_EQ(orphans(), 0U);
    static_cast<void>(runtime_.run_until(file->release()));
  }
}

// Each publish asked for the names ever after, and the fourth try locked the bucket whatever the reason.
TEST_F(RefusedPublishTest, ARefusalCostsThePublishesAfterItNothing) {
  const auto file = create("", "f");
  write(*file, 0, "before");
  flashstor::testing::FakeSet& set = cluster_->fake(set_of("f"));
  const auto publish = static_cast<cluster::CommandKind>(FileCommand::kPublish);
  std::size_t fewest_locks = 0;
  std::size_t most_locks = 0;
  int commands = 0;
  set.set_before_execute([&](const cluster::Command& command) {
    if (command.kind != publish) return;
    ++commands;
    fewest_locks = commands == 1 ? command.locks.size() : std::min(fewest_locks, command.locks.size());
    most_locks = std::max(most_locks, command.locks.size());
  });
  for (int n = 0; n < (kMaxStaleRetries + 1) * (kChasesBeforeLock + 1); ++n)
    set.fail_next(publish, ErrorCode::kStale);
  get(file->sync(false));
  EXPECT_GT(commands, kMaxStaleRetries * kChasesBeforeLock);
  EXPECT_EQ(most_locks, fewest_locks);  // not the bucket
  set.set_before_execute({});
  async::Event names;
  async::Gate gate;
  Result<void> synced = fail(ErrorCode::kInternal);
  hold(FileCommand::kLinks, "f", names);
  write(*file, 0, "BEFORE");
  begin(gate, sync_into(file.get(), &synced));
  EXPECT_TRUE(synced);  // without that question
  let_go(names);
  runtime_.run_until(gate.close());
  get(file->release());
  EXPECT_EQ(object("f"), "BEFORE");
}

}  // namespace
}  // namespace flashstor::files
