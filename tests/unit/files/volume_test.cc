#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "tests/unit/files/volume_fixture.h"

namespace flashstor::files {
namespace {

TEST_F(VolumeTest, AFileIsAnObjectAndAnObjectIsAFile) {
  put_file("", "hello.txt", "written through the mount");
  EXPECT_EQ(object("hello.txt"), "written through the mount");
  put_object("dir/sub/world.txt", "written through S3");
  EXPECT_EQ(read_file("dir/sub/world.txt"), "written through S3");
  EXPECT_EQ(names(""), (std::vector<std::string>{"dir", "hello.txt"}));
  EXPECT_EQ(stat("", "dir").kind, Kind::kDirectory);
  EXPECT_EQ(stat("dir/sub", "world.txt").size, 18U);
}

TEST_F(VolumeTest, WritesAtAnyOffsetAreSeenBeforeAndAfterSync) {
  put_object("f", std::string(100, 'x'));
  const auto file = get(volume_->open({"f", {}}, {.read = true, .write = true}));
  write(*file, 10, "AAAA");
  write(*file, 200, "end");
  std::string expected(203, '\0');
  expected.replace(0, 100, std::string(100, 'x'));
  expected.replace(10, 4, "AAAA");
  expected.replace(200, 3, "end");
  EXPECT_EQ(read(*file), expected);
  EXPECT_EQ(object("f"), std::string(100, 'x'));
  get(file->sync(false));
  EXPECT_EQ(read(*file), expected);
  EXPECT_EQ(object("f"), expected);
  get(file->release());
  EXPECT_EQ(stat("", "f").size, 203U);
}

TEST_F(VolumeTest, RandomWritesAndTruncatesMatchAModel) {
  const auto file = create("", "f");
  std::string model;
  base::SeededRandom random(11);
  for (int step = 0; step < 400; ++step) {
    const std::uint64_t at = random.below(5000);
    switch (random.below(8)) {
      case 0:
        get(file->sync(false));
        break;
      case 1: {
        AttributeChange change;
        change.size = at;
        get(volume_->change_attributes({"f", file->attributes().inode}, change));
        model.resize(at);
        break;
      }
      case 2: {
        const std::uint64_t length = 1 + random.below(700);
        get(file->allocate(AllocateKind::kPunchHole, at, length));
        for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + length, model.size()); ++i)
          model[i] = '\0';
        break;
      }
      default: {
        const std::string text(1 + random.below(900), static_cast<char>('a' + random.below(26)));
        if (model.size() < at + text.size()) model.resize(at + text.size());
        model.replace(at, text.size(), text);
        write(*file, at, text);
      }
    }
    ASSERT_EQ(read(*file), model) << "step " << step;
  }
  get(file->flush());
  EXPECT_EQ(object("f"), model);
  get(file->release());
}

TEST_F(VolumeTest, ALongSequentialWriteStreams) {
  const auto file = create("", "big");
  std::string model;
  for (int i = 0; i < 40; ++i) {
    const std::string part(256 * 1024, static_cast<char>('a' + i % 26));
    write(*file, model.size(), part);
    model += part;
  }
  get(file->flush());
  get(file->release());
  EXPECT_EQ(object("big"), model);
  EXPECT_EQ(cluster_->fake(0).staged(), 0U);
}

TEST_F(VolumeTest, RenameReplacesAtOnceAndKeepsTheInode) {
  put_file("", "old", "old bytes");
  put_file("", "new", "new bytes");
  const InodeId inode = stat("", "new").inode;
  mv("new", "old");
  EXPECT_EQ(read_file("old"), "new bytes");
  EXPECT_EQ(stat("", "old").inode, inode);
  EXPECT_EQ(error(volume_->lookup("", "new")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(object("old"), "new bytes");
}

TEST_F(VolumeTest, ADirectoryMovesWithAllBelow) {
  mkdir("", "a");
  mkdir("a", "b");
  put_file("a/b", "f", "deep");
  put_object("a/implied/g", "s3");
  mv("a", "z");
  EXPECT_EQ(names("z"), (std::vector<std::string>{"b", "implied"}));
  EXPECT_EQ(read_file("z/b/f"), "deep");
  EXPECT_EQ(object("z/implied/g"), "s3");
  EXPECT_EQ(error(volume_->lookup("", "a")), ErrorCode::kNoSuchKey);
  mkdir("", "full");
  put_file("full", "x", "x");
  EXPECT_EQ(error(volume_->rename("", "z", "", "full", RenameMode::kReplace)), ErrorCode::kDirectoryNotEmpty);
  EXPECT_EQ(error(volume_->rename("", "z", "z", "inside", RenameMode::kReplace)),
            ErrorCode::kInvalidArgument);
}

TEST_F(VolumeTest, AnUnlinkedFileLivesUntilItsLastRelease) {
  const auto file = create("", "f");
  write(*file, 0, "still here");
  get(file->sync(false));
  get(volume_->remove("", "f"));
  EXPECT_EQ(error(volume_->lookup("", "f")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(read(*file), "still here");
  write(*file, 6, "HERE");
  get(file->sync(false));
  EXPECT_EQ(read(*file), "still HERE");
  EXPECT_EQ(file->attributes().links, 0U);
  get(file->release());
  EXPECT_TRUE(names("").empty());
}

TEST_F(VolumeTest, HardLinksShareBytesAndOutliveEachOther) {
  put_file("", "one", "first");
  const Attributes linked = get(volume_->link({"one", stat("", "one").inode}, "", "two"));
  EXPECT_EQ(linked.links, 2U);
  EXPECT_EQ(stat("", "one").inode, stat("", "two").inode);
  const auto file = get(volume_->open({"two", {}}, {.read = true, .write = true}));
  write(*file, 0, "SECOND");
  get(file->flush());
  get(file->release());
  EXPECT_EQ(object("one"), "SECOND");
  EXPECT_EQ(object("two"), "SECOND");
  get(volume_->remove("", "one"));
  EXPECT_EQ(stat("", "two").links, 1U);
  EXPECT_EQ(read_file("two"), "SECOND");
}

// It was told ESTALE, as if the file were gone.
TEST_F(VolumeTest, WhoHasAFileOpenGoesOnWhenARenameTakesOneOfItsNames) {
  put_file("", "a", "x");
  get(volume_->link({"a", {}}, "", "b"));
  const auto file = get(volume_->open({"a", {}}, {.read = true, .write = true}));
  put_file("", "c", "winner");
  mv("c", "a");
  write(*file, 1, "y");
  get(file->sync(false));
  EXPECT_EQ(read(*file), "xy");
  get(file->release());
  EXPECT_EQ(object("b"), "xy");
  EXPECT_EQ(object("a"), "winner");
}

TEST_F(VolumeTest, ALinkThatStaysTellsByItsChangeTime) {
  put_file("", "one", "x");
  get(volume_->link({"one", stat("", "one").inode}, "", "two"));
  const WallTime before = stat("", "two").changed;
  get(volume_->remove("", "one"));
  EXPECT_GT(stat("", "two").changed, before);
  get(volume_->link({"two", stat("", "two").inode}, "", "three"));
  put_file("", "four", "y");
  const WallTime linked = stat("", "three").changed;
  mv("four", "two");
  EXPECT_GT(stat("", "three").changed, linked);
}

TEST_F(VolumeTest, HardLinksStayOneFileWhenTheirDirectoryMoves) {
  mkdir("", "d");
  put_file("d", "one", "first");
  get(volume_->link({"d/one", stat("d", "one").inode}, "", "two"));
  mv("d", "e");
  const auto file = get(volume_->open({"two", {}}, {.read = true, .write = true}));
  write(*file, 0, "SECOND");
  get(file->release());
  EXPECT_EQ(object("e/one"), "SECOND");
  get(volume_->remove("e", "one"));
  EXPECT_EQ(stat("", "two").links, 1U);
}

TEST_F(VolumeTest, DirectoriesAreExchangedAtOnce) {
  mkdir("", "d");
  put_file("d", "same", "of d");
  put_file("d", "only d", "1");
  put_object("e/same", "of e");
  const auto file = get(volume_->open({"d/same", {}}, {.read = true, .write = true}));
  mv("d", "e", RenameMode::kExchange);
  EXPECT_EQ(object("e/same"), "of d");
  EXPECT_EQ(object("e/only d"), "1");
  EXPECT_EQ(object("d/same"), "of e");
  EXPECT_EQ(names("d"), (std::vector<std::string>{"same"}));
  write(*file, 0, "OF");
  get(file->release());
  EXPECT_EQ(object("e/same"), "OF d");
  EXPECT_EQ(error(volume_->rename("", "d", "", "absent", RenameMode::kExchange)), ErrorCode::kNoSuchKey);
}

TEST_F(VolumeTest, NamesOver255BytesAreOpenedByTheNamesThatStandForThem) {
  const std::string component(300, 'x');
  put_object(component, "a file");
  put_object("d/" + component + "/below", "below");
  const std::string file = names("").at(1);
  EXPECT_LE(file.size(), kMaxNameBytes);
  EXPECT_EQ(read_file(file), "a file");
  const std::string folder = names("d").at(0);
  EXPECT_EQ(read_file("d/" + folder + "/below"), "below");
  put_file("d/" + folder, "more", "made");
  EXPECT_EQ(object("d/" + component + "/more"), "made");
  mv(file, "short");
  EXPECT_EQ(object("short"), "a file");
  EXPECT_EQ(error(volume_->lookup("", file)), ErrorCode::kNotFound);
}

TEST_F(VolumeTest, NamesAreExclusiveAcrossKinds) {
  put_file("", "f", "1");
  EXPECT_EQ(error(volume_->make("", "f", {.kind = Kind::kDirectory})), ErrorCode::kExists);
  put_object("d/x", "1");
  EXPECT_EQ(error(volume_->make("", "d", {.kind = Kind::kFile})), ErrorCode::kExists);
  EXPECT_EQ(error(volume_->remove("", "d")), ErrorCode::kIsDirectory);
  EXPECT_EQ(error(volume_->remove_directory("", "f")), ErrorCode::kNotDirectory);
  EXPECT_EQ(error(volume_->remove_directory("", "d")), ErrorCode::kDirectoryNotEmpty);
}

TEST_F(VolumeTest, AnImpliedDirectoryStaysWhenAMountEmptiesIt) {
  put_object("d/x", "1");
  EXPECT_TRUE(stat("", "d").implied);
  get(volume_->remove("d", "x"));
  EXPECT_EQ(stat("", "d").kind, Kind::kDirectory);
  EXPECT_TRUE(names("d").empty());
  get(volume_->remove_directory("", "d"));
  EXPECT_EQ(error(volume_->lookup("", "d")), ErrorCode::kNoSuchKey);
}

TEST_F(VolumeTest, KeysThatPosixCannotHoldHaveNames) {
  put_object("a", "file");
  put_object("a/b", "below");
  put_object("x//y", "double");
  EXPECT_EQ(names(""), (std::vector<std::string>{"a%file", "a", "x"}));
  EXPECT_EQ(read_file("a%file"), "file");
  EXPECT_EQ(read_file("a/b"), "below");
  EXPECT_EQ(names("x"), (std::vector<std::string>{"%"}));
  EXPECT_EQ(read_file("x/%/y"), "double");
}

TEST_F(VolumeTest, ALongListingComesInPagesWithoutLossOrRepeat) {
  std::vector<std::string> expected;
  for (int i = 0; i < 57; ++i) {
    const std::string name = "f" + std::to_string(1000 + i);
    put_object("d/" + name + (i % 3 == 0 ? "/below" : ""), "x");
    expected.push_back(name);
  }
  for (const std::size_t limit : {1U, 2U, 7U, 56U, 57U, 100U})
    EXPECT_EQ(names("d", limit), expected) << limit;
}

TEST_F(VolumeTest, AttributesAndSymlinksAreKept) {
  put_file("", "f", "x");
  AttributeChange change;
  change.mode = 0600;
  change.uid = 12;
  change.modified = base::from_nanoseconds(1'234'567'890'123'456'789);
  get(volume_->change_attributes({"f", {}}, change));
  EXPECT_EQ(stat("", "f").mode, 0600U);
  EXPECT_EQ(stat("", "f").uid, 12U);
  EXPECT_EQ(base::to_nanoseconds(stat("", "f").modified), 1'234'567'890'123'456'789);
  EXPECT_EQ(object("f"), "x");
  get(volume_->make("", "link", {.kind = Kind::kSymlink, .mode = 0777, .target = "f"}));
  EXPECT_EQ(get(volume_->read_link({"link", {}})), "f");
  get(volume_->set_attribute({"f", {}}, "user.color", "blue", AttributeSetMode::kAny));
  EXPECT_EQ(get(volume_->get_attribute({"f", {}}, "user.color")), "blue");
  EXPECT_EQ(error(volume_->set_attribute({"f", {}}, "user.color", "x", AttributeSetMode::kCreate)),
            ErrorCode::kExists);
  get(volume_->remove_attribute({"f", {}}, "user.color"));
  EXPECT_EQ(error(volume_->get_attribute({"f", {}}, "user.color")), ErrorCode::kNoAttribute);
}

TEST_F(VolumeTest, AWriterWhoseFileS3ReplacedIsTold) {
  put_file("", "f", "mine");
  const auto file = get(volume_->open({"f", {}}, {.read = true, .write = true}));
  put_object("f", "theirs");
  write(*file, 0, "late");
  EXPECT_EQ(error(file->sync(false)), ErrorCode::kStaleHandle);
  EXPECT_EQ(object("f"), "theirs");
  get(file->release());
}

// A kernel that still knows the name then asks for it again, where O_CREAT would have failed with ENOENT.
TEST_F(VolumeTest, WhoKnowsAnInodeThatS3RemovedIsToldThatItIsStale) {
  put_file("", "f", "x");
  const FileRef known{"f", stat("", "f").inode};
  run([](objects::ObjectStore* store) -> Task<Result<void>> {
    co_await or_return(store->delete_object({.bucket = "bucket", .key = "f"}));
    co_return {};
  }(store_.get()));
  EXPECT_EQ(error(volume_->open(known, {.read = true, .write = true})), ErrorCode::kStaleHandle);
  EXPECT_EQ(error(volume_->attributes(known)), ErrorCode::kStaleHandle);
  EXPECT_EQ(error(volume_->open({"f", {}}, {})), ErrorCode::kNoSuchKey);
}

TEST_F(VolumeTest, EachOpenMakesOneVersionInABucketWithVersions) {
  run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
  put_file("", "f", "one");
  const auto file = get(volume_->open({"f", {}}, {.read = true, .write = true}));
  write(*file, 0, "t");
  get(file->sync(false));
  write(*file, 1, "wo");
  get(file->sync(false));
  get(file->release());
  EXPECT_EQ(object("f"), "two");
  const auto versions = get(store_->list_versions({.bucket = "bucket", .prefix = "f"}));
  EXPECT_LE(versions.versions.size(), 3U);
  std::set<std::string> ids;
  for (const auto& version : versions.versions) ids.insert(version.version_id);
  EXPECT_EQ(ids.size(), versions.versions.size());
}

// Its row stays until the record that confirms the version that revises it, but what only it used is due
// then: a copy that shared it meanwhile lost its bytes after the grace.
TEST_F(VolumeTest, ARevisedVersionGivesNoReferences) {
  run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
  const auto file = create("", "f");
  write(*file, 0, std::string(300, 'x'));
  get(file->sync(false));
  objects::ReferencesPayload payload{.key = "f", .new_referrer = Uuid{INT64_MAX, 1}};
  payload.bucket = get(store_->head_bucket("bucket"))->id;
  for (const auto& [key, value] : cluster_->fake(0).rows().rows(Family::kVersions)) {
    const auto row = objects::decode_version(value);
    if (!key.starts_with(payload.bucket.to_bytes()) || !row || row->slices.empty()) continue;
    payload.version = objects::parse_version_key(key)->id;
    payload.uses = {{row->slices.front().data, {}}};
  }
  ASSERT_EQ(payload.uses.size(), 1U);
  cluster::Command command{.kind = static_cast<cluster::CommandKind>(objects::ObjectCommand::kAddReferences)};
  command.payload = objects::encode(payload);
  cluster_->set_lazy_confirm(true);
  write(*file, 0, std::string(300, 'y'));
  get(file->sync(false));
  EXPECT_EQ(error(cluster_->fake(0).execute(command)), ErrorCode::kConflict);
  EXPECT_TRUE(cluster_->fake(0).rows().rows(Family::kRefs).empty());
  get(file->release());
}

TEST_F(VolumeTest, OrphansOfACrashAreCollectedAtTheNextOpen) {
  const auto file = create("", "f");
  write(*file, 0, "x");
  get(file->sync(false));
  get(volume_->remove("", "f"));
  EXPECT_EQ(orphans(), 1U);
  // After a crash nobody has the file open: a new volume over the same rows lets it go.
  const auto second = get(Volume::open(*store_, "bucket", {}, runtime_));
  EXPECT_EQ(orphans(), 0U);
  run(second->close());
  static_cast<void>(runtime_.run_until(file->release()));
}

// The first commit carries the bytes, and with it the length beyond them was forgotten.
TEST_F(VolumeTest, AFileThatWasCutAndGrowsAgainKeepsItsLength) {
  put_file("", "f", std::string(5 << 20, 'o'));
  OpenMode mode;
  mode.write = mode.truncate = true;
  const auto file = get(volume_->open({"f", {}}, mode));
  write(*file, 0, std::string(1'500'000, 'n'));
  AttributeChange grow;
  grow.size = 4'000'000;
  get(volume_->change_attributes({"f", file->attributes().inode}, grow));
  get(file->sync(false));
  get(file->release());
  EXPECT_TRUE(object("f") == std::string(1'500'000, 'n') + std::string(2'500'000, '\0'));
}

}  // namespace
}  // namespace flashstor::files
