#pragma once

#include "engine/cluster/set.h"

namespace flashstor::cluster {

/// The rows of a set as its leader has them, read on whatever loop the caller is on. What another command has
/// written and not yet decided is waited for.
class SetRows final : public RowView {
 public:
  explicit SetRows(ErasureSet& set) : set_(set) {}
  /// Of the drive at `slot`, whoever leads.
  SetRows(ErasureSet& set, std::uint32_t slot) : set_(set), slot_(slot) {}
  Task<Result<std::optional<std::string>>> get(Family family, std::string key) override;
  Task<Result<void>> scan(Family family, std::string lower, std::string upper, ScanVisitor visitor,
                          std::function<void()> restart) override;
  [[nodiscard]] WallTime now() override { return set_.next_time(); }
  [[nodiscard]] Random& random() override { return Runtime::current()->random(); }
  [[nodiscard]] std::uint64_t leadership() const override { return slot_ ? 0 : set_.reader_era_.load(); }

 private:
  /// Takes the drive at `slot` out for `error` if the error is its fault; else gives the error back.
  Task<Result<void>> give_up_drive(std::uint32_t slot, Error error);
  Task<Result<std::uint32_t>> read_slot();
  ErasureSet& set_;
  std::optional<std::uint32_t> slot_;
  std::size_t drives_tried_ = 0;
};

}  // namespace flashstor::cluster
