#include "tests/sim/net_world.h"

#include <algorithm>
#include <bit>

#include "engine/cluster/placement.h"
#include "tests/sim/probes.h"
#include "tests/sim/sim_drive.h"
#include "tests/sim/sim_files.h"

namespace flashstor::sim {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr Milliseconds kWatchPace{20};
/// So much that no drive drops what another, which was away, has yet to be sent; and so little that it may.
constexpr std::size_t kSegmentBytes = 1024 * 1024;
constexpr std::size_t kShortSegmentBytes = 128 * 1024;

std::string path_of(std::uint32_t set, std::uint32_t slot) { return fmt::format("/s{}d{}", set, slot); }

}  // namespace

NetWorld::NetWorld(std::uint64_t seed, const PlantedDefects& defects, bool trace)
    : ClientWorld(seed, trace, kMostEvents), defects_(defects) {
  register_planted(registry_, defects);
  options_ = {
      .inline_bytes = 1500, .read_window_bytes = 1024, .write_window_bytes = 700, .min_part_bytes = 10};
  most_unknown_ = kMostUnknown;
  draw_plan();
  make_places();
  make_keys(plan_.clients);
}

NetWorld::~NetWorld() {
  // Only after a failure: what hangs cannot be taken down, so it stays.
  for (auto& ghost : ghosts_) static_cast<void>(ghost.release());
}

void NetWorld::draw_plan() {
  struct Shape {
    std::uint32_t nodes, drives, sets;
  };
  constexpr Shape kShapes[] = {{3, 1, 1}, {3, 1, 1}, {3, 2, 1}, {4, 1, 1}, {4, 1, 1},
                               {2, 2, 1}, {5, 1, 1}, {3, 2, 2}, {4, 2, 1}, {4, 2, 2}};
  const Shape shape = kShapes[below(std::size(kShapes))];
  plan_.nodes = shape.nodes;
  plan_.drives = shape.drives;
  plan_.sets = shape.sets;
  plan_.files = chance(150);
  plan_.crashes = chance(700);
  plan_.power_cuts = plan_.crashes && chance(600);
  plan_.all_crash = plan_.crashes && chance(300);
  plan_.stops = chance(300);
  plan_.pauses = chance(400);
  plan_.partitions = chance(700);
  plan_.one_way = plan_.partitions && chance(600);
  plan_.flaps = plan_.partitions && chance(400);
  plan_.bad_weather = chance(600);
  plan_.flips = plan_.bad_weather && chance(300);
  plan_.skewed = chance(500);
  plan_.clients.large = chance(600);
  plan_.clients.versions = chance(500);
  plan_.clients.copies = chance(300);
  plan_.clients.uploads = chance(300);
  plan_.clients.keys = 1 + static_cast<std::uint32_t>(below(4));
  plan_.call_every_ns = kMs * static_cast<std::int64_t>(5 + below(120));
  plan_.fault_every_ns = 100 * kMs * static_cast<std::int64_t>(1 + below(40));
  plan_.faults_end_ns = 1000 * kMs * static_cast<std::int64_t>(3 + below(25));
  draw_damage();
  plan_.clients.turns = seed_ % 4 == 3;
  plan_.clients.moves = plan_.sets > 1;
}

void NetWorld::draw_damage() {
  const std::uint32_t size = plan_.nodes * plan_.drives / plan_.sets;
  plan_.parity = cluster::default_parity(size);
  const auto k = static_cast<std::uint8_t>(size - plan_.parity);
  const std::uint32_t w = cluster::write_quorum(size, {.data_shards = k, .parity_shards = plan_.parity});
  const auto draw = [this, size](std::uint32_t most) {
    std::uint32_t mask = 0;
    while (std::popcount(mask) < static_cast<int>(most)) mask |= 1U << below(size);
    return mask;
  };
  if (chance(500)) plan_.damaged = draw(std::min(w - k, size - w));
  plan_.replaces = plan_.files && plan_.damaged != 0 && chance(700);
  plan_.forgets = plan_.files && plan_.damaged == 0 && chance(600);
  plan_.weak = plan_.damaged;
  if (plan_.damaged == 0 && chance(400)) plan_.weak = draw(size - w);
  plan_.lies = plan_.power_cuts && !plan_.files && plan_.damaged != 0 && chance(800);
}

void NetWorld::make_places() {
  std::vector<std::string> names;
  for (std::uint32_t node = 0; node < plan_.nodes; ++node) names.push_back(fmt::format("n{}:9000", node));
  network_ = std::make_unique<SimNetwork>(world_, names);
  spread_.nodes = std::move(names);
  spread_.set_drives = plan_.nodes * plan_.drives / plan_.sets;
  places_.resize(plan_.nodes);
  for (Place& place : places_) {
    if (plan_.skewed) {
      place.skew.parts_per_million = static_cast<std::int64_t>(below(100'000)) - 50'000;
      place.skew.wall_offset = Milliseconds(static_cast<std::int64_t>(below(120'000)) - 60'000);
    }
    place.skew.offset = Milliseconds(1 + static_cast<std::int64_t>(below(1'000'000)));
    static_cast<void>(place.io->make_directory(""));
    place.io->fault = [this](storage::SimFileIo::Op, const std::string& path) { return fault_of_path(path); };
  }
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    auto& disks = disks_.emplace_back();
    for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot) {
      const std::uint32_t node = slot % plan_.nodes;
      static_cast<void>(places_[node].io->make_directory(path_of(set, slot)));
      if (plan_.files) {
        disks.push_back(make_shared_file_disk(world_, *places_[node].io, path_of(set, slot),
                                              defects_.replay_past_torn,
                                              plan_.forgets ? kShortSegmentBytes : kSegmentBytes));
      } else {
        disks.push_back(std::make_unique<SimDisk>(world_.random(), defects_.acknowledge_early));
        disks.back()->may_lose = plan_.lies && (plan_.damaged >> slot & 1) != 0;
      }
      spread_.drives.push_back({.node = node, .path = path_of(set, slot), .set = set, .slot = slot});
    }
  }
}

/// The files that say what a drive is are as well as the drive.
std::optional<ErrorCode> NetWorld::fault_of_path(const std::string& path) {
  for (const cluster::SpreadDrive& drive : spread_.drives) {
    if (path != drive.path && !path.starts_with(drive.path + "/")) continue;
    const DriveWeather& weather = disks_[drive.set][drive.slot]->weather;
    if (weather.lost || weather.fails) return ErrorCode::kIo;
  }
  return std::nullopt;
}

/// A drive whose damage does not let it open is filled anew by its keeper.
void NetWorld::refused(const cluster::SpreadDrive& drive, const Error& why) {
  DriveWeather& weather = disks_[drive.set][drive.slot]->weather;
  note("{} does not open: {}", drive.path, why.describe());
  NET_PROBE("drive-refused");
  if (weather.read_errors_per_mille != 0) return;  // it may the next time
  if ((plan_.damaged >> drive.slot & 1) == 0)
    violate(fmt::format("{} is refused though nothing damaged it: {}", drive.path, why.describe()));
}

DriveMedium* NetWorld::disk_at(const std::string& path) {
  for (const cluster::SpreadDrive& drive : spread_.drives)
    if (path == drive.path || path.starts_with(drive.path + "/")) return disks_[drive.set][drive.slot].get();
  return nullptr;
}

Result<std::unique_ptr<storage::RowStore>> NetWorld::open_rows(const std::string& path) {
  DriveMedium* disk = disk_at(path);
  auto rows = disk == nullptr ? nullptr : disk->open_rows(path);
  if (rows == nullptr) return fail(ErrorCode::kNotFound, path + " is no index");
  return rows;
}

OpenedDrive NetWorld::open_drive(const std::string& path) {
  for (const cluster::SpreadDrive& drive : spread_.drives) {
    if (drive.path != path) continue;
    DriveMedium& disk = *disks_[drive.set][drive.slot];
    if (disk.weather.lost || disk.weather.fails) return {};
    if (!plan_.files) {  // as the real drive does: from now on it has taken part
      static_cast<void>(places_[drive.node].io->open(path + "/log/1", storage::OpenMode::kCreate, false));
      static_cast<void>(places_[drive.node].io->sync_directory(path + "/log"));
    }
    OpenedDrive opened = disk.open(drive.slot);
    if (opened.refusal) refused(drive, *opened.refusal);
    return opened;
  }
  return {};
}

void NetWorld::start_node(Place& place) {
  place.down = false;
  NetNodeParts parts;
  parts.life = ++lives_;
  parts.spread = spread_;
  parts.spread.self = static_cast<std::uint32_t>(&place - places_.data());
  parts.skew = place.skew;
  parts.network = network_.get();
  parts.registry = &registry_;
  parts.io = place.io.get();
  parts.options = options_;
  parts.defects = defects_.set;
  parts.open_drive = [this](const std::string& path) { return open_drive(path); };
  if (plan_.files) parts.open_rows = [this](const std::string& path) { return open_rows(path); };
  if (trace_)
    parts.progress = [this, self = parts.spread.self](const std::string& words) {
      note("n{}: {}", self, words);
    };
  note("life {} starts at n{}", lives_, parts.spread.self);
  place.node = std::make_unique<NetNode>(world_, std::move(parts));
  place.node->start();
}

void NetWorld::bury_ghosts() {
  for (auto& ghost : ghosts_) {
    if (!ghost->gone) continue;
    ghost->runtime().enter([&ghost] {
      ghost->drop_parts();
      ghost.reset();
    });
  }
  std::erase(ghosts_, nullptr);
}

void NetWorld::watch() {
  bury_ghosts();
  for (Place& place : places_) {
    // A process that was told to end has its drives until it has.
    const auto number = static_cast<std::uint32_t>(&place - places_.data());
    const bool free = std::ranges::all_of(
        ghosts_, [number](const auto& ghost) { return ghost->killed || ghost->place() != number; });
    if (place.down && free && world_.now_ns() >= place.start_at) start_node(place);
    if (place.node && place.node->failed) {
      violate(fmt::format("n{} does not start: {}", number, place.node->failure()));
      return;
    }
  }
  watch_buckets();
  world_.after(kWatchPace, [this] { watch(); });
}

void NetWorld::watch_buckets() {
  const bool all = std::ranges::all_of(places_, [](const Place& one) { return one.node && one.node->ready; });
  if (ready_buckets_ || setting_up_ || !all) return;
  setting_up_ = true;
  places_[0].node->spawn(set_up(places_[0].node.get()));
}

/// The process is to end, in order or not; another follows.
void NetWorld::retire(Place& place, bool soon) {
  close_calls(*place.node);
  place.node->finish();
  ghosts_.push_back(std::move(place.node));
  place.down = true;
  const std::int64_t away = soon || chance(500) ? 200 * kMs : 12'000 * kMs;
  place.start_at = world_.now_ns() + 1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(away)));
}

void NetWorld::tick_clients() {
  if (!faults_on_) return;
  Place& place = places_[any_node()];
  const auto busy = static_cast<std::size_t>(std::ranges::count_if(
      open_calls_, [&place](const CallRef& call) { return call->node == place.node.get(); }));
  if (place.node && place.node->ready && busy < kMostCalls) start_call(*place.node);
  world_.after(Nanoseconds(1 + below(2 * static_cast<std::uint64_t>(plan_.call_every_ns))),
               [this] { tick_clients(); });
}

NetOutcome NetWorld::run() {
  for (Place& place : places_) {
    place.down = true;
    place.start_at = static_cast<std::int64_t>(below(static_cast<std::uint64_t>(3000 * kMs)));
  }
  watch();
  if (!wait([this] { return ready_buckets_; }, std::chrono::seconds(60)))
    violate("the first start makes no buckets");
  if (failure_.empty()) {
    tick_clients();
    tick_faults();
    wait([] { return false; }, Nanoseconds(plan_.faults_end_ns));
    stop_faults();
  }
  if (failure_.empty()) check_end();
  if (failure_.empty()) check_histories();
  if (!failure_.empty()) describe();
  // Whatever stands is taken down in virtual time too.
  for (Place& place : places_) {
    if (!place.node) continue;
    close_calls(*place.node);
    place.node->finish();
    ghosts_.push_back(std::move(place.node));
  }
  for (Place& place : places_) place.down = false;
  const std::string failure = failure_;
  failure_.clear();
  if (!wait([this] { return ghosts_.empty(); }, std::chrono::minutes(5)) && failure.empty())
    violate("a process does not end");
  if (failure.empty() && !failure_.empty()) describe();
  if (!failure.empty()) failure_ = failure;
  NetOutcome out{.failure = failure_,
                 .digest = world_.digest().value(),
                 .events = events_,
                 .calls = calls_,
                 .lives = lives_,
                 .undetermined = undetermined_,
                 .unknown = 0,
                 .longest_outage_ns = longest_outage_ns_,
                 .network = network_->counts};
  for (const auto& key : keys_) out.unknown += key->history.unknown();
  return out;
}

}  // namespace flashstor::sim
