#pragma once

#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {

/// Opens, writes and syncs that a rename or an unlink of the same volume meets. Answers of sets are held
/// back, so that the one is between its steps while the other goes on.
class RenameMeetsOpenTest : public ManySetsTest {
 protected:
  void hold(FileCommand kind, const std::string& key, async::Event& until) {
    cluster_->fake(set_of(key)).hold_answer(static_cast<cluster::CommandKind>(kind), until);
  }
  void begin(async::Gate& gate, Task<void> task) {
    const auto spawn = [](async::Gate* into, Task<void> what) -> Task<void> {
      into->spawn(std::move(what));
      co_return;
    };
    runtime_.run_until(spawn(&gate, std::move(task)));
  }
  void let_go(async::Event& answer) {
    const auto set = [](async::Event* event) -> Task<void> {
      event->set();
      co_return;
    };
    runtime_.run_until(set(&answer));
  }
  static Task<void> open_into(Volume* volume, FileRef file, Result<std::unique_ptr<OpenFileApi>>* out) {
    *out = co_await volume->open(std::move(file), {.read = true, .write = true});
  }
  static Task<void> rename_into(Volume* volume, std::string from, std::string to, Result<void>* out) {
    *out = co_await volume->rename("", from, "", to, RenameMode::kReplace);
  }
  static Task<void> remove_into(Volume* volume, std::string name, Result<void>* out) {
    *out = co_await volume->remove("", name);
  }
  static Task<void> sync_into(OpenFileApi* file, Result<void>* out) { *out = co_await file->sync(false); }
  /// The row has been read and the open is not made yet when the rename begins and ends.
  void open_overtaken_by(const std::string& from, const std::string& to) {
    put_file("", from, "old bytes");
    const InodeId inode = stat("", from).inode;
    async::Event found;
    async::Gate gate;
    Result<std::unique_ptr<OpenFileApi>> opened;
    hold(FileCommand::kLookup, from, found);
    begin(gate, open_into(volume_.get(), {from, inode}, &opened));
    mv(from, to);
    let_go(found);
    runtime_.run_until(gate.close());
    ASSERT_TRUE(opened) << opened.error().describe();
    write(**opened, 0, "NEW");
    get((*opened)->sync(false));
    EXPECT_EQ(object(to), "NEW bytes");
    write(**opened, 4, "BYTES");
    get((*opened)->flush());
    get((*opened)->release());
    EXPECT_EQ(object(to), "NEW BYTES");
    EXPECT_EQ(names(""), std::vector<std::string>{to});
  }
};

}  // namespace flashstor::files
