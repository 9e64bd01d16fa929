#include "engine/base/repeats.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flashstor::base {

std::optional<std::uint64_t> Repeats::count(std::string_view what, MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  const auto known = things_.find(what);
  if (known != things_.end()) {
    Thing& thing = known->second;
    ++thing.times;
    if (now - thing.said < period_) return std::nullopt;
    thing.said = now;
    return std::exchange(thing.times, 0);
  }
  if (things_.size() >= most_)
    things_.erase(std::ranges::min_element(things_, {}, [](const auto& thing) { return thing.second.said; }));
  things_.emplace(what, Thing{.said = now, .times = 0});
  return 1;
}

std::string times_words(std::uint64_t times) {
  return times > 1 ? fmt::format(" ({} times since this was last said)", times) : std::string();
}

}  // namespace flashstor::base
