#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cli/s3_client.h"
#include "cli/transfer_pool.h"

namespace flashstor::cli {

/// How a body of `bytes` is cut: all parts but the last are `part_bytes` long.
struct PartPlan {
  std::uint64_t bytes = 0;
  std::uint64_t part_bytes = 0;
  /// Parts of at least `smallest`, and at most kMaxParts of them.
  [[nodiscard]] static PartPlan of(std::uint64_t bytes, std::uint64_t smallest);
  [[nodiscard]] int count() const;
  /// Of part `number`, from 1.
  [[nodiscard]] std::uint64_t offset_of(int number) const;
  [[nodiscard]] std::uint64_t size_of(int number) const;
};

/// One multipart upload whose parts run on a pool; the last part to end completes it, or tells why not.
/// An upload that failed for good is aborted; one that was interrupted or lost its server is left to be
/// resumed.
class MultipartJob : public std::enable_shared_from_this<MultipartJob> {
 public:
  /// Sends one part; gives its ETag.
  using SendPart = std::function<Result<std::string>(int number, std::uint64_t offset, std::uint64_t bytes)>;
  using Done = std::function<void(Result<void>)>;
  MultipartJob(S3Client& client, std::string bucket, std::string key, std::string upload_id, PartPlan plan,
               SendPart send, Done done);
  /// Parts that are there already are not sent again. Blocks while the pool's queue is full.
  void start(TransferPool& pool, const std::vector<PartInfo>& present);

 private:
  void run_part(int number);
  void end_part();
  [[nodiscard]] Result<void> settle();
  S3Client& client_;
  std::string bucket_;
  std::string key_;
  std::string upload_id_;
  PartPlan plan_;
  SendPart send_;
  Done done_;
  std::mutex mutex_;
  std::vector<PartInfo> parts_;
  std::optional<Error> error_;
  std::atomic<int> left_;
};

}  // namespace flashstor::cli
