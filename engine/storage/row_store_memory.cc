#include "engine/storage/row_store_memory.h"

#include <utility>

namespace flashstor::storage {
namespace {

class MemoryIterator final : public RowIterator {
 public:
  MemoryIterator(std::shared_ptr<const RowStoreMemory::Map> rows, std::string_view lower,
                 std::string_view upper)
      : rows_(std::move(rows)), lower_(lower), upper_(upper), at_(rows_->lower_bound(lower)) {}

  void seek(std::string_view key) override { at_ = rows_->lower_bound(key < lower_ ? lower_ : key); }
  void next() override { ++at_; }
  [[nodiscard]] bool valid() const override {
    return at_ != rows_->end() && (upper_.empty() || at_->first < upper_);
  }
  [[nodiscard]] std::string_view key() const override { return at_->first; }
  [[nodiscard]] std::string_view value() const override { return at_->second; }
  [[nodiscard]] Result<void> status() const override { return {}; }

 private:
  std::shared_ptr<const RowStoreMemory::Map> rows_;
  std::string lower_;
  std::string upper_;
  RowStoreMemory::Map::const_iterator at_;
};

}  // namespace

RowStoreMemory::RowStoreMemory() {
  for (auto& family : rows_) family = std::make_shared<Map>();
  flushed_ = rows_;
}

Result<std::optional<std::string>> RowStoreMemory::get(Family family, std::string_view key,
                                                       ReadTier /*tier*/) {
  const std::lock_guard lock(mutex_);
  const Map& rows = *rows_[static_cast<std::size_t>(family)];
  const auto found = rows.find(key);
  if (found == rows.end()) return std::nullopt;
  return found->second;
}

Result<void> RowStoreMemory::write(std::span<const RowChangeView> changes, bool /*may_wait*/) {
  const WriteMarks::Writing writing(marks_, changes);
  const std::lock_guard lock(mutex_);
  for (const RowChangeView& change : changes) {
    auto& rows = rows_[static_cast<std::size_t>(change.family)];
    if (rows.use_count() > 1) rows = std::make_shared<Map>(*rows);
    if (change.value) {
      rows->insert_or_assign(std::string(change.key), std::string(*change.value));
    } else if (const auto found = rows->find(change.key); found != rows->end()) {
      rows->erase(found);
    }
  }
  return {};
}

std::unique_ptr<RowIterator> RowStoreMemory::iterate(Family family, std::string_view lower,
                                                     std::string_view upper, ReadTier /*tier*/) {
  const std::lock_guard lock(mutex_);
  return std::make_unique<MemoryIterator>(rows_[static_cast<std::size_t>(family)], lower, upper);
}

Result<void> RowStoreMemory::flush() {
  const std::lock_guard lock(mutex_);
  flushed_ = rows_;
  return {};
}

Result<void> RowStoreMemory::checkpoint(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!checkpoints_.emplace(path, flushed_).second)
    return fail(ErrorCode::kExists, path + " is there already");
  return {};
}

RowStore::Usage RowStoreMemory::usage() const {
  const std::lock_guard lock(mutex_);
  Usage usage;
  for (const auto& family : rows_)
    for (const auto& [key, value] : *family) usage.memory_bytes += key.size() + value.size();
  return usage;
}

void RowStoreMemory::crash() {
  const std::lock_guard lock(mutex_);
  rows_ = flushed_;
  marks_.forget_all();
}

std::unique_ptr<RowStoreMemory> RowStoreMemory::checkpoint_at(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = checkpoints_.find(path);
  if (found == checkpoints_.end()) return nullptr;
  auto copy = std::make_unique<RowStoreMemory>();
  copy->rows_ = found->second;
  copy->flushed_ = found->second;
  return copy;
}

RowStoreMemory::Map RowStoreMemory::snapshot(Family family) const {
  const std::lock_guard lock(mutex_);
  return *rows_[static_cast<std::size_t>(family)];
}

}  // namespace flashstor::storage
