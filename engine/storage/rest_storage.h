#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "engine/base/time.h"
#include "engine/storage/storage_api.h"
#include "engine/storage/wire/frame.h"
#include "engine/storage/wire/methods.h"

namespace flashstor::storage {

/// How a drive of another node is reached. Threads: any loop.
class PeerCaller {
 public:
  virtual ~PeerCaller() = default;
  /// Errors: the peer's; kIo when it is down or went down (what was asked may have happened), kTimeout.
  virtual Task<Result<wire::Payload>> call(wire::Method method, wire::Payload request,
                                           Nanoseconds deadline) = 0;
  [[nodiscard]] virtual bool reachable() const = 0;
};

/// Deadlines of calls to a peer's drive.
inline constexpr Milliseconds kPeerSmallCall{2000};
inline constexpr Milliseconds kPeerDataCall{10'000};
inline constexpr Milliseconds kPeerSlowCall{60'000};

/// A peer's drive: its rows' and shards' side of StorageApi over the storage channel. The log belongs to the
/// consensus member, which runs on the drive's own node: of `append` only refusals may be asked for, and
/// recover, read_entries, apply and set_configuration give kNotSupported.
/// Errors:  beside those of StorageApi kDriveFailed and kTimeout when the peer does not answer.
/// Threads: any loop; comes back to it.
class RestStorage final : public StorageApi {
 public:
  /// `caller` outlives this. `described` is what is known of the drive without asking.
  RestStorage(PeerCaller& caller, DriveInfo described);

  [[nodiscard]] DriveInfo info() const override;
  /// Asks the peer how the drive does; `info` gives the answer from then on.
  Task<void> refresh();

  Task<Result<RecoveredState>> recover() override;
  Task<Result<void>> append(AppendBatch batch) override;
  Task<Result<std::vector<LogEntry>>> read_entries(std::uint64_t from, std::uint64_t to,
                                                   std::size_t max_bytes) override;
  Task<Result<void>> apply(std::vector<LogEntry> entries) override;
  Task<Result<void>> set_configuration(std::string bytes) override;
  [[nodiscard]] RowStore* rows() override { return nullptr; }
  Task<Result<std::optional<std::string>>> get_row(Family family, std::string key) override;
  Task<Result<void>> stage_open(DataRef data, std::uint8_t shard, std::uint64_t expected_bytes) override;
  Task<Result<void>> stage_append(DataId data, Buffer blocks, std::size_t block_bytes) override;
  Task<Result<void>> stage_finish(DataId data, std::uint64_t length) override;
  Task<Result<void>> stage_abort(DataId data) override;
  Task<Result<Buffer>> read_shard(DataRef data, std::uint32_t first_block, std::uint32_t count) override;
  Result<Buffer> try_read_shard(const DataRef& data, std::uint32_t first_block, std::uint32_t count) override;
  Task<Result<void>> verify_shard(DataRef data) override;
  Task<Result<void>> restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term, std::uint64_t at,
                                   BufferChain blocks) override;
  Task<Result<Holdings>> holds(std::vector<DataId> data) override;
  Task<Result<std::vector<DataId>>> staged() override;
  Task<Result<std::vector<DataRef>>> inventory(DataId after, std::size_t most) override;
  Task<Result<void>> close() override;

 private:
  [[nodiscard]] ByteWriter address() const;
  Task<Result<wire::Payload>> ask(wire::Method method, std::string head, BufferChain body,
                                  Nanoseconds deadline);
  Task<Result<void>> tell(wire::Method method, std::string head, BufferChain body, Nanoseconds deadline);

  PeerCaller& caller_;
  mutable std::mutex mutex_;
  DriveInfo info_;
};

/// What DriveInfo says, as it travels.
void encode_drive_info(ByteWriter& out, const DriveInfo& info);
[[nodiscard]] DriveInfo decode_drive_info(ByteReader& in);

}  // namespace flashstor::storage
