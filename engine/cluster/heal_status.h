#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::cluster {

/// How healing goes.
struct HealStatus {
  std::uint64_t queued = 0;  ///< Slices that lack a shard somewhere.
  std::uint64_t healed = 0;  ///< Shards rebuilt since the start.
  std::uint64_t failed = 0;  ///< Tries that could not be completed; they stay queued.
  std::uint64_t bytes = 0;   ///< Shard bytes rebuilt since the start.
  bool running = false;
  std::uint64_t bytes_per_second = 0;  ///< Lately; 0 when idle.
  std::uint64_t left_s = 0;      ///< Until the queue is empty at that rate; 0 when idle or not known yet.
  std::uint64_t scanned = 0;     ///< Slices that the scanner has looked at since the start.
  std::uint64_t scan_found = 0;  ///< Of them, those that lacked a shard.
  std::uint64_t scans = 0;       ///< Passes of the scanner that came to their end …
  std::uint64_t deep_scans = 0;  ///< … and those of them that read contents.
  bool scanning = false;
  bool deep = false;  ///< The present pass reads contents too.
};

/// As the answer to kHealQuery travels.
[[nodiscard]] std::string encode_heal_status(const HealStatus& status);
/// Errors: kMalformed.
[[nodiscard]] Result<HealStatus> decode_heal_status(std::string_view bytes);

}  // namespace flashstor::cluster
