#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>

#include "engine/storage/row_store.h"
#include "engine/storage/write_marks.h"

namespace flashstor::storage {

/// The deterministic peer of RocksDB: ordered maps in memory, the state of the last flush beside them, and
/// `crash`, which goes back to it. For the simulator and for tests. A map is shared by the live state, the
/// flushed one and iterators until a write touches it, and copied then.
class RowStoreMemory final : public RowStore {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;
  using Families = std::array<std::shared_ptr<Map>, kFamilies>;

  RowStoreMemory();
  Result<std::optional<std::string>> get(Family family, std::string_view key, ReadTier tier) override;
  using RowStore::write;
  Result<void> write(std::span<const RowChangeView> changes, bool may_wait) override;
  std::unique_ptr<RowIterator> iterate(Family family, std::string_view lower, std::string_view upper,
                                       ReadTier tier) override;
  Result<void> flush() override;
  Result<void> verify() override { return {}; }
  /// Kept in this store under `path`; `checkpoint_at` gives it back.
  Result<void> checkpoint(const std::string& path) override;
  [[nodiscard]] std::optional<std::uint64_t> writes_under(std::string_view prefix) const override {
    return marks_.look(prefix);
  }
  [[nodiscard]] Usage usage() const override;

  /// Loses everything since the last flush, as a power cut does. Iterators stay on what they saw.
  void crash();
  /// A new store with the rows that `checkpoint(path)` copied; nullptr when there is none.
  [[nodiscard]] std::unique_ptr<RowStoreMemory> checkpoint_at(const std::string& path) const;
  /// Every row of one family, for comparing drives in tests.
  [[nodiscard]] Map snapshot(Family family) const;

 private:
  WriteMarks marks_;
  mutable std::mutex mutex_;
  Families rows_;
  Families flushed_;
  std::map<std::string, Families> checkpoints_;
};

}  // namespace flashstor::storage
