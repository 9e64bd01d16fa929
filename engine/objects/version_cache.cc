#include "engine/objects/version_cache.h"

#include <algorithm>

#include "engine/objects/keys.h"

namespace flashstor::objects {

std::optional<cluster::RowsMark> VersionCache::mark(cluster::SetApi& set, const Uuid& bucket,
                                                    std::string_view key) {
  name_.assign(1, static_cast<char>(Family::kVersions));
  append_versions_prefix(name_, bucket, key);
  return set.mark(name_);
}

std::span<VersionCache::Entry> VersionCache::group_of(const Bucket& bucket, std::string_view key) {
  const std::size_t mixed = (std::hash<std::string_view>()(key) ^ std::hash<Uuid>()(bucket.id)) % kGroups;
  return std::span(entries_).subspan(mixed * kWays, kWays);
}

VersionRef VersionCache::find(const BucketRef& bucket, std::string_view key, const cluster::RowsMark& now) {
  if (entries_.empty()) return nullptr;
  for (const Entry& entry : group_of(*bucket, key))
    if (entry.bucket == bucket && entry.version->info.key == key)
      return entry.mark == now ? entry.version : nullptr;
  return nullptr;
}

void VersionCache::put(const BucketRef& bucket, const cluster::RowsMark& mark, VersionRef version) {
  if (entries_.empty()) entries_.resize(kGroups * kWays);
  const auto group = group_of(*bucket, version->info.key);
  auto at = std::ranges::find_if(group, [&](const Entry& entry) {
    return entry.bucket == bucket && entry.version->info.key == version->info.key;
  });
  if (at == group.end())
    at = std::ranges::find_if(group, [](const Entry& entry) { return entry.bucket == nullptr; });
  if (at == group.end()) at = group.begin() + static_cast<std::ptrdiff_t>(next_++ % kWays);
  *at = {.bucket = bucket, .version = std::move(version), .mark = mark};
}

}  // namespace flashstor::objects
