#include "engine/files/rename_watch.h"

#include <algorithm>
#include <utility>

namespace flashstor::files {
namespace {

bool covers(const std::string& name, const std::string& key) {
  return name.ends_with('/') ? key.starts_with(name) : key == name;
}

bool is_about(const RenameWatch::Rename& rename, const std::string& key) {
  return covers(rename.from, key) || covers(rename.to, key);
}

std::string after(const RenameWatch::Rename& rename, const std::string& key) {
  if (rename.to.empty()) return key;
  if (covers(rename.from, key)) return rename.to + key.substr(rename.from.size());
  return rename.exchange ? rename.from + key.substr(rename.to.size()) : key;
}

}  // namespace

RenameWatch::Change::~Change() {
  if (!place_) return;
  watch_.under_way_.erase(*place_);
  if (!watch_.looks_.empty()) watch_.made_.push_back(std::move(rename_));
  watch_.ended_.notify_all();
}

Task<void> RenameWatch::Change::give_way(Runtime& runtime) {
  const auto about = [this](const std::string& key) { return is_about(rename_, key); };
  while (true) {
    if (std::ranges::any_of(watch_.awaited_, about)) {
      co_await watch_.ended_.wait();
      continue;
    }
    const auto held = std::ranges::find_if(
        watch_.held_, [&](const auto& each) { return about(each.first) && runtime.now() < each.second; });
    if (held == watch_.held_.end()) co_return;
    co_await watch_.ended_.wait_until(held->second);
  }
}

void RenameWatch::Change::sent() {
  if (!place_) place_ = watch_.under_way_.insert(watch_.under_way_.end(), rename_);
}

RenameWatch::Look::Look(RenameWatch& watch)
    : watch_(watch), seen_(watch.looks_.insert(watch.looks_.end(), watch.forgotten_ + watch.made_.size())) {}

RenameWatch::Look::~Look() {
  watch_.looks_.erase(seen_);
  watch_.forget();
  if (!waits_at_) return;
  watch_.awaited_.erase(*waits_at_);
  watch_.ended_.notify_all();
}

std::vector<std::string> RenameWatch::Look::moved(const std::string& key) {
  std::vector<std::string> names{key};
  bool any = false;
  for (; *seen_ < watch_.forgotten_ + watch_.made_.size(); ++*seen_) {
    const Rename& rename = watch_.made_[*seen_ - watch_.forgotten_];
    for (std::size_t i = 0, count = names.size(); i < count; ++i) {
      if (!is_about(rename, names[i])) continue;
      any = true;
      if (std::string now = after(rename, names[i]); std::ranges::find(names, now) == names.end())
        names.push_back(std::move(now));
    }
  }
  watch_.forget();
  return any ? names : std::vector<std::string>{};
}

Task<void> RenameWatch::Look::wait(std::string key) {
  if (!waits_at_ || **waits_at_ != key) {
    const auto before = std::exchange(waits_at_, watch_.awaited_.insert(key));
    if (before) watch_.awaited_.erase(*before);
    watch_.ended_.notify_all();
  }
  while (watch_.changing(key)) co_await watch_.ended_.wait();
}

bool RenameWatch::changing(const std::string& key) const {
  return std::ranges::any_of(under_way_, [&](const Rename& rename) { return is_about(rename, key); });
}

bool RenameWatch::changing_above(const std::string& key) const {
  return std::ranges::any_of(
      under_way_, [&](const Rename& rename) { return rename.from.ends_with('/') && is_about(rename, key); });
}

void RenameWatch::hold(const std::string& key, MonotonicTime now, MonotonicTime until) {
  std::erase_if(held_, [now](const auto& each) { return each.second <= now; });
  held_.insert_or_assign(key, until);
}

// What all looks have seen.
void RenameWatch::forget() {
  std::uint64_t oldest = forgotten_ + made_.size();
  for (const std::uint64_t seen : looks_) oldest = std::min(oldest, seen);
  for (; forgotten_ < oldest; ++forgotten_) made_.pop_front();
}

}  // namespace flashstor::files
