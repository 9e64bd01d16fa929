#include "cli/remove.h"

#include <fmt/format.h>

#include <algorithm>

namespace flashstor::cli {

BatchDelete::BatchDelete(Session& session, S3Client& client, std::string bucket,
                         std::function<void(const DeleteTarget&)> report)
    : session_(session), client_(client), bucket_(std::move(bucket)), report_(std::move(report)) {}

Result<void> BatchDelete::add(DeleteTarget target) {
  batch_.push_back(std::move(target));
  if (batch_.size() < limits::kMaxDeleteObjects) return {};
  return finish();
}

Result<void> BatchDelete::finish() {
  if (batch_.empty()) return {};
  const auto failures = client_.delete_objects(bucket_, batch_);
  if (!failures) return std::unexpected(failures.error());
  for (const DeleteFailure& failure : *failures)
    session_.output.failure(fmt::format("{}/{}/{}", client_.alias().name, bucket_, failure.key),
                            {ErrorCode::kIo, fmt::format("{} ({})", failure.message, failure.code)});
  deleted_ += batch_.size() - std::min(batch_.size(), failures->size());
  for (const DeleteTarget& target : batch_) {
    const bool failed = std::ranges::any_of(*failures, [&](const DeleteFailure& failure) {
      return failure.key == target.key && failure.version_id == target.version_id;
    });
    if (!failed && report_) report_(target);
  }
  batch_.clear();
  return {};
}

Result<void> empty_bucket(Session& session, S3Client& client, const std::string& bucket) {
  BatchDelete batch(session, client, bucket);
  auto done = client.list_versions({bucket, {}, {}, {}}, [&](const ListPage& page) -> Result<bool> {
    for (const ObjectInfo& object : page.objects)
      if (auto added = batch.add({object.key, object.version_id}); !added)
        return std::unexpected(added.error());
    return true;
  });
  if (done) done = batch.finish();
  if (!done) return done;
  const auto uploads = client.list_uploads(bucket, {});
  if (!uploads)
    return uploads.error().code() == ErrorCode::kNotImplemented ? Result<void>()
                                                                : std::unexpected(uploads.error());
  for (const UploadInfo& upload : *uploads)
    if (auto aborted = client.abort_upload(bucket, upload.key, upload.upload_id); !aborted) return aborted;
  return {};
}

}  // namespace flashstor::cli
