#include <bit>

#include "tests/sim/net_world.h"
#include "tests/sim/probes.h"

/// What goes wrong between nodes, with them and with their drives.
namespace flashstor::sim {
namespace {

constexpr std::int64_t kMs = 1'000'000;

}  // namespace

void NetWorld::tick_faults() {
  if (!faults_on_) return;
  fault();
  world_.after(Nanoseconds(1 + below(2 * static_cast<std::uint64_t>(plan_.fault_every_ns))),
               [this] { tick_faults(); });
}

void NetWorld::fault() {
  switch (below(4)) {
    case 0:
      return fault_of_process();
    case 1:
      return fault_of_drive();
    default:
      return fault_of_network();
  }
}

void NetWorld::crash(Place& place) {
  if (!place.node) return;
  const bool power_cut = plan_.power_cuts && chance(500);
  note("n{} dies{}", place.node->place(), power_cut ? ", without power" : "");
  NET_PROBE("node-died");
  if (power_cut) NET_PROBE("node-lost-power");
  if (place.node->runtime().paused()) NET_PROBE("node-died-paused");
  const std::uint32_t number = place.node->place();
  place.node->kill(power_cut);
  for (const cluster::SpreadDrive& drive : spread_.drives)
    if (drive.node == number) disks_[drive.set][drive.slot]->crash(power_cut);
  if (power_cut) place.io->crash(world_.random());
  retire(place, false);
}

void NetWorld::fault_of_process() {
  Place& place = places_[any_node()];
  switch (below(4)) {
    case 0:
      if (!plan_.all_crash) break;
      NET_PROBE("all-died");
      for (Place& one : places_) crash(one);
      return;
    case 1:
      if (!plan_.stops || !place.node || !place.node->ready) break;
      NET_PROBE("orderly-stop-of-a-node");
      note("n{} stops in order", place.node->place());
      return retire(place, false);
    case 2: {
      if (!plan_.pauses || !place.node) break;
      NET_PROBE("node-paused");
      const Milliseconds time(1 + static_cast<std::int64_t>(below(chance(300) ? 30'000 : 3000)));
      note("n{} is paused for {} ms", place.node->place(), time.count());
      return place.node->runtime().pause(time);
    }
    default:
      break;
  }
  if (plan_.crashes) crash(place);
}

void NetWorld::fault_of_network() {
  if (plan_.bad_weather && chance(300)) return change_weather();
  if (!plan_.partitions) return;
  const std::uint32_t from = any_node();
  const std::uint32_t to = (from + 1 + static_cast<std::uint32_t>(below(plan_.nodes - 1))) % plan_.nodes;
  switch (below(6)) {
    case 0:
      NET_PROBE("node-isolated");
      note("n{} is cut off", from);
      return network_->isolate(from);
    case 1:
      if (!plan_.one_way) return;
      NET_PROBE("cut-one-way");
      note("n{} no longer reaches n{}", from, to);
      return network_->cut(from, to);
    case 2: {
      const std::uint64_t half = below(1ULL << plan_.nodes);
      note("the nodes of {:b} are cut off from the others", half);
      NET_PROBE("split");
      for (std::uint32_t a = 0; a < plan_.nodes; ++a)
        for (std::uint32_t b = 0; b < plan_.nodes; ++b)
          if ((half >> a & 1) != (half >> b & 1)) network_->cut(a, b);
      return;
    }
    case 3:
      if (!plan_.flaps) return;
      NET_PROBE("link-flaps");
      note("the link between n{} and n{} flaps", from, to);
      return flap(from, to, 1 + static_cast<int>(below(6)));
    default:
      note("the network heals");
      return network_->heal();
  }
}

void NetWorld::flap(std::uint32_t from, std::uint32_t to, int times) {
  if (!faults_on_ || times == 0) return;
  network_->cut(from, to);
  network_->cut(to, from);
  const Nanoseconds down(kMs * static_cast<std::int64_t>(10 + below(2500)));
  world_.after(down, [this, from, to, times] {
    if (!faults_on_) return;
    network_->heal();
    const Nanoseconds up(kMs * static_cast<std::int64_t>(10 + below(1500)));
    world_.after(up, [this, from, to, times] { flap(from, to, times - 1); });
  });
}

void NetWorld::change_weather() {
  SimNetwork::Weather& weather = network_->weather;
  weather = {};
  if (chance(300)) {
    note("the weather is good");
    return;
  }
  weather.usual_ns = kMs * static_cast<std::int64_t>(1 + below(chance(200) ? 100 : 5));
  if (chance(500)) weather.late_per_mille = static_cast<std::uint32_t>(below(100));
  weather.late_ns = kMs * static_cast<std::int64_t>(50 + below(2000));
  if (chance(500)) weather.lost_per_mille = static_cast<std::uint32_t>(below(200));
  if (chance(500)) weather.doubled_per_mille = static_cast<std::uint32_t>(below(200));
  if (chance(500)) weather.overtaken_per_mille = static_cast<std::uint32_t>(below(200));
  if (plan_.flips) weather.flipped_per_mille = static_cast<std::uint32_t>(below(20));
  if (chance(300)) weather.reset_per_mille = static_cast<std::uint32_t>(below(10));
  note("weather: late {} lost {} doubled {} overtaken {} flipped {} reset {}", weather.late_per_mille,
       weather.lost_per_mille, weather.doubled_per_mille, weather.overtaken_per_mille,
       weather.flipped_per_mille, weather.reset_per_mille);
}

void NetWorld::fault_of_drive() {
  if (plan_.weak == 0) return;
  std::uint32_t slot = 0;
  do slot = static_cast<std::uint32_t>(below(spread_.set_drives));
  while ((plan_.weak >> slot & 1) == 0);
  const bool damaged = (plan_.damaged >> slot & 1) != 0;
  const auto set = static_cast<std::uint32_t>(below(plan_.sets));
  DriveMedium& disk = *disks_[set][slot];
  DriveWeather& weather = disk.weather;
  if (damaged && plan_.replaces && chance(250)) return replace_drive(set, slot);
  switch (below(7)) {
    case 0:
      weather.slow_ns = kMs * static_cast<std::int64_t>(1 + below(300));
      break;
    case 1:
      NET_PROBE("drive-hung");
      weather.hung = true;
      world_.after(Milliseconds(100 + static_cast<std::int64_t>(below(6000))),
                   [&weather] { weather.hung = false; });
      break;
    case 2:
      NET_PROBE("drive-failed");
      weather.fails = true;
      break;
    case 3:
      if (!damaged || !chance(300)) return;
      NET_PROBE("drive-lost");
      weather.lost = true;
      break;
    case 4:
      if (!damaged) return;
      NET_PROBE("drive-rotten");
      disk.rot(true);
      break;
    case 5:
      weather.read_errors_per_mille = 200;
      break;
    default: {
      const bool lost = weather.lost;
      weather = {};
      weather.lost = lost;
      break;
    }
  }
  note("drive {} slow {} hung {} fails {} lost {}", slot, weather.slow_ns, weather.hung, weather.fails,
       weather.lost);
}

/// Its machine dies, and comes back with an empty drive in its place.
void NetWorld::replace_drive(std::uint32_t set, std::uint32_t slot) {
  Place& place = places_[slot % plan_.nodes];
  if (!place.node) return;
  note("drive {} of set {} is replaced by an empty one", slot, set);
  NET_PROBE("drive-replaced");
  crash(place);
  disks_[set][slot]->replace();
  disks_[set][slot]->weather = {};
}

void NetWorld::stop_faults() {
  note("faults stop");
  faults_on_ = false;
  network_->weather = {};
  network_->heal();
  for (const auto& disks : disks_) {
    for (const auto& disk : disks) {
      const bool lost = disk->weather.lost;
      disk->weather = {};
      disk->weather.lost = lost;
    }
  }
  for (Place& place : places_)
    if (place.node) place.node->runtime().resume();
}

}  // namespace flashstor::sim
