#pragma once

#include <fmt/core.h>

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/client_world.h"
#include "tests/sim/planted.h"
#include "tests/sim/set_node.h"
#include "tests/sim/sim_medium.h"

namespace flashstor::sim {

/// What a schedule may do; drawn from the seed, each seed leaves some out.
struct SetPlan {
  std::uint32_t sets = 1;
  std::uint32_t drives = 4;
  std::uint8_t parity = 2;
  std::uint32_t victims = 0;  ///< Mask of drives (of each set) that may fail; at most parity of them.
  bool crashes = false;       ///< The process dies and comes back.
  bool slow = false;
  bool hangs = false;
  bool fails = false;
  bool loses = false;   ///< A drive is gone for good.
  bool absent = false;  ///< Some starts find any drives missing.
  bool rots = false;
  bool read_errors = false;
  ClientPlan clients;
  bool lies = false;        ///< Simulated files: one drive's cache lies about its last second.
  bool bad_writes = false;  ///< Simulated files: writes are lost, torn or misdirected.
  bool fills = false;       ///< Simulated files: a drive runs full.
  std::int64_t call_every_ns = 0;
  std::int64_t fault_every_ns = 0;
  std::int64_t faults_end_ns = 0;
};

struct SetOutcome {
  std::string failure;  ///< Empty when all held.
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t lives = 0;
  std::uint64_t undetermined = 0;  ///< Keys whose history was too tangled to be judged.
};

/// Rung one, whole sets: simulated drives under the real ErasureSet, consensus, planners and object store;
/// one seed, one thread, virtual time. Damage stays within what must be survived: at most m drives of a set
/// fail.
class SetWorld final : private ClientWorld {
 public:
  /// `files`: rung two, the drives are XlStorage over simulated files.
  SetWorld(std::uint64_t seed, bool files, const PlantedDefects& defects, bool trace);
  ~SetWorld();
  SetWorld(const SetWorld&) = delete;
  SetWorld& operator=(const SetWorld&) = delete;
  SetOutcome run();

 private:
  // set_world.cc: lives and time.
  void draw_plan();
  void start_node(std::uint32_t missing);
  void watch_node();
  void crash();
  void retire();
  void bury_ghosts();
  void fault();
  void stop_faults();
  void tick_clients();
  void tick_faults();
  [[nodiscard]] std::uint32_t mask_of_missing();
  /// The one drive that may lose what it had acknowledged.
  [[nodiscard]] std::uint32_t liar() const {
    return static_cast<std::uint32_t>(std::countr_zero(plan_.victims));
  }
  /// No redundancy and damage: an error is all that can be asked for.
  [[nodiscard]] bool may_be_unreadable() const override {
    return plan_.parity == 0 && plan_.rots && plan_.victims != 0;
  }
  [[nodiscard]] bool all_drives_stand() const override { return plan_.victims == 0 && !plan_.absent; }
  [[nodiscard]] bool decides(const Call& call, bool reads) const override {
    std::uint64_t terms = 0;
    return !reads || (call.led && node_->leads(terms) && terms == call.terms);
  }

  // set_checks.cc: what must hold at the end.
  void describe();
  void check_end();
  bool settle(Nanoseconds limit);
  bool restart_whole();
  [[nodiscard]] bool whole() const;
  [[nodiscard]] std::uint32_t to_be_filled() const;
  [[nodiscard]] bool lost_few() const;
  [[nodiscard]] bool in_step(std::uint32_t set) const;
  [[nodiscard]] std::size_t owed(std::uint32_t set) const;
  void check_redundant();
  void check_drives_agree();
  void check_nothing_staged();
  void check_leftovers();
  void sweep_references();
  void check_references(const std::set<std::pair<DataId, Uuid>>& uses);
  void take_down(std::uint32_t mask);
  /// `strict`: each must be answered.
  void check_reads(const char* when, bool strict);

  static constexpr std::size_t kMostCalls = 6;
  static constexpr std::uint64_t kMostEvents = 3'000'000;
  bool files_;
  PlantedDefects defects_;
  SetPlan plan_;
  cluster::CommandRegistry registry_;
  Uuid deployment_{1, 2};
  objects::StoreOptions options_;
  std::vector<std::vector<std::unique_ptr<DriveMedium>>> disks_;  ///< By set and slot.
  std::vector<std::unique_ptr<SetNode>> ghosts_;
  std::unique_ptr<SetNode> node_;
  std::uint64_t lives_ = 0;
  bool down_ = false;  ///< No process: one starts at `start_at_`.
  std::int64_t start_at_ = 0;
  bool faults_on_ = true;
  bool crashed_last_ = false;
  bool took_away_ = false;
};

}  // namespace flashstor::sim
