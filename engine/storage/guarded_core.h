#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "engine/storage/guarded_storage.h"

namespace flashstor::storage {

/// One drive in its place, shared by the place and by every call under way.
struct GuardedStorage::Core {
  DriveInfo info;  ///< Under mutex, as is `failure`.
  std::string failure;
  ErrorCode failure_code = ErrorCode::kDriveFailed;
  std::mutex mutex;
  std::string name;
  std::unique_ptr<StorageApi> inner;
  GuardOptions options;
  std::shared_ptr<RetiredDrives> retired;
  std::shared_ptr<RetiredDrives> own_retired;
  LatencyMeter appends;
  LatencyMeter reads;
  std::atomic<std::uint64_t> timeouts = 0;
  std::atomic<std::uint64_t> errors = 0;
  std::atomic<int> reads_late = 0;
  std::atomic<bool> failed = false;
  std::atomic<bool> orphaned = false;

  [[nodiscard]] Nanoseconds deadline(Kind kind) const {
    switch (kind) {
      case Kind::kAppend:
        return options.append_deadline;
      case Kind::kApply:
        return options.apply_deadline;
      case Kind::kRead:
        return options.read_deadline;
      case Kind::kSlow:
        return options.slow_deadline;
      case Kind::kLong:
        return options.long_deadline;
    }
    return options.slow_deadline;
  }
  void done(Kind kind, Nanoseconds latency, const Error* error);
  Error late(Kind kind);
  [[nodiscard]] Error given_up(Kind kind) const;
  void fail_with(std::string words, ErrorCode code = ErrorCode::kDriveFailed);
  Error refusal();
  /// An index that cannot be read, or does not match its checksums, takes the drive out.
  void note_row_error(const Error& error);
  static void end(Core* core);
};

/// The drive's index as the layers above see it: it lives as long as the place, whatever drive is in it, and
/// keeps the drive for each cursor.
class GuardedStorage::Rows final : public RowStore {
 public:
  explicit Rows(GuardedStorage& owner) : owner_(owner) {}
  [[nodiscard]] Result<std::optional<std::string>> get(Family family, std::string_view key,
                                                       ReadTier tier) override;
  using RowStore::write;
  Result<void> write(std::span<const RowChangeView> changes, bool may_wait) override;
  [[nodiscard]] std::unique_ptr<RowIterator> iterate(Family family, std::string_view lower,
                                                     std::string_view upper, ReadTier tier) override;
  Result<void> flush() override;
  Result<void> verify() override;
  Result<void> checkpoint(const std::string& path) override;
  [[nodiscard]] std::optional<std::uint64_t> writes_under(std::string_view prefix) const override;
  [[nodiscard]] Usage usage() const override;

 private:
  /// The drive, if it is well and its index is in this process.
  [[nodiscard]] std::shared_ptr<Core> find() const;
  GuardedStorage& owner_;
};

}  // namespace flashstor::storage
