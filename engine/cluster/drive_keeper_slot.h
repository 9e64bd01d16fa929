#pragma once

#include "engine/cluster/drive_keeper.h"

namespace flashstor::cluster {

/// What the keeper knows of one place.
struct DriveKeeper::Slot {
  std::uint32_t number = 0;
  KeptDrive drive;
  async::MakePool make_pool;
  std::unique_ptr<WorkPool> thread;  ///< For what may wait for the drive; made when first needed.
  bool busy = false;
  bool damaged = false;        ///< Its index or log is not to be trusted: it comes back as a new member.
  bool awaits_fill = false;    ///< It is to be filled, and has to wait.
  bool declared_lost = false;  ///< It missed that the set was recovered without it.
  bool swept = false;          ///< Of what fills left behind that a stop cut off.
  MonotonicTime next_try{};
  Nanoseconds backoff{};
  std::string said;

  [[nodiscard]] WorkPool& pool() {
    if (thread == nullptr) thread = make_pool("drive-keeper");
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

/// Whether the drive with `format` was taken out of its set for another one in its place.
[[nodiscard]] bool is_replaced(const storage::DriveFormat& format, const SetView& view);
[[nodiscard]] std::string replaced_words(const std::string& path);

/// Counts a call of another node's keeper.
class DriveKeeper::Serving {
 public:
  explicit Serving(DriveKeeper& keeper) : count_(keeper.serving_) { count_.fetch_add(1); }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;
  ~Serving() { count_.fetch_sub(1); }

 private:
  std::atomic<std::size_t>& count_;
};

/// What was found at a drive's path.
struct DriveKeeper::Found {
  storage::DriveInspection inspection;
  bool filling = false;
};

}  // namespace flashstor::cluster
