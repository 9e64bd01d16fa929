#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/storage/drive_format.h"
#include "engine/storage/storage_api.h"

namespace flashstor::cluster {

/// One given drive and its place.
struct PlacedDrive {
  std::string path;
  std::uint32_t set = 0;
  std::uint32_t slot = 0;
  bool usable = false;          ///< Formatted, whole, and the one that belongs here.
  storage::DriveFormat format;  ///< What it is or is to be.
  storage::DriveInfo::State state = storage::DriveInfo::State::kOnline;
  std::string words;  ///< Why it is not usable.
};

/// The drives of a deployment as they were found.
struct DriveLayout {
  Uuid deployment_id;
  std::uint32_t set_drives = 1;  ///< Drives of each set.
  std::vector<PlacedDrive> drives;
  bool first_start = false;
};

/// Looks at every drive, and formats them all when all are empty; also when a first start was cut off before
/// any drive took data. A drive that is not the one that belongs in its place, or does not answer within
/// kInspectDeadline, is kept out, in words. Blocks: on a pool thread.
/// Errors: kDriveForeign (given twice, another number of drives than before, a new store with drives that are
/// not empty), kInvalidArgument, kReadQuorum, kIo, in words that name the drive.
[[nodiscard]] Result<DriveLayout> lay_out_drives(storage::FileIo& io, const std::vector<std::string>& paths,
                                                 Random& random);

}  // namespace flashstor::cluster
