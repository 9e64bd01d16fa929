#include <string>

#include "tests/unit/files/volume_fixture.h"

namespace flashstor::files {
namespace {

/// What has streamed to the drives is nowhere else: an error loses it, and the fsync after the one that said
/// so answered 0 over a file with a hole.
class LostStreamTest : public VolumeTest {
 protected:
  std::unique_ptr<OpenFileApi> open_to_write() {
    OpenMode mode;
    mode.write = true;
    return get(volume_->open({"f", {}}, mode));
  }
  /// A file of which as much was written as streams.
  std::unique_ptr<OpenFileApi> begin_stream() {
    put_file("", "f", "before");
    auto file = open_to_write();
    write(*file, 6, streamed_);
    return file;
  }
  void lose_at_its_end(OpenFileApi& file) {
    cluster_->fake(0).fail_stages(ErrorCode::kNoSpace);
    EXPECT_EQ(error(file.sync(false)), ErrorCode::kNoSpace);
    cluster_->fake(0).fail_stages({});
  }
  void cut_at(std::uint64_t size) {
    AttributeChange cut;
    cut.size = size;
    get(volume_->change_attributes({"f", {}}, cut));
  }
  void expect_kept_out(OpenFileApi& file, ErrorCode code) {
    EXPECT_EQ(error(file.sync(false)), code);
    EXPECT_EQ(error(file.write(streamed_.size() + 10, BufferChain(Buffer::copy_of("behind the hole")))),
              code);
    EXPECT_EQ(error(file.sync(false)), code);
    EXPECT_EQ(error(file.flush()), code);  // close(2)
    EXPECT_EQ(error(file.read(2'000'000, 10)), code);
    EXPECT_EQ(read(file, 0, 6), "before");
    EXPECT_EQ(object("f"), "before");
  }
  void expect_as_before() {
    EXPECT_EQ(read_file("f"), "before");
    const auto file = open_to_write();
    write(*file, 6, ", after");
    get(file->sync(false));
    get(file->release());
    EXPECT_EQ(object("f"), "before, after");
  }
  const std::string streamed_ = std::string(3 << 20, 's');
};

TEST_F(LostStreamTest, ACommitThatFailsIsToldUntilTheLastClose) {
  const auto file = begin_stream();
  cluster_->fake(0).fail_next(static_cast<cluster::CommandKind>(FileCommand::kPublish), ErrorCode::kReadOnly);
  expect_kept_out(*file, ErrorCode::kReadOnly);
  EXPECT_EQ(error(file->release()), ErrorCode::kReadOnly);
  expect_as_before();
}

TEST_F(LostStreamTest, SoIsADriveThatTakesNoMoreOfIt) {
  const auto file = begin_stream();
  cluster_->fake(0).fail_stages(ErrorCode::kWriteQuorum);
  EXPECT_EQ(error(file->write(6 + streamed_.size(), BufferChain(Buffer::copy_of("more")))),
            ErrorCode::kWriteQuorum);
  cluster_->fake(0).fail_stages({});
  expect_kept_out(*file, ErrorCode::kWriteQuorum);
  EXPECT_EQ(error(file->release()), ErrorCode::kWriteQuorum);
  expect_as_before();
}

TEST_F(LostStreamTest, AndTheEndOfTheStream) {
  const auto file = begin_stream();
  lose_at_its_end(*file);
  expect_kept_out(*file, ErrorCode::kNoSpace);
  EXPECT_EQ(error(file->release()), ErrorCode::kNoSpace);
  expect_as_before();
}

TEST_F(LostStreamTest, WhoCutsTheFileBeforeThemWritesOn) {
  const auto file = begin_stream();
  lose_at_its_end(*file);
  cut_at(3);
  write(*file, 3, "inning");
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("f"), "befinning");
}

TEST_F(LostStreamTest, ACutBehindTheirBeginningKeepsThemLost) {
  const auto file = begin_stream();
  lose_at_its_end(*file);
  AttributeChange cut;
  cut.size = 1 << 20;
  EXPECT_EQ(error(volume_->change_attributes({"f", {}}, cut)), ErrorCode::kNoSpace);
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kNoSpace);
  EXPECT_EQ(error(file->release()), ErrorCode::kNoSpace);
  EXPECT_EQ(object("f"), "before");
}

TEST_F(LostStreamTest, DoesNotHoldUpARenameOfAnotherDirectory) {
  const auto file = begin_stream();
  lose_at_its_end(*file);
  mkdir("", "d");
  put_file("d", "inside", "moves");
  get(volume_->rename("", "d", "", "e", RenameMode::kReplace));
  EXPECT_EQ(object("e/inside"), "moves");
  EXPECT_EQ(error(volume_->sync_all()), ErrorCode::kNoSpace);
  EXPECT_EQ(error(file->release()), ErrorCode::kNoSpace);
}

/// A commit that does not come to be sent forgot that the file was cut: what lay behind showed again when the
/// file grew.
TEST_F(VolumeTest, ACutOutlivesACommitThatIsNotSent) {
  put_file("", "f", "0123456789");
  get(volume_->link({"f", {}}, "", "g"));
  OpenMode mode;
  mode.write = true;
  const auto file = get(volume_->open({"f", {}}, mode));
  write(*file, 0, "ab");  // what is being written is published later, and so is the cut
  AttributeChange cut;
  cut.size = 2;
  get(volume_->change_attributes({"f", {}}, cut));
  write(*file, 4, "45");
  cluster_->fake(0).fail_next(static_cast<cluster::CommandKind>(FileCommand::kLinks), ErrorCode::kNotLeader);
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kNotLeader);
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("f"), std::string("ab\0\00045", 6));
}

}  // namespace
}  // namespace flashstor::files
