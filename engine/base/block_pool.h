#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace flashstor::base {

/// One piece of payload memory and who counts on it. Header and memory stay together while they are pooled.
struct PayloadBlock {
  std::atomic<std::uint32_t> references{1};
  std::uint32_t size_class = 0;
  std::size_t capacity = 0;
  std::byte* memory = nullptr;
};

/// Payload memory. Below 4 KiB: rounded up to one of a dozen sizes, header and bytes in one allocation,
/// aligned to 64. From 4 KiB to 2 MiB: powers of two, aligned to 4096. Above: as asked for, rounded up to
/// 4096.
///
/// What is given back is kept for the next `take`: a little by each thread, more by a depot that all threads
/// share (payload is often taken on a loop and dropped on a drive's thread). What both do not keep goes back
/// to the system at once, so that memory after a peak is bounded by kThreadKeepBytes and kDepotKeepBytes and
/// not by the peak. Threads: any.
[[nodiscard]] PayloadBlock* take_payload_block(std::size_t size);
void give_payload_block(PayloadBlock* block) noexcept;

/// Bytes of payload blocks in use and kept, for metrics and tests.
struct PayloadMemory {
  std::size_t depot_bytes = 0;  ///< Kept by the depot.
};
[[nodiscard]] PayloadMemory payload_memory();

inline constexpr std::size_t kThreadKeepBytes = std::size_t{256} << 10;
inline constexpr std::size_t kDepotKeepBytes = std::size_t{16} << 20;

}  // namespace flashstor::base
