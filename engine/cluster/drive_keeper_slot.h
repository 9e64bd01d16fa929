#pragma once

#include "engine/cluster/drive_keeper.h"

namespace flashstor::cluster {

/// What the keeper knows of one place.
struct DriveKeeper::Slot {
  std::uint32_t number = 0;
  KeptDrive drive;
  std::unique_ptr<async::ThreadPool> thread;  ///< For what may wait for the drive; made when first needed.
  bool busy = false;
  bool damaged = false;  ///< Its index or log is not to be trusted: it comes back as a new member.
  bool scan_owed = false;
  MonotonicTime next_try{};
  Nanoseconds backoff{};
  std::uint32_t told_revision = 0;  ///< The newest revision that its format is known to say.
  std::string said;

  [[nodiscard]] async::ThreadPool& pool() {
    if (thread == nullptr) thread = std::make_unique<async::ThreadPool>(1, "drive-keeper");
    return *thread;
  }
  [[nodiscard]] storage::DriveInfo describe(storage::DriveInfo::State state, std::string words) const {
    storage::DriveInfo info;
    info.path = drive.path;
    info.drive_id = drive.expected.drive_id;
    info.deployment_id = drive.expected.deployment_id;
    info.pool = drive.expected.pool;
    info.set = drive.expected.set;
    info.slot = number;
    info.state = state;
    info.error = std::move(words);
    return info;
  }
};

/// What was found at a drive's path.
struct DriveKeeper::Found {
  storage::DriveInspection inspection;
  bool filling = false;
};

}  // namespace flashstor::cluster
