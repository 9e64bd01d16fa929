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

RenameWatch::Change::Change(RenameWatch& watch, Rename rename)
    : watch_(watch), place_(watch.under_way_.insert(watch.under_way_.end(), std::move(rename))) {}

RenameWatch::Change::~Change() {
  if (made_ && watch_.looks_ > 0) watch_.made_.push_back(std::move(*place_));
  watch_.under_way_.erase(place_);
  watch_.ended_.notify_all();
}

RenameWatch::Look::~Look() {
  if (--watch_.looks_ == 0) watch_.made_.clear();
}

std::vector<std::string> RenameWatch::Look::moved(const std::string& key) {
  std::vector<std::string> names{key};
  bool any = false;
  for (; seen_ < watch_.made_.size(); ++seen_) {
    const Rename& rename = watch_.made_[seen_];
    for (std::size_t i = 0, count = names.size(); i < count; ++i) {
      if (!is_about(rename, names[i])) continue;
      any = true;
      if (std::string now = after(rename, names[i]); std::ranges::find(names, now) == names.end())
        names.push_back(std::move(now));
    }
  }
  return any ? names : std::vector<std::string>{};
}

bool RenameWatch::changing(const std::string& key) const {
  return std::ranges::any_of(under_way_, [&](const Rename& rename) { return is_about(rename, key); });
}

bool RenameWatch::changing_above(const std::string& key) const {
  return std::ranges::any_of(
      under_way_, [&](const Rename& rename) { return rename.from.ends_with('/') && is_about(rename, key); });
}

}  // namespace flashstor::files
