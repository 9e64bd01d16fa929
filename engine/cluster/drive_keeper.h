#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/work_pool.h"
#include "engine/cluster/fill_sessions.h"
#include "engine/cluster/keeper_peers.h"
#include "engine/cluster/set.h"
#include "engine/storage/drive_format.h"
#include "engine/storage/guarded_storage.h"
#include "engine/storage/wire/methods.h"

namespace flashstor::cluster {

/// How drives are opened. Called on threads that may wait.
struct DriveOpener {
  storage::FileIo* io = nullptr;
  std::function<Result<std::unique_ptr<storage::StorageApi>>(const std::string& path)> open_drive;
  storage::OpenRows open_rows;  ///< Empty: replaced drives are not filled.
  async::MakePool make_pool = async::own_threads();
};

/// One drive's place in a set.
struct KeptDrive {
  std::uint32_t slot = 0;
  storage::GuardedStorage* place = nullptr;
  std::string path;
  storage::DriveFormat expected;  ///< What stands there, or has to.
};

/// The other nodes of a set, for its keeper.
struct KeeperPlace {
  KeeperPeersApi* peers = nullptr;    ///< Null: all drives are in this process.
  std::uint32_t self = 0;             ///< This node.
  std::vector<std::uint32_t> others;  ///< Nodes with drives of the set.
};

/// Looks after this process's drives of one set while it runs: takes out a drive that was unmounted, emptied,
/// made read-only or replaced under its path; takes a drive back that is well again; makes a new member of an
/// empty drive in the place of a lost one, fills it and, where the set's leader is, lets it vote. Writes to
/// no directory that is not empty and not this set's own, and says in words what is wrong. Threads: the set's
/// loop. What may wait for a drive is done on a thread of the drive's own. Source:  protocol.md, The log on a
/// drive; docs/decisions/0006-returning-drives.md.
class DriveKeeper {
 public:
  DriveKeeper(ErasureSet& set, Runtime& home, DriveOpener opener, std::vector<KeptDrive> drives,
              KeeperPlace place = {});
  DriveKeeper(const DriveKeeper&) = delete;
  DriveKeeper& operator=(const DriveKeeper&) = delete;
  ~DriveKeeper();

  /// Begins to look. On the home loop, after the set was opened.
  void start();
  /// Ends; gives how many drives hang, whose threads cannot be ended. Before the set is closed.
  Task<std::size_t> stop();
  /// Looks at every drive now; returns when all were looked at. For tests.
  Task<void> look_now();
  /// From any thread.
  [[nodiscard]] FillStatus fill_status() const;

  /// Declares the drives of the set that do not stand lost for good, and goes on with those that do; gives
  /// what was decided. An empty drive in the place of a lost one is filled; a lost one that comes back is
  /// filled anew. Errors: of plan_recovery; kConflict while the set has a leader; kIo when a standing drive
  /// could not be told (to be called again). On any loop.
  Task<Result<RecoverPlan>> recover(bool accept_loss);

  /// Answers the keeper of another node (peers/peers_keepers.cc), encoded. Counted from the call on: `stop`
  /// waits for it. On any loop.
  Task<Result<std::string>> answer(storage::wire::Method method, Uuid session, Family family,
                                   std::string from);

 private:
  struct Slot;
  struct Found;
  class Serving;
  Task<void> run();
  Task<void> look_at_set();
  void look_at_all();
  static Task<void> look(DriveKeeper* self, Slot* slot);
  Task<void> look_at(Slot& slot);
  Task<void> look_at_open(Slot& slot);
  void look_at_silent(Slot& slot);
  Task<void> look_at_empty(Slot& slot);
  Task<void> take_back(Slot& slot, bool filling);
  Task<Result<void>> open(Slot& slot);
  Result<Found> inspect(const Slot& slot) const;
  [[nodiscard]] Result<void> may_format(const Slot& slot, const storage::DriveInspection& found) const;
  void say(Slot& slot, storage::DriveInfo::State state, const std::string& words);
  void wait_longer(Slot& slot);

  // drive_replace.cc: a new member.
  Task<Result<void>> replace(Slot& slot, bool discard);
  Task<Result<void>> fill(Slot& slot);
  Task<Result<storage::FillBase>> fill_from(Slot& slot, std::uint32_t node);
  void awaits_fill(Slot& slot, bool waits);
  void measure_fill(const storage::RowStore& target);
  Task<Result<void>> fill_families(Slot& slot, std::uint32_t node, Uuid session, storage::RowStore* target);
  Task<Result<void>> seed_log(Slot& slot, const storage::FillBase& base);
  [[nodiscard]] storage::DriveFormat next_format(const Slot& slot, const SetView& view) const;

  // drive_standing.cc: who takes part, and what others ask.
  Task<Result<SetView>> current_view();
  Task<Result<SetView>> view_here();
  Task<bool> check_standing(Slot& slot);
  // drive_recover.cc
  [[nodiscard]] std::vector<Standing> standing_here() const;
  Task<Result<void>> raise_here(RecoverPlan plan);
  Task<Result<void>> raise_slot(Slot& slot, const RecoverPlan& plan);
  Task<Result<RecoverPlan>> recover_home(bool accept_loss);
  Task<void> admit(std::uint32_t number);
  [[nodiscard]] bool may_vote(std::uint32_t number);
  void take_part(std::uint32_t number);
  Task<void> tell_formats();
  Task<Result<std::string>> answer_home(storage::wire::Method method, Uuid session, Family family,
                                        std::string from);
  static Task<Result<std::string>> counted(std::shared_ptr<Serving> serving, Runtime* home,
                                           Task<Result<std::string>> work);
  [[nodiscard]] Slot* source_here();
  Task<Result<FillStart>> open_fill_here();
  Task<Result<storage::FillBase>> fill_base(Slot& source, storage::AppliedState applied);

  ErasureSet& set_;
  Runtime& home_;
  DriveOpener opener_;
  KeeperPlace place_;
  FillSessions sessions_;
  std::optional<SetView> view_;  ///< As of the last look.
  std::atomic<bool> suffering_ = false;
  std::atomic<std::size_t> serving_ = 0;
  std::map<std::uint32_t, raft::MemberId> scans_noted_;  ///< By slot: for which member a scan is owed.
  std::vector<std::unique_ptr<Slot>> slots_;
  std::shared_ptr<storage::FillProgress> progress_ = std::make_shared<storage::FillProgress>();
  bool filling_ = false;
  std::atomic<bool> fill_seen_ = false;
  std::atomic<std::uint32_t> fills_waiting_ = 0;
  // Of the fill under way: when it began with how many rows, and what its source has.
  MonotonicTime fill_began_{};
  std::uint64_t fill_rows_before_ = 0;
  std::uint64_t fill_bytes_ = 0;
  std::atomic<std::uint64_t> fill_rate_ = 0;  ///< Rows a second.
  std::atomic<std::uint32_t> fill_percent_ = 0;
  std::atomic<std::uint64_t> fill_left_ = 0;  ///< Seconds.
  bool stopping_ = false;
  bool running_ = false;
  async::Signal wake_;
  bool look_soon_ = false;  // a step was made that another one follows
};

}  // namespace flashstor::cluster
