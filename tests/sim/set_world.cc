#include "tests/sim/set_world.h"

#include <fmt/core.h>

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

}  // namespace

SetWorld::SetWorld(std::uint64_t seed, bool files, const PlantedDefects& defects, bool trace)
    : ClientWorld(seed, trace, kMostEvents), files_(files), defects_(defects) {
  register_planted(registry_, defects);
  options_ = {
      .inline_bytes = 1500, .read_window_bytes = 1024, .write_window_bytes = 700, .min_part_bytes = 10};
  draw_plan();
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    auto& disks = disks_.emplace_back();
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot) {
      if (files_) {
        disks.push_back(make_file_disk(world_, set, slot, plan_.drives, defects_.replay_past_torn));
      } else {
        disks.push_back(std::make_unique<SimDisk>(world_.random(), defects_.acknowledge_early));
      }
    }
  }
  if (plan_.lies && plan_.victims != 0)
    for (const auto& disks : disks_) disks[liar()]->may_lose = true;
  make_keys(plan_.clients);
}

SetWorld::~SetWorld() {
  // Only after a failure: what hangs cannot be taken down, so it stays.
  for (auto& ghost : ghosts_) static_cast<void>(ghost.release());
}

void SetWorld::draw_plan() {
  constexpr std::uint32_t kSizes[] = {1, 2, 3, 4, 4, 4, 4, 5, 6, 8};
  plan_.drives = kSizes[below(std::size(kSizes))];
  plan_.sets = chance(200) ? 2 : 1;
  plan_.parity = cluster::default_parity(plan_.drives);
  plan_.crashes = chance(800);
  if (plan_.parity > 0 && chance(700)) {
    const std::uint32_t w = cluster::write_quorum(
        plan_.drives, {.data_shards = static_cast<std::uint8_t>(plan_.drives - plan_.parity),
                       .parity_shards = plan_.parity});
    const std::uint32_t most =
        chance(250) ? plan_.parity : std::min<std::uint32_t>(plan_.parity, plan_.drives - w);
    while (std::popcount(plan_.victims) < static_cast<int>(most)) plan_.victims |= 1U << below(plan_.drives);
  }
  plan_.slow = chance(300);
  plan_.hangs = chance(200);
  plan_.fails = chance(400);
  plan_.loses = chance(300);
  plan_.rots = chance(300);
  plan_.read_errors = chance(200);
  plan_.absent = plan_.crashes && plan_.victims == 0 && chance(400);
  // One drive that loses what it had acknowledged is more than a set of an odd number survives when another
  // is behind.
  plan_.lies = files_ && plan_.drives % 2 == 0 && chance(400);
  plan_.bad_writes = plan_.lies && chance(600);
  if (files_ && plan_.drives == 1 && chance(600)) {  // alone: damage must be noticed, that is all
    plan_.victims = 1;
    plan_.slow = plan_.hangs = plan_.fails = plan_.loses = plan_.read_errors = plan_.absent = false;
    plan_.rots = true;
  }
  plan_.fills = files_ && chance(200);
  plan_.clients.large = chance(700);
  plan_.clients.versions = chance(600);
  plan_.clients.copies = chance(400);
  plan_.clients.uploads = chance(400);
  plan_.clients.reduced = plan_.parity > 1 && chance(400);
  if (plan_.clients.reduced &&
      std::popcount(plan_.victims) > 1)  // two damaged shards are more than it stands
    plan_.rots = plan_.loses = plan_.lies = plan_.bad_writes = false;
  plan_.clients.keys = 1 + static_cast<std::uint32_t>(below(4));
  plan_.call_every_ns = kMs * static_cast<std::int64_t>(1 + below(60));
  plan_.fault_every_ns = 20 * kMs * static_cast<std::int64_t>(1 + below(60));
  plan_.faults_end_ns = 1000 * kMs * static_cast<std::int64_t>(1 + below(6));
}

std::uint32_t SetWorld::mask_of_missing() {
  std::uint32_t missing = 0;
  for (std::uint32_t slot = 0; slot < plan_.drives; ++slot) {
    for (const auto& disks : disks_) {
      DriveWeather& weather = disks[slot]->weather;
      weather.hung = false;
      if (faults_on_ && weather.fails && chance(400)) missing |= 1U << slot;
      if (!weather.lost) weather.fails = false;
      if (disks[slot]->lost_at_stop) weather.lost = true;
      if (weather.lost) missing |= 1U << slot;
    }
  }
  if (plan_.absent && faults_on_ && chance(300))
    missing |= static_cast<std::uint32_t>(below(1ULL << plan_.drives));
  return missing;
}

void SetWorld::start_node(std::uint32_t missing) {
  down_ = false;
  node_ = std::make_unique<SetNode>(world_, ++lives_, deployment_, plan_.sets);
  note("life {} starts, missing drives {:b}", lives_, missing);
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    std::vector<OpenedDrive> drives;
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot)
      drives.push_back((missing >> slot & 1) != 0 ? OpenedDrive{} : disks_[set][slot]->open(slot));
    cluster::SetInfo info{.index = set,
                          .drives = plan_.drives,
                          .default_parity = plan_.parity,
                          .reduced_parity = static_cast<std::uint8_t>(plan_.parity > 0 ? 1 : 0)};
    node_->add_set(info, registry_, std::move(drives), defects_.set);
  }
  node_->start(options_);
}

void SetWorld::bury_ghosts() {
  for (auto& ghost : ghosts_) {
    if (!ghost->gone) continue;
    ghost->runtime().enter([&ghost] { ghost->drop_parts(); });
    ghost.reset();
  }
  std::erase(ghosts_, nullptr);
}

void SetWorld::watch_node() {
  bury_ghosts();
  for (const auto& disks : disks_)
    for (const auto& disk : disks)
      if (!disk->complaint.empty()) violate(disk->complaint);
  // A process that was told to end has the drives until it has.
  const bool free = std::ranges::all_of(ghosts_, [](const auto& ghost) { return ghost->killed; });
  if (down_ && free && world_.now_ns() >= start_at_) start_node(mask_of_missing());
  if (node_ && node_->failed) {
    SET_PROBE("start-refused");
    retire();
  }
  if (node_ && node_->ready && !ready_buckets_ && !setting_up_) {
    setting_up_ = true;
    node_->spawn(set_up(node_.get()));
  }
  world_.after(kWatchPace, [this] { watch_node(); });
}

/// The process is to end, in order or not; another follows.
void SetWorld::retire() {
  setting_up_ = false;
  close_calls(*node_);
  node_->finish();
  ghosts_.push_back(std::move(node_));
  down_ = true;
  const std::int64_t away = chance(500) ? 50 * kMs : 2000 * kMs;
  start_at_ = world_.now_ns() + 1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(away)));
}

void SetWorld::crash() {
  if (!node_) return;
  note("crash");
  if (node_->ready) SET_PROBE("crash");
  if (!open_calls_.empty()) SET_PROBE("crash-under-calls");
  node_->kill();
  const bool power_cut = chance(700);
  for (const auto& disks : disks_)
    for (const auto& disk : disks) disk->crash(power_cut);
  retire();
}

void SetWorld::fault() {
  if (plan_.crashes && chance(400)) {
    if (node_ && node_->ready && chance(100)) {
      SET_PROBE("orderly-stop");
      note("orderly stop");
      retire();
    } else {
      crash();
    }
    return;
  }
  if (plan_.victims == 0) return;
  std::uint32_t slot = 0;
  do slot = static_cast<std::uint32_t>(below(plan_.drives));
  while ((plan_.victims >> slot & 1) == 0);
  DriveMedium& disk = *disks_[below(plan_.sets)][slot];
  DriveWeather& weather = disk.weather;
  switch (below(8)) {
    case 0:
      if (plan_.slow) weather.slow_ns = kMs * static_cast<std::int64_t>(1 + below(3000));
      if (plan_.slow && chance(500))  // all that may be: writes wait for them, with too few drives for W
        for (std::uint32_t other = 0; other < plan_.drives; ++other)
          if ((plan_.victims >> other & 1) != 0) disks_[0][other]->weather.slow_ns = weather.slow_ns;
      break;
    case 1:
      if (plan_.hangs && !weather.hung) SET_PROBE("drive-hung");
      if (plan_.hangs) weather.hung = true;
      break;
    case 2:
      if (plan_.fails) SET_PROBE("drive-failed-set");
      if (plan_.fails) weather.fails = true;
      break;
    case 3:
      if (plan_.loses && !weather.lost) SET_PROBE("drive-lost");
      if (plan_.loses) weather.lost = true;
      break;
    case 4:
      if (plan_.rots) disk.rot(!plan_.lies || slot != liar());
      break;
    case 5:
      if (plan_.read_errors) weather.read_errors_per_mille = 200;
      break;
    case 6:
      weather.lying = plan_.lies && slot == liar();
      if (plan_.bad_writes && slot == liar()) weather.bad_writes_per_mille = chance(500) ? 50 : 250;
      weather.full = plan_.fills;
      break;
    default:
      weather.slow_ns = 0;
      weather.hung = false;
      weather.full = false;
      weather.read_errors_per_mille = 0;
      weather.bad_writes_per_mille = 0;
      break;
  }
  note("drive {} slow {} hung {} fails {} lost {} lying {} bad writes {} full {}", slot, weather.slow_ns,
       weather.hung, weather.fails, weather.lost, weather.lying, weather.bad_writes_per_mille, weather.full);
}

void SetWorld::stop_faults() {
  note("faults stop");
  faults_on_ = false;
  for (const auto& disks : disks_) {
    for (const auto& disk : disks) {
      const bool lost = disk->weather.lost;
      disk->weather = {};
      disk->weather.lost = lost;
    }
  }
}

void SetWorld::tick_faults() {
  if (!faults_on_) return;
  fault();
  world_.after(Nanoseconds(1 + below(2 * static_cast<std::uint64_t>(plan_.fault_every_ns))),
               [this] { tick_faults(); });
}

void SetWorld::tick_clients() {
  if (!faults_on_) return;
  if (node_ && node_->ready && ready_buckets_ && open_calls_.size() < kMostCalls) start_call(*node_);
  world_.after(Nanoseconds(1 + below(2 * static_cast<std::uint64_t>(plan_.call_every_ns))),
               [this] { tick_clients(); });
}

SetOutcome SetWorld::run() {
  start_node(0);
  watch_node();
  if (!wait([this] { return ready_buckets_; }, std::chrono::seconds(30)))
    violate("the first start makes no buckets");
  tick_clients();
  tick_faults();
  wait([] { return false; }, Nanoseconds(plan_.faults_end_ns));
  stop_faults();
  if (failure_.empty()) check_end();
  if (failure_.empty()) check_histories();
  // Whatever stands is taken down in virtual time too.
  if (node_) {
    close_calls(*node_);
    node_->finish();
    ghosts_.push_back(std::move(node_));
  }
  down_ = false;
  const std::string failure = failure_;
  failure_.clear();
  if (!wait([this] { return ghosts_.empty(); }, std::chrono::minutes(5)) && failure.empty())
    violate("a process does not end");
  if (!failure.empty()) failure_ = failure;
  return {.failure = failure_,
          .digest = world_.digest().value(),
          .events = events_,
          .calls = calls_,
          .lives = lives_,
          .undetermined = undetermined_};
}

}  // namespace flashstor::sim
