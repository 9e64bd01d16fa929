#include "engine/storage/drive_format.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/base/hex.h"
#include "engine/base/json.h"
#include "engine/codec/checksum.h"
#include "tests/support/sim_file_io.h"
#include "tests/unit/storage/temp_directory.h"

namespace flashstor::storage {
namespace {

const DriveFormat kFormat{{1, 1}, 0, 0, 1, {2, 2}, {{2, 1}, {2, 2}}};

TEST(DriveFormat, ComesBackAsItWasWritten) {
  const auto decoded = decode_format(encode_format(kFormat));
  ASSERT_TRUE(decoded) << decoded.error().describe();
  EXPECT_EQ(*decoded, kFormat);
}

TEST(DriveFormat, EveryChangedByteIsNoticed) {
  const std::string text = encode_format(kFormat);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == '1' ? '2' : '1';
    const auto decoded = decode_format(changed);
    // White space between values carries nothing, but a digit there does not parse.
    EXPECT_FALSE(decoded.has_value() && *decoded != kFormat) << i;
    // Never taken for another's drive: a node that finds one of those does not start.
    if (!decoded) EXPECT_EQ(decoded.error().code(), ErrorCode::kCorrupt) << i;
  }
  EXPECT_FALSE(decode_format(text.substr(0, text.size() / 2)));
  EXPECT_FALSE(decode_format(""));
}

TEST(DriveFormat, AnotherVersionIsForeign) {
  Json body = *Json::parse(encode_format(kFormat));
  body.remove("checksum");
  body.set("version", 2);
  body.set("checksum", base::to_hex(codec::digest_of(codec::ChecksumKind::kXxh3, body.dump())));
  EXPECT_EQ(decode_format(body.dump()).error().code(), ErrorCode::kDriveForeign);
  EXPECT_EQ(decode_format("{\"version\": \"1\"}").error().code(), ErrorCode::kDriveForeign);
}

TEST(DriveFormat, OnlyAnEmptyDirectoryIsFormatted) {
  TempDirectory directory;
  const auto io = make_posix_file_io();
  EXPECT_EQ(inspect_drive(*io, directory.path()).condition, DriveCondition::kEmpty);
  std::filesystem::create_directory(directory.path() + "/lost+found");
  ASSERT_TRUE(format_drive(*io, directory.path(), kFormat));
  const DriveInspection found = inspect_drive(*io, directory.path());
  EXPECT_EQ(found.condition, DriveCondition::kFormatted);
  EXPECT_EQ(*found.format, kFormat);
  EXPECT_EQ(format_drive(*io, directory.path(), kFormat).error().code(), ErrorCode::kDriveForeign);
}

TEST(DriveFormat, SomebodyElsesFilesAreNamedAndLeftAlone) {
  TempDirectory directory;
  const auto io = make_posix_file_io();
  std::filesystem::create_directory(directory.path() + "/photos");
  const DriveInspection found = inspect_drive(*io, directory.path());
  EXPECT_EQ(found.condition, DriveCondition::kForeign);
  EXPECT_NE(found.words.find("photos"), std::string::npos);
  EXPECT_FALSE(format_drive(*io, directory.path(), kFormat));
  EXPECT_EQ(inspect_drive(*io, directory.path() + "/none").condition, DriveCondition::kMissing);
}

TEST(DriveFormat, AFormatCutOffByACrashIsDoneAgain) {
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    base::SeededRandom random(seed);
    SimFileIo io;
    std::uint64_t left = seed % 7;
    bool powered = true;
    io.fault = [&](SimFileIo::Op op, const std::string&) -> std::optional<ErrorCode> {
      if (op == SimFileIo::Op::kList || op == SimFileIo::Op::kRead) return std::nullopt;
      if (!powered || left-- == 0) {
        powered = false;
        return ErrorCode::kIo;
      }
      return std::nullopt;
    };
    const bool done = format_drive(io, "/d", kFormat).has_value();
    io.fault = nullptr;
    io.crash(random);
    const DriveInspection found = inspect_drive(io, "/d");
    if (done) ASSERT_EQ(found.condition, DriveCondition::kFormatted);
    if (found.condition == DriveCondition::kFormatted) {
      ASSERT_EQ(*found.format, kFormat);
      continue;
    }
    ASSERT_EQ(found.condition, DriveCondition::kEmpty) << seed << found.words;
    ASSERT_TRUE(format_drive(io, "/d", kFormat));
  }
}

TEST(DriveFormat, WrongPlacesAreToldInWords) {
  DriveFormat other = kFormat;
  ASSERT_TRUE(check_identity("/data1", kFormat, kFormat));
  other.slot = 0;
  auto wrong = check_identity("/data1", kFormat, other);
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message().find("swapped"), std::string::npos);
  other = kFormat;
  other.deployment_id = {9, 9};
  wrong = check_identity("/data1", kFormat, other);
  EXPECT_NE(wrong.error().message().find("deployment"), std::string::npos);
  other = kFormat;
  other.drive_id = {9, 9};
  EXPECT_FALSE(check_identity("/data1", kFormat, other));
  wrong = check_no_duplicates({{"/data1", kFormat}, {"/data2", kFormat}});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message().find("/data2"), std::string::npos);
}

TEST(DriveFormat, ADriveIsLockedOnce) {
  TempDirectory directory;
  const auto io = make_posix_file_io();
  ASSERT_TRUE(format_drive(*io, directory.path(), kFormat));
  auto lock = lock_drive(*io, directory.path());
  ASSERT_TRUE(lock);
  EXPECT_EQ(lock_drive(*io, directory.path()).error().code(), ErrorCode::kBusy);
  lock->reset();
  EXPECT_TRUE(lock_drive(*io, directory.path()));
}

}  // namespace
}  // namespace flashstor::storage
