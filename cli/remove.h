#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace flashstor::cli {

/// Deletes in batches of kMaxDeleteObjects; says each that could not be deleted.
class BatchDelete {
 public:
  /// `report` is told of each deleted object.
  BatchDelete(Session& session, S3Client& client, std::string bucket,
              std::function<void(const DeleteTarget&)> report = {});
  [[nodiscard]] Result<void> add(DeleteTarget target);
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] std::uint64_t deleted() const { return deleted_; }

 private:
  Session& session_;
  S3Client& client_;
  std::string bucket_;
  std::function<void(const DeleteTarget&)> report_;
  std::vector<DeleteTarget> batch_;
  std::uint64_t deleted_ = 0;
};

/// Deletes every version, delete marker and unfinished upload of a bucket.
[[nodiscard]] Result<void> empty_bucket(Session& session, S3Client& client, const std::string& bucket);

}  // namespace flashstor::cli
