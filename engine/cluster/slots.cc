#include "engine/cluster/slots.h"

#include <array>
#include <span>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/codec/checksum.h"

namespace flashstor::cluster {
namespace {

std::uint32_t add_id(std::uint32_t crc, const Uuid& id) {
  std::array<std::byte, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::byte>(id.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::byte>(id.low >> (56 - 8 * i));
  }
  return codec::crc32(crc, bytes);
}

}  // namespace

SlotTable::SlotTable(const Uuid& deployment_id, std::uint32_t sets) : seed_(add_id(0, deployment_id)) {
  FLASHSTOR_CHECK(sets > 0);
  sets_.reserve(limits::kSlots);
  for (std::uint64_t slot = 0; slot < limits::kSlots; ++slot)
    sets_.push_back(static_cast<std::uint32_t>(slot * sets / limits::kSlots));
}

std::uint32_t SlotTable::slot_of(const Uuid& bucket_id, std::string_view key) const {
  return codec::crc32(add_id(seed_, bucket_id), std::as_bytes(std::span(key))) % limits::kSlots;
}

}  // namespace flashstor::cluster
