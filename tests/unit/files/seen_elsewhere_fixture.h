#pragma once

#include <memory>
#include <string>

#include "tests/unit/files/two_nodes_fixture.h"

namespace flashstor::files {

/// A file that both nodes have open. A node went on showing what it had found at its first open, also to who
/// had got a lock, until its last close; and what it published cut off what the other had appended.
class SeenElsewhereTest : public TwoNodesTest {
 protected:
  void SetUp() override {
    TwoNodesTest::SetUp();
    put_file("", "f", "0123456789");
    here_ = open_at(*volume_);
    there_ = open_at(*other_);
  }
  void TearDown() override {
    get(here_->release());
    get(there_->release());
    TwoNodesTest::TearDown();
  }
  std::unique_ptr<OpenFileApi> open_at(Volume& volume, bool append = false) {
    return get(volume.open({"f", {}}, {.read = true, .write = true, .append = append}));
  }
  void publish(OpenFileApi& file, std::uint64_t offset, const std::string& text) {
    write(file, offset, text);
    get(file.sync(false));
  }
  void cut(OpenFileApi& file, Volume& volume, std::uint64_t size) {
    AttributeChange change;
    change.size = size;
    get(volume.change_attributes({"f", file.attributes().inode}, change));
  }
  std::uint64_t size_seen(OpenFileApi& file) { return runtime_.run_until(file.look()).size; }
  void lock(Volume& volume, OpenFileApi& file, LockRange::Type type) {
    LockRange range;
    range.type = type;
    range.owner = &volume == volume_.get() ? 1 : 2;
    get(volume.lock({"f", file.attributes().inode}, range, true, nullptr));
  }
  std::unique_ptr<OpenFileApi> here_;
  std::unique_ptr<OpenFileApi> there_;
};

}  // namespace flashstor::files
