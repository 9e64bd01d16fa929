#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/uuid.h"
#include "engine/storage/file_io.h"

namespace flashstor::storage {

/// What a drive is: `.flashstor/format.json`, written once, checked at each start.
struct DriveFormat {
  Uuid deployment_id;
  std::uint32_t pool = 0;
  std::uint32_t set = 0;
  std::uint32_t slot = 0;  ///< Position in the set.
  Uuid drive_id;
  std::vector<Uuid> set_drives;  ///< Drive ids of the whole set, by slot: tells swapped drives apart.
  std::uint32_t revision = 0;    ///< Of `set_drives`: one more for each drive that was replaced.
  std::uint32_t member = 0;      ///< Name in the set's consensus; 0: the first one of its slot.
  bool operator==(const DriveFormat&) const = default;
};

/// The text of format.json, with a checksum in it, and back. Errors: kCorrupt for what does not parse or does
/// not match its checksum, kDriveForeign for a version of another major.
[[nodiscard]] std::string encode_format(const DriveFormat& format);
[[nodiscard]] Result<DriveFormat> decode_format(std::string_view text);

/// What stands in a drive's directory.
enum class DriveCondition : std::uint8_t {
  kEmpty,       ///< An empty directory: it may be formatted.
  kFormatted,   ///< A drive of this version.
  kMissing,     ///< No such directory.
  kForeign,     ///< Something else's files, or a format of another version.
  kReadOnly,    ///< Mounted read-only.
  kUnreadable,  ///< The operating system refuses it, or its format is damaged.
};
struct DriveInspection {
  DriveCondition condition = DriveCondition::kEmpty;
  std::string words;  ///< For a person, naming the path; empty when formatted or empty.
  std::optional<DriveFormat> format;
  SpaceInfo space;
};
/// Looks without changing anything.
[[nodiscard]] DriveInspection inspect_drive(FileIo& io, const std::string& path);

/// Makes a drive of an empty directory; `filling`: one that is to be filled before it takes part. Errors:
/// kDriveForeign when it is not empty (never formatted over), kNotFound, kReadOnly, kNoSpace, kIo. Durable on
/// return.
Result<void> format_drive(FileIo& io, const std::string& path, const DriveFormat& format,
                          bool filling = false);

/// Whether a drive is of this deployment and place. Errors: kDriveForeign, in words.
[[nodiscard]] Result<void> check_place(const std::string& path, const DriveFormat& found,
                                       const DriveFormat& expected);
/// Compares what a drive says with what it should be. Errors: kDriveForeign, in words: another deployment,
/// swapped with another slot (which one), a drive that this set does not know (or replaced by another).
[[nodiscard]] Result<void> check_identity(const std::string& path, const DriveFormat& found,
                                          const DriveFormat& expected);
/// Finds drives given twice (two paths with one drive id). Errors: kDriveForeign naming both paths.
[[nodiscard]] Result<void> check_no_duplicates(
    const std::vector<std::pair<std::string, DriveFormat>>& drives);

/// Replaces the format of a drive: another revision of its set, or (a drive that is filled anew) another
/// identity. Durable on return. Errors: kIo, kNoSpace, kReadOnly.
Result<void> rewrite_format(FileIo& io, const std::string& path, const DriveFormat& format);

/// A drive that is being filled from its set has this mark until its index is whole: it does not take part.
[[nodiscard]] Result<bool> is_filling(FileIo& io, const std::string& path);
Result<void> mark_filling(FileIo& io, const std::string& path);
Result<void> unmark_filling(FileIo& io, const std::string& path);
/// A drive that was opened once has its log from then on: without one it is damaged, not new.
[[nodiscard]] Result<bool> was_opened(FileIo& io, const std::string& path);
Result<void> mark_opened(FileIo& io, const std::string& path);

/// Takes the drive for this process. Errors: kBusy when another process has it.
[[nodiscard]] Result<std::unique_ptr<File>> lock_drive(FileIo& io, const std::string& path);

}  // namespace flashstor::storage
