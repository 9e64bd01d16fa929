#include "engine/cluster/limits.h"
#include "engine/cluster/set.h"

// How healing goes: what is left of it and how fast it is.
namespace flashstor::cluster {

HealStatus ErasureSet::heal_status() const {
  HealStatus out;
  const std::uint64_t looked_at = scanned_.load() - scan_from_.load();
  const std::uint64_t unseen = scan_total_.load() - std::min(scan_total_.load(), looked_at);
  out.queued = heal_queued_.load() + unseen;
  out.healed = healed_.load();
  out.failed = heal_failed_.load();
  out.bytes = healed_bytes_.load();
  out.running = healers_.load() > 0;
  if (const std::uint64_t rate = heal_rate_.load(); out.running && rate > 0) {
    out.bytes_per_second = heal_byte_rate_.load();
    out.left_s = out.queued * 1000 / rate;
  }
  out.scanned = scanned_.load();
  out.scan_found = scan_found_.load();
  out.scans = scans_.load();
  out.deep_scans = deep_scans_.load();
  out.scanning = scanning_now_.load();
  out.deep = scanning_deep_.load();
  return out;
}

void ErasureSet::measure_healing() {
  const MonotonicTime now = parts_.home->now();
  const auto spent = std::chrono::duration_cast<Milliseconds>(now - heal_window_).count();
  if (heal_window_ != MonotonicTime{} && now - heal_window_ < limits::kHealWindow) return;
  if (heal_window_ != MonotonicTime{} && spent > 0) {
    heal_rate_ = (healed_.load() - heal_window_shards_) * 1'000'000 / static_cast<std::uint64_t>(spent);
    heal_byte_rate_ = (healed_bytes_.load() - heal_window_bytes_) * 1000 / static_cast<std::uint64_t>(spent);
  }
  heal_window_ = now;
  heal_window_shards_ = healed_.load();
  heal_window_bytes_ = healed_bytes_.load();
}

void ErasureSet::begin_healing() {
  if (healers_.fetch_add(1) > 0) return;
  heal_window_ = {};
  heal_rate_ = 0;
  measure_healing();
}

}  // namespace flashstor::cluster
