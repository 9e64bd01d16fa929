#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/client_world.h"
#include "tests/sim/net_node.h"
#include "tests/sim/planted.h"
#include "tests/sim/sim_network.h"
#include "tests/support/sim_file_io.h"

namespace flashstor::sim {

/// What a schedule of several nodes may do; drawn from the seed, each seed leaves some out.
struct NetPlan {
  std::uint32_t nodes = 3;
  std::uint32_t drives = 1;  ///< Of each node.
  std::uint32_t sets = 1;
  std::uint8_t parity = 1;
  bool files = false;     ///< Drives are XlStorage over simulated files.
  bool replaces = false;  ///< With files: damaged drives are replaced by empty ones.
  bool forgets = false;   ///< With files: logs are so short that who was away for long must be filled.
  bool crashes = false;
  bool power_cuts = false;
  bool lies = false;       ///< The caches of damaged drives, at power cuts.
  bool all_crash = false;  ///< Every process at once.
  bool stops = false;      ///< In order.
  bool pauses = false;
  bool partitions = false;
  bool one_way = false;
  bool flaps = false;
  bool bad_weather = false;
  bool flips = false;
  bool skewed = false;
  std::uint32_t weak = 0;     ///< Mask of slots (of each set) whose drives are slow, hang and fail.
  std::uint32_t damaged = 0;  ///< And of those that rot or are lost: no more than W less k.
  ClientPlan clients;
  std::int64_t call_every_ns = 0;
  std::int64_t fault_every_ns = 0;
  std::int64_t faults_end_ns = 0;
};

struct NetOutcome {
  std::string failure;  ///< Empty when all held.
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t lives = 0;
  std::uint64_t undetermined = 0;
  std::uint64_t unknown = 0;           ///< Calls whose outcome their client never learned.
  std::int64_t longest_outage_ns = 0;  ///< Of writes, after a node died in an otherwise sound cluster.
  SimNetwork::Counts network;
};

/// Rung three: several nodes, each the real start, sets, consensus, channels, frames and handshakes, on a
/// simulated network with simulated drives; one seed, one thread, virtual time. Partitions, deaths and pauses
/// may be any; damage to drives stays within what must be survived.
class NetWorld final : private ClientWorld {
 public:
  NetWorld(std::uint64_t seed, const PlantedDefects& defects, bool trace);
  ~NetWorld();
  NetOutcome run();

 private:
  /// A machine: it outlives the processes on it.
  struct Place {
    std::unique_ptr<NetNode> node;
    std::unique_ptr<storage::SimFileIo> io = std::make_unique<storage::SimFileIo>();
    ClockSkew skew;
    bool down = false;  ///< No process: one starts at `start_at`.
    std::int64_t start_at = 0;
  };

  // net_world.cc: lives and time.
  void draw_plan();
  void draw_damage();
  void make_places();
  void start_node(Place& place);
  std::optional<ErrorCode> fault_of_path(const std::string& path);
  OpenedDrive open_drive(const std::string& path);
  void refused(const cluster::SpreadDrive& drive, const Error& why);
  Result<std::unique_ptr<storage::RowStore>> open_rows(const std::string& path);
  [[nodiscard]] DriveMedium* disk_at(const std::string& path);
  void watch();
  void bury_ghosts();
  void retire(Place& place, bool soon);
  void tick_clients();
  void watch_buckets();
  [[nodiscard]] bool may_be_unreadable() const override { return false; }
  [[nodiscard]] bool all_drives_stand() const override { return false; }
  [[nodiscard]] bool decides(const Call&, bool) const override { return false; }

  // net_faults.cc
  void tick_faults();
  void fault();
  void crash(Place& place);
  void fault_of_process();
  void fault_of_network();
  void fault_of_drive();
  void replace_drive(std::uint32_t set, std::uint32_t slot);
  void change_weather();
  void flap(std::uint32_t from, std::uint32_t to, int times);
  void stop_faults();
  [[nodiscard]] std::uint32_t any_node() { return static_cast<std::uint32_t>(below(plan_.nodes)); }

  // net_checks.cc: what must hold at the end.
  void check_end();
  bool all_ready();
  bool settle(Nanoseconds limit, bool strict);
  [[nodiscard]] bool settled(bool strict);
  void write_off_unfilled(std::uint32_t set, const cluster::Group& group);
  bool in_step(std::uint32_t set, cluster::ErasureSet& home);
  [[nodiscard]] bool looks_healed();
  void check_redundant();
  [[nodiscard]] bool whole();
  void describe();
  void check_reads(NetNode& node, const char* when, bool strict);
  void check_node_death();
  void check_slow_read();
  Task<void> write_until_done(NetNode* node, Key* key, std::shared_ptr<std::size_t> left);

  static constexpr std::size_t kMostCalls = 3;  ///< At one node.
  static constexpr std::uint64_t kMostUnknown = 6;
  static constexpr std::uint64_t kMostEvents = 20'000'000;
  PlantedDefects defects_;
  NetPlan plan_;
  cluster::CommandRegistry registry_;
  objects::StoreOptions options_;
  cluster::Spread spread_;
  std::vector<std::vector<std::unique_ptr<DriveMedium>>> disks_;  ///< By set and slot.
  std::unique_ptr<SimNetwork> network_;
  std::vector<Place> places_;
  std::vector<std::unique_ptr<NetNode>> ghosts_;
  std::uint64_t lives_ = 0;
  bool faults_on_ = true;
  std::int64_t longest_outage_ns_ = 0;
};

}  // namespace flashstor::sim
