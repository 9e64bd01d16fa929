#include "cli/multipart.h"

#include <algorithm>

#include "cli/limits.h"
#include "cli/s3_error.h"

namespace flashstor::cli {

PartPlan PartPlan::of(std::uint64_t bytes, std::uint64_t smallest) {
  std::uint64_t part = smallest;
  while (part * limits::kMaxParts < bytes) part *= 2;
  return {bytes, part};
}

int PartPlan::count() const { return static_cast<int>((bytes + part_bytes - 1) / part_bytes); }
std::uint64_t PartPlan::offset_of(int number) const {
  return static_cast<std::uint64_t>(number - 1) * part_bytes;
}
std::uint64_t PartPlan::size_of(int number) const { return std::min(part_bytes, bytes - offset_of(number)); }

MultipartJob::MultipartJob(S3Client& client, std::string bucket, std::string key, std::string upload_id,
                           PartPlan plan, SendPart send, Done done)
    : client_(client),
      bucket_(std::move(bucket)),
      key_(std::move(key)),
      upload_id_(std::move(upload_id)),
      plan_(plan),
      send_(std::move(send)),
      done_(std::move(done)),
      left_(0) {}

void MultipartJob::start(TransferPool& pool, const std::vector<PartInfo>& present) {
  parts_.resize(static_cast<std::size_t>(plan_.count()));
  for (int number = 1; number <= plan_.count(); ++number)
    parts_[static_cast<std::size_t>(number - 1)].number = number;
  for (const PartInfo& part : present) parts_[static_cast<std::size_t>(part.number - 1)].etag = part.etag;
  std::vector<int> missing;
  for (const PartInfo& part : parts_)
    if (part.etag.empty()) missing.push_back(part.number);
  left_ =
      static_cast<int>(missing.size()) + 1;  // One for this function: it ends last when nothing is missing.
  for (const int number : missing)
    pool.submit([self = shared_from_this(), number] { self->run_part(number); });
  pool.submit([self = shared_from_this()] { self->end_part(); });
}

void MultipartJob::run_part(int number) {
  {
    const std::lock_guard lock(mutex_);
    if (error_) number = 0;  // Another part failed: this one is not worth sending.
  }
  if (number > 0) {
    auto etag = send_(number, plan_.offset_of(number), plan_.size_of(number));
    const std::lock_guard lock(mutex_);
    if (etag) {
      parts_[static_cast<std::size_t>(number - 1)].etag = std::move(*etag);
    } else if (!error_) {
      error_ = etag.error();
    }
  }
  end_part();
}

void MultipartJob::end_part() {
  if (--left_ == 0) done_(settle());
}

Result<void> MultipartJob::settle() {
  if (!error_) {
    const auto etag = client_.complete_upload(bucket_, key_, upload_id_, parts_);
    if (etag) return {};
    error_ = etag.error();
  }
  const bool may_resume = error_->code() == ErrorCode::kCancelled || is_passing(*error_);
  // Its own failure would hide why the upload failed; what is left shows in `ls --incomplete`.
  if (!may_resume) static_cast<void>(client_.abort_upload(bucket_, key_, upload_id_));
  return std::unexpected(*error_);
}

}  // namespace flashstor::cli
