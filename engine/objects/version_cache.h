#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cluster/set_api.h"
#include "engine/objects/bucket_types.h"
#include "engine/objects/object_types.h"

namespace flashstor::objects {

/// A version as it was read and decoded; never changed.
struct KnownVersion {
  VersionRow row;  ///< Without what `info` has of it: attributes and checksum.
  ObjectInfo info;
};
using VersionRef = std::shared_ptr<const KnownVersion>;

/// The newest versions of keys that a loop has read, decoded. What is found is what a read of this moment
/// would give (cluster::RowsMark), so it needs no time limit and nobody has to drop anything. Bounded: a
/// version goes when others take its place. Threads: one loop. A look allocates nothing.
class VersionCache {
 public:
  /// The mark of the versions of `key` now; of one from before a read and an equal one from after it the
  /// cache can keep what was read. Nothing when it must be read.
  [[nodiscard]] std::optional<cluster::RowsMark> mark(cluster::SetApi& set, const Uuid& bucket,
                                                      std::string_view key);
  /// The newest version of `key`, if it is known and `now` is still its mark; else null.
  [[nodiscard]] VersionRef find(const BucketRef& bucket, std::string_view key, const cluster::RowsMark& now);
  void put(const BucketRef& bucket, const cluster::RowsMark& mark, VersionRef version);

 private:
  struct Entry {
    BucketRef bucket;  ///< Held, so that its address cannot come to mean another, or it as it was changed.
    VersionRef version;
    cluster::RowsMark mark;
  };
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kGroups = 1024;
  [[nodiscard]] std::span<Entry> group_of(const Bucket& bucket, std::string_view key);

  std::string name_;            // kept for its capacity
  std::vector<Entry> entries_;  // groups of kWays; empty before the first `put`
  std::size_t next_ = 0;        // the way to fill next
};

}  // namespace flashstor::objects
