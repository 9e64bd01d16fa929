#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "engine/async/gather.h"
#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {

/// A directory whose names lie in three sets.
class MoveDirectoryTest : public ManySetsTest {
 protected:
  static constexpr int kFiles = 24;

  void fill(const std::string& directory) {
    mkdir("", directory);
    mkdir(directory, "sub");
    for (int n = 0; n < kFiles; ++n) {
      put_file(directory, file(n), "file " + std::to_string(n));
      put_file(directory + "/sub", file(n), "below " + std::to_string(n));
    }
    put_object(directory + "/implied/deep/object", std::string(200'000, 'x'));
  }
  static std::string file(int n) { return "f" + std::to_string(n); }
  void expect_at(const std::string& directory) {
    std::set<std::string> wanted{"sub", "implied"};
    for (int n = 0; n < kFiles; ++n) wanted.insert(file(n));
    const auto found = names(directory);
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), wanted);
    EXPECT_EQ(names(directory + "/sub").size(), static_cast<std::size_t>(kFiles));
    for (int n = 0; n < kFiles; ++n) {
      EXPECT_EQ(object(directory + "/" + file(n)), "file " + std::to_string(n));
      EXPECT_EQ(object(directory + "/sub/" + file(n)), "below " + std::to_string(n));
    }
    EXPECT_EQ(object(directory + "/implied/deep/object"), std::string(200'000, 'x'));
  }
  void expect_gone(const std::string& directory) {
    EXPECT_EQ(error(volume_->lookup("", directory)), ErrorCode::kNoSuchKey);
    EXPECT_EQ(intents(), 0U);
  }
  /// After `commands` of a rename, the one that writes its intent among them, every further one fails, as
  /// when the process dies.
  void die_after(int commands) {
    left_ = commands;
    begun_ = false;
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).set_before_execute([this, set](const cluster::Command& command) {
        begun_ =
            begun_ || command.kind == static_cast<cluster::CommandKind>(FileCommand::kDirectoryMoveBegin);
        if (begun_ && left_-- <= 0) cluster_->fake(set).fail_next(command.kind, ErrorCode::kUnknownOutcome);
      });
  }
  void live() {
    for (std::uint32_t set = 0; set < sets(); ++set) cluster_->fake(set).set_before_execute({});
  }
  void wait_a_little() {
    runtime_.run_until(
        [](Runtime* loop) -> Task<void> { co_await async::sleep_for(*loop, Milliseconds(1)); }(&runtime_));
  }
  void wait_for_moves(int seconds = 3) {
    const MonotonicTime until = runtime_.now() + std::chrono::seconds(seconds);
    while (intents() != 0 && runtime_.now() < until) wait_a_little();
    EXPECT_EQ(intents(), 0U);
  }
  /// Starts `task`, which may go on after this returns; `ended_` is what came of it.
  void start(Task<Result<void>> task) {
    async::start_detached([](Task<Result<void>> work, std::vector<Result<void>>* ended) -> Task<void> {
      auto done = co_await std::move(work);
      ended->push_back(std::move(done));
    }(std::move(task), &ended_));
  }
  void wait_for_end() {
    const MonotonicTime until = runtime_.now() + std::chrono::seconds(10);
    while (ended_.empty() && runtime_.now() < until) wait_a_little();
    ASSERT_EQ(ended_.size(), 1U);
  }
  /// The second rename begins when the first has moved its `names`th name. What came of each.
  std::vector<Result<void>> both(const std::string& from, const std::string& to,
                                 const std::string& other_from, const std::string& other_to, int names) {
    before_each(
        [this, names, &other_from, &other_to, begun = 0](FileCommand, const std::string& key) mutable {
          if (!key.empty() && begun++ == names)
            start(volume_->rename("", other_from, "", other_to, RenameMode::kReplace));
        });
    std::vector<Result<void>> results{rename(from, to)};
    live();
    wait_for_end();
    results.push_back(ended_.empty() ? Result<void>() : ended_.front());
    ended_.clear();
    return results;
  }
  /// Calls `hook` before each command: its kind, and the old name that it is about if it begins to move one.
  void before_each(std::function<void(FileCommand, const std::string&)> hook) {
    const auto shared =
        std::make_shared<std::function<void(FileCommand, const std::string&)>>(std::move(hook));
    for (std::uint32_t set = 0; set < sets(); ++set)
      cluster_->fake(set).set_before_execute([shared](const cluster::Command& command) {
        const auto kind = static_cast<FileCommand>(command.kind);
        std::string key;
        if (kind == FileCommand::kMoveBegin) key = decode<MovePayload>(command.payload)->from_key;
        if (kind == FileCommand::kRename) key = decode<RenamePayload>(command.payload)->target.key;
        (*shared)(kind, key);
      });
  }
  std::vector<Result<void>> ended_;
  int left_ = 0;
  bool begun_ = false;
};

}  // namespace flashstor::files
