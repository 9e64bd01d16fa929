#pragma once

#include <cstdint>

namespace flashstor::storage::wire {

/// What a frame asks for. Numbers are part of the protocol: never reuse one.
enum class Method : std::uint16_t {
  kHello = 1,
  kPing = 2,
  // A drive of the peer's: engine/storage/rest_storage.h.
  kDriveInfo = 16,
  kRefuse = 17,
  kGetRow = 18,
  kStageOpen = 19,
  kStageAppend = 20,
  kStageFinish = 21,
  kStageAbort = 22,
  kReadShard = 23,
  kVerifyShard = 24,
  kRestoreShard = 25,
  kHolds = 26,
  kStaged = 27,
  kInventory = 28,
  // Sets: engine/cluster/peers.
  kDrives = 48,
  kConsensus = 49,
  kExecute = 50,
  kQuery = 51,
  kSetView = 52,
  kFillOpen = 53,
  kFillRows = 54,
  kFillClose = 55,
  kStanding = 56,
  kRaise = 57,
  kQueryLeaderless = 58,
  kReports = 59,
  kBadShards = 60,
  kPinned = 61,
  kFillStatus = 62,
  // The node: s3d/node.
  kEpochChanged = 64,
};
[[nodiscard]] constexpr std::uint16_t number_of(Method method) { return static_cast<std::uint16_t>(method); }
[[nodiscard]] constexpr bool is_drive_method(std::uint16_t method) {
  return method >= number_of(Method::kDriveInfo) && method < number_of(Method::kDrives);
}

}  // namespace flashstor::storage::wire
