#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/uuid.h"

namespace flashstor::cluster {

/// Where each key lives: slot = CRC32(deployment id, bucket id, key) modulo kSlots, and the set of each slot.
/// Deterministic, the same on every node that knows the same version.
class SlotTable {
 public:
  /// The first table: equal shares in order.
  SlotTable(const Uuid& deployment_id, std::uint32_t sets);

  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] std::uint32_t slot_of(const Uuid& bucket_id, std::string_view key) const;
  [[nodiscard]] std::uint32_t set_of(const Uuid& bucket_id, std::string_view key) const {
    return sets_[slot_of(bucket_id, key)];
  }
  [[nodiscard]] std::uint32_t set_of_slot(std::uint32_t slot) const { return sets_[slot]; }

 private:
  std::uint32_t seed_ = 0;  // the checksum of the deployment id, carried on
  std::uint64_t version_ = 1;
  std::vector<std::uint32_t> sets_;
};

}  // namespace flashstor::cluster
