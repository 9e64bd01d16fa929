#include <utility>

#include "engine/storage/guarded_core.h"

namespace flashstor::storage {
namespace {

std::unexpected<Error> no_drive() { return fail(ErrorCode::kDriveFailed, "the drive was taken out"); }

/// What a scan over a drive that is not there finds.
class NoRows final : public RowIterator {
 public:
  void seek(std::string_view) override {}
  void next() override {}
  [[nodiscard]] bool valid() const override { return false; }
  [[nodiscard]] std::string_view key() const override { return {}; }
  [[nodiscard]] std::string_view value() const override { return {}; }
  [[nodiscard]] Result<void> status() const override { return no_drive(); }
};

}  // namespace

void GuardedStorage::Core::note_row_error(const Error& error) {
  if (error.code() != ErrorCode::kCorrupt && error.code() != ErrorCode::kIo) return;
  ++errors;
  fail_with(name + ": its index cannot be read: " + std::string(error.message()), error.code());
}

/// A cursor that keeps its drive.
class GuardedStorage::Cursor final : public RowIterator {
 public:
  Cursor(std::shared_ptr<Core> core, std::unique_ptr<RowIterator> cursor)
      : core_(std::move(core)), cursor_(std::move(cursor)) {}
  void seek(std::string_view key) override { cursor_->seek(key); }
  void next() override { cursor_->next(); }
  [[nodiscard]] bool valid() const override { return cursor_->valid(); }
  [[nodiscard]] std::string_view key() const override { return cursor_->key(); }
  [[nodiscard]] std::string_view value() const override { return cursor_->value(); }
  [[nodiscard]] Result<void> status() const override {
    auto status = cursor_->status();
    if (!status) core_->note_row_error(status.error());
    return status;
  }

 private:
  std::shared_ptr<Core> core_;  // dies after the cursor
  std::unique_ptr<RowIterator> cursor_;
};

std::shared_ptr<GuardedStorage::Core> GuardedStorage::Rows::find() const {
  auto core = owner_.core();
  if (core != nullptr && (core->failed || core->inner->rows() == nullptr)) return nullptr;
  return core;
}

Result<std::optional<std::string>> GuardedStorage::Rows::get(Family family, std::string_view key,
                                                             ReadTier tier) {
  const auto core = find();
  if (core == nullptr) return no_drive();
  auto row = core->inner->rows()->get(family, key, tier);
  if (!row) core->note_row_error(row.error());
  return row;
}

Result<void> GuardedStorage::Rows::write(std::span<const RowChangeView> changes, bool may_wait) {
  const auto core = find();
  return core == nullptr ? no_drive() : core->inner->rows()->write(changes, may_wait);
}

std::unique_ptr<RowIterator> GuardedStorage::Rows::iterate(Family family, std::string_view lower,
                                                           std::string_view upper, ReadTier tier) {
  auto core = find();
  if (core == nullptr) return std::make_unique<NoRows>();
  auto cursor = core->inner->rows()->iterate(family, lower, upper, tier);
  return std::make_unique<Cursor>(std::move(core), std::move(cursor));
}

Result<void> GuardedStorage::Rows::flush() {
  const auto core = find();
  return core == nullptr ? no_drive() : core->inner->rows()->flush();
}

Result<void> GuardedStorage::Rows::verify() {
  const auto core = find();
  return core == nullptr ? no_drive() : core->inner->rows()->verify();
}

Result<void> GuardedStorage::Rows::checkpoint(const std::string& path) {
  const auto core = find();
  return core == nullptr ? no_drive() : core->inner->rows()->checkpoint(path);
}

std::optional<std::uint64_t> GuardedStorage::Rows::writes_under(std::string_view prefix) const {
  const auto core = find();
  return core == nullptr ? std::nullopt : core->inner->rows()->writes_under(prefix);
}

RowStore::Usage GuardedStorage::Rows::usage() const {
  const auto core = find();
  return core == nullptr ? Usage{} : core->inner->rows()->usage();
}

}  // namespace flashstor::storage
