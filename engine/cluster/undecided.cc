#include "engine/cluster/undecided.h"

#include "engine/cluster/name_tree.h"

namespace flashstor::cluster {

void UndecidedNames::add(std::uint64_t index, std::vector<std::string> names) {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = entries_.try_emplace(index);
  if (!fresh) return;
  for (const std::string& name : names) ++names_[name];
  at->second = std::move(names);
  count_.store(entries_.size(), std::memory_order_release);
}

void UndecidedNames::remove(std::uint64_t index, bool voided) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(index);
  if (found == entries_.end()) return;
  if (voided) voids_.fetch_add(1, std::memory_order_release);
  for (const std::string& name : found->second) {
    const auto at = names_.find(name);
    if (--at->second == 0) names_.erase(at);
  }
  entries_.erase(found);
  count_.store(entries_.size(), std::memory_order_release);
}

bool UndecidedNames::covers(std::string_view lower, std::string_view upper) const {
  if (size() == 0) return false;
  const std::lock_guard lock(mutex_);
  return any_related(names_, lower, upper, [](std::uint32_t) { return true; });
}

void UndecidedNames::clear() {
  const std::lock_guard lock(mutex_);
  names_.clear();
  entries_.clear();
  count_.store(0, std::memory_order_release);
}

}  // namespace flashstor::cluster
