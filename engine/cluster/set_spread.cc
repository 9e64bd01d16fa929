#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/set.h"

// A set whose drives are on several nodes: what its part on this one hears, and what was staged elsewhere.
namespace flashstor::cluster {

void ErasureSet::receive(std::uint32_t node, Bundle bundle) {
  const Outside inside(outside_);
  if (parts_.home->on_this_thread()) {
    group_.receive(node, std::move(bundle));
    return;
  }
  parts_.home->post_function([this, inside, node, bundle = std::move(bundle)]() mutable {
    group_.receive(node, std::move(bundle));
  });
}

void ErasureSet::node_changed(std::uint32_t node, bool up) {
  const Outside inside(outside_);
  parts_.home->post_function([this, inside, node, up] { group_.node_changed(node, up); });
}

std::optional<MonotonicTime> ErasureSet::leaderless_since() const {
  const std::int64_t since = spread_leaderless_.load();
  return since == 0 ? std::nullopt : std::optional(MonotonicTime(Nanoseconds(since)));
}

Task<Bundle> ErasureSet::reports() {
  const Outside inside(outside_);
  const auto on_home = [](ErasureSet* self) -> Task<Bundle> { co_return self->group_.reports(); };
  co_return co_await async::run_on(*parts_.home, on_home(this));
}

Task<void> ErasureSet::hand_over() {
  const Outside inside(outside_);
  co_await async::run_on(*parts_.home, group_.hand_over(parts_.home->now() + limits::kHandOver));
}

void ErasureSet::end_waits() {
  const Outside inside(outside_);
  waits_ended_.store(true);
  parts_.home->post_function([this, inside] { leader_signal_.notify_all(); });
}

std::vector<DataId> ErasureSet::pinned_of(const std::vector<DataId>& ids) const {
  std::vector<DataId> out;
  for (const DataId& id : ids)
    if (pins_.pinned(id)) out.push_back(id);
  return out;
}

void ErasureSet::adopt_staged(const DataId& id, std::uint32_t slots) {
  const std::lock_guard lock(staged_mutex_);
  staged_[id] = {.slots = slots, .since = Runtime::current()->now()};
}

Task<void> ErasureSet::give_up_staged(DataId id, bool drop) {
  const Outside inside(outside_);
  if (!drop) {
    forget_staged(id);
    co_return;
  }
  co_await async::run_on(*parts_.home, drop_staged(id));
}

}  // namespace flashstor::cluster
