#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cluster/set_api.h"

/// Rows of the families kDue, kResults and kHeal, which belong to the set itself.  Source:
/// docs/on-disk-format.md.
namespace flashstor::cluster {

enum class DueKind : std::uint8_t { kFreeData = 1, kForgetResult = 2 };
struct Due {
  DueKind kind = DueKind::kFreeData;
  DataRef data;     ///< With kFreeData.
  Uuid request_id;  ///< With kForgetResult.
};
/// Keys of kDue: time in milliseconds, big-endian, then an id.
[[nodiscard]] std::string due_key(WallTime at, const Uuid& id);
/// Keys below this one are due at `now`.
[[nodiscard]] std::string due_bound(WallTime now);
/// Errors: kMalformed.
[[nodiscard]] Result<Due> decode_due(std::string_view value);
/// Some of these rows, in order.
using DueRows = std::vector<std::pair<std::string, Due>>;

/// Remembers the answer of a request, and when to forget it.
void keep_result(std::vector<RowChange>& changes, const Uuid& request_id, std::string_view response,
                 WallTime now);
[[nodiscard]] std::string decode_kept_result(std::string_view value);

/// A slice that lacks shards on some drives.
struct HealItem {
  DataRef data;
  std::uint32_t slots = 0;  ///< Where a shard is missing or bad.
};
/// Keys of kHeal: how many more shards may be lost, then the data id, so the most endangered come first; then
/// the slots, so that what is found later takes nothing away from what was found before.
[[nodiscard]] std::string heal_key(const HealItem& item);
[[nodiscard]] RowChange heal_row(const HealItem& item);
/// Instead of slices: what the new drive at `slot` lacks is not known until a scan has looked for it.
[[nodiscard]] HealItem owed_scan(std::uint32_t slot);
[[nodiscard]] bool is_owed_scan(const HealItem& item);
/// Errors: kMalformed.
[[nodiscard]] Result<HealItem> decode_heal(std::string_view value);

}  // namespace flashstor::cluster
