#pragma once

#include <string>

#include "engine/files/limits.h"
#include "tests/unit/files/volume_fixture.h"

namespace flashstor::files {

/// Three sets: most names of one directory lie in different ones.
class ManySetsTest : public VolumeTest {
 protected:
  [[nodiscard]] std::uint32_t sets() const override { return 3; }
  std::uint32_t set_of(const std::string& key) {
    return cluster_->set_for(get(store_->head_bucket("bucket"))->id, key).info().index;
  }
  /// A name in another set than `key`, or in the same.
  std::string name_for(const std::string& key, bool other) {
    for (int n = 0;; ++n) {
      std::string name = "name" + std::to_string(n);
      if ((set_of(name) != set_of(key)) == other && name != key) return name;
    }
  }
  void fail_next(FileCommand kind, std::uint32_t set) {
    cluster_->fake(set).fail_next(static_cast<cluster::CommandKind>(kind), ErrorCode::kUnknownOutcome);
  }
  /// The next rename from `set` does not get so far as to take the old name away.
  void fail_end(std::uint32_t set) {
    for (int tries = 0; tries < kMoveEndTries; ++tries) fail_next(FileCommand::kMoveEnd, set);
  }
  std::size_t intents() {
    std::size_t count = 0;
    for (std::uint32_t index = 0; index < sets(); ++index)
      for (const auto& [key, value] : cluster_->fake(index).rows().rows(Family::kIntents))
        count += key.starts_with(kMoveIntents) || key.starts_with(kMoveDecisions) ||
                 key.starts_with(kDirectoryMoves);
    return count;
  }
  /// Renames of directories that have begun and not ended.
  std::size_t standing() {
    std::size_t count = 0;
    for (std::uint32_t index = 0; index < sets(); ++index)
      for (const auto& [key, value] : cluster_->fake(index).rows().rows(Family::kIntents))
        count += key.starts_with(kDirectoryMoves);
    return count;
  }
  /// Data that nobody refers to any more is due to be freed.
  std::size_t due() {
    std::size_t count = 0;
    for (std::uint32_t index = 0; index < sets(); ++index)
      count += cluster_->fake(index).rows().rows(Family::kDue).size();
    return count;
  }
  Result<void> rename(const std::string& from, const std::string& to,
                      RenameMode mode = RenameMode::kReplace) {
    return runtime_.run_until(volume_->rename("", from, "", to, mode));
  }
  /// As after a crash: a new volume finishes what the rows say is unfinished.
  void reopen() {
    run(volume_->close());
    open();
  }
};

}  // namespace flashstor::files
