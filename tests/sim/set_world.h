#pragma once

#include <fmt/core.h>

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/key_history.h"
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
  bool large = true;  ///< Some objects are staged.
  bool versions = true;
  bool copies = false;
  bool uploads = false;
  bool lies = false;        ///< Simulated files: one drive's cache lies about its last second.
  bool bad_writes = false;  ///< Simulated files: writes are lost, torn or misdirected.
  bool fills = false;       ///< Simulated files: a drive runs full.
  std::uint32_t keys = 3;
  std::int64_t call_every_ns = 0;
  std::int64_t fault_every_ns = 0;
  std::int64_t faults_end_ns = 0;
};

/// Defects that are planted to see that they are found.
struct PlantedDefects {
  bool acknowledge_early = false;  ///< In the drive.
  bool replay_past_torn = false;   ///< In the log.
  bool free_referenced = false;    ///< In the planner that drops references: nobody asks who else is there.
  cluster::SetDefects set;
};

/// Sets the one of this name; false when there is none.
[[nodiscard]] bool plant(PlantedDefects& defects, std::string_view name);

struct SetOutcome {
  std::string failure;  ///< Empty when all held.
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t lives = 0;
  std::uint64_t undetermined = 0;  ///< Keys whose history was too tangled to be judged.
  std::uint64_t left_behind = 0;   ///< Slices that nothing names and that stay after the grace, on any drive.
};

/// Rung one, whole sets: simulated drives under the real ErasureSet, consensus, planners and object store;
/// one seed, one thread, virtual time. Damage stays within what must be survived: at most m drives of a set
/// fail.
class SetWorld {
 public:
  /// `files`: rung two, the drives are XlStorage over simulated files.
  SetWorld(std::uint64_t seed, bool files, const PlantedDefects& defects, bool trace);
  ~SetWorld();
  SetWorld(const SetWorld&) = delete;
  SetWorld& operator=(const SetWorld&) = delete;
  SetOutcome run();

 private:
  struct Key {
    std::string bucket;
    std::string name;
    bool versioned = false;
    KeyHistory history;
    std::vector<std::pair<int, std::string>> versions;  ///< Operations that made one, and its id.
    std::map<int, std::string> etags;                   ///< Content to ETag, as clients saw it.
  };
  /// A client's request that is under way.
  struct Call {
    std::uint64_t life = 0;
    bool closed = false;  ///< The process died: what it answers now nobody hears.
    std::uint64_t terms = 0;
    bool led = false;
    std::vector<std::pair<Key*, int>> open;
  };
  using CallRef = std::shared_ptr<Call>;

  // set_world.cc: lives and time.
  void draw_plan();
  void start_node(std::uint32_t missing);
  void watch_node();
  void crash();
  void retire();
  void close_calls();
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
  [[nodiscard]] bool may_be_unreadable() const {
    return plan_.parity == 0 && plan_.rots && plan_.victims != 0;
  }
  bool wait(const std::function<bool()>& done, Nanoseconds limit);
  void violate(std::string what);
  template <class... Args>
  void note(const char* format, const Args&... args) {
    if (!trace_) return;
    fmt::print("{:>14.6f} ", static_cast<double>(world_.now_ns()) / 1e9);
    fmt::print(fmt::runtime(format), args...);
    fmt::print("\n");
  }

  // set_clients.cc: what clients do.
  Task<void> set_up(SetNode* node);
  void start_call();
  int begin(const CallRef& call, Key& key, KeyHistory::Operation operation);
  void end(const CallRef& call, Key& key, int number, KeyHistory::Outcome outcome,
           int content = KeyHistory::kNothing);
  void end_failed(const CallRef& call, Key& key, int number, const Error& error);
  Task<void> put(SetNode* node, CallRef call, Key* key);
  Task<void> get(SetNode* node, CallRef call, Key* key);
  Task<void> get_version(SetNode* node, CallRef call, Key* key);
  Task<void> remove(SetNode* node, CallRef call, Key* key, bool version);
  Task<void> list(SetNode* node, CallRef call, bool versioned);
  Task<void> copy(SetNode* node, CallRef call, Key* source, Key* key);
  Task<void> upload(SetNode* node, CallRef call, Key* key);
  Task<Result<std::string>> read_all(SetNode* node, objects::GetRequest request);
  int new_content(std::size_t size);
  int content_of(const std::string& bytes, const char* what);
  [[nodiscard]] int content_of_etag(const std::string& etag);
  [[nodiscard]] std::size_t draw_size();

  // set_checks.cc: what must hold at the end.
  void check_end();
  bool settle(Nanoseconds limit);
  bool restart_whole();
  [[nodiscard]] bool whole() const;
  /// `strict`: each must be answered.
  void check_drives_agree();
  void check_nothing_staged();
  void check_leftovers();
  void leave(std::uint32_t set, std::uint32_t slot, const DataId& id);
  /// A read that takes longer than the grace of what it reads.
  struct SlowRead {
    std::unique_ptr<objects::ObjectReader> reader;
    std::string expected;
    std::string got;
    bool running = false;
    std::string error;
  };
  Task<void> begin_slow_read(SetNode* node, std::shared_ptr<SlowRead> read);
  Task<void> end_slow_read(std::shared_ptr<SlowRead> read);
  void take_down(std::uint32_t mask);
  void check_reads(const char* when, bool strict);
  void check_histories();

  std::uint64_t below(std::uint64_t bound) { return world_.random().below(bound); }
  bool chance(std::uint64_t per_mille) { return below(1000) < per_mille; }

  static constexpr std::size_t kMostCalls = 6;
  static constexpr std::uint64_t kMostEvents = 3'000'000;
  SimWorld world_;
  std::uint64_t seed_;
  bool files_;
  PlantedDefects defects_;
  bool trace_;
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
  bool ready_buckets_ = false;
  bool setting_up_ = false;
  std::uint64_t events_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t undetermined_ = 0;
  std::uint64_t left_behind_ = 0;
  std::vector<std::unique_ptr<Key>> keys_;
  std::vector<CallRef> open_calls_;
  std::vector<std::string> contents_;
  std::map<std::string, int> content_ids_;
  std::map<std::string, int> etag_ids_;
  bool stopped_last_ = false;
  std::string failure_;
};

}  // namespace flashstor::sim
