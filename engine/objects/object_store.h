#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/task.h"
#include "engine/cluster/set_api.h"
#include "engine/objects/bucket_types.h"
#include "engine/objects/limits.h"
#include "engine/objects/multipart_types.h"
#include "engine/objects/object_types.h"
#include "engine/objects/read_budget.h"

namespace flashstor::objects {

class BucketCache;
class VersionCache;

/// Moves whenever any bucket of this process changed; every loop's BucketCache looks at it. One a process.
/// Threads: any.
class BucketEpoch {
 public:
  [[nodiscard]] std::uint64_t now() const { return value_.load(std::memory_order_acquire); }
  void advance() { value_.fetch_add(1, std::memory_order_acq_rel); }

 private:
  std::atomic<std::uint64_t> value_{1};
};

class DigestPool;

/// Sizes that tests make small, and what the stores of a process share.
struct StoreOptions {
  std::size_t inline_bytes = limits::kMaxInlineObjectBytes;  ///< Up to here bytes ride with the command.
  std::size_t read_window_bytes = limits::kReadWindowBytes;
  std::size_t write_window_bytes = limits::kWriteWindowBytes;
  std::uint64_t min_part_bytes = limits::kMinPartBytes;
  DigestPool* digests = nullptr;  ///< For large bodies; without it they are hashed on the loop.
};

/// The engine of every door: buckets, objects, versions, uploads, with S3's meaning, over the sets of a
/// cluster.
/// Order:   a call that changes something returns once the change is committed and its data durable on W
///          drives (protocol.md); a later call on any node sees it. Conditions are checked by the set's
///          leader in the order of its log, so exactly one of several racing conditional writes wins.
/// Errors:  beside those named below every method can give kReadQuorum, kReadOnly, kWriteQuorum, kTimeout,
///          kUnknownOutcome (may or may not have happened), kCorrupt, kIo, kCancelled.
/// Threads: one ObjectStore a loop, used on it alone. Authorisation is the caller's business.
class ObjectStore {
 public:
  /// `cluster`, `epoch` and `random` must outlive the store. `register_object_commands` (commands.h) must
  /// have run.
  ObjectStore(cluster::ClusterApi& cluster, BucketEpoch& epoch, Random& random, StoreOptions options = {});
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  ~ObjectStore();
  /// Waits for work of its own (read-ahead of dropped readers). Call before destroying it.
  Task<void> close();

  // Buckets.
  /// Errors: kInvalidBucketName, kBucketExists, kBucketOwnedByCaller.
  Task<Result<BucketRef>> create_bucket(CreateBucketRequest request);
  /// The bucket when this loop's cache has it; else null.
  [[nodiscard]] BucketRef peek_bucket(std::string_view name);
  /// From this loop's cache, at most as old as the last change in this process. Errors: kNoSuchBucket.
  Task<Result<BucketRef>> head_bucket(std::string name);
  /// Errors: kNoSuchBucket, kBucketNotEmpty (any version, marker or upload is left), kConflict (another
  /// deletion is under way).
  Task<Result<void>> delete_bucket(std::string name);
  Task<Result<ListBucketsResult>> list_buckets(ListBucketsRequest request);
  /// Errors: kNoSuchBucket, kInvalidBucketState (object lock asks for versioning; it never goes back to
  /// kUnversioned).
  Task<Result<void>> set_versioning(std::string name, Versioning state);
  Task<Result<void>> set_bucket_acl(std::string name, std::uint8_t acl, std::string grants = {});
  /// Stores the document of one kind. Errors: kNoSuchBucket, kEntityTooLarge.
  Task<Result<void>> set_bucket_config(std::string name, std::string kind, std::string bytes);
  /// Turns object lock on, for good, and stores its document. Every writer knows of it before its next write.
  /// Errors: kNoSuchBucket, kInvalidBucketState (a bucket without versioning).
  Task<Result<void>> set_object_lock(std::string name, std::string kind, std::string bytes);
  /// Errors: kNoSuchBucket, kNoSuchConfiguration.
  Task<Result<std::string>> get_bucket_config(std::string name, std::string kind);
  /// Nothing there is success. Errors: kNoSuchBucket.
  Task<Result<void>> delete_bucket_config(std::string name, std::string kind);

  // Objects.
  /// Streams the body, verifies what is expected of it, then commits.
  /// Errors: kNoSuchBucket, kKeyTooLong, kInvalidArgument, kMetadataTooLarge, kInvalidTag, kEntityTooLarge,
  /// kIncompleteBody, kBadDigest, kPreconditionFailed, kNoSuchKey (If-Match on nothing), the body's own.
  Task<Result<PutResult>> put_object(PutRequest request);
  /// Errors: kNoSuchBucket, kNoSuchKey, kNoSuchVersion, kNotModified, kPreconditionFailed, kInvalidRange,
  /// kInvalidPart; kIsDeleteMarker with the marker's version id as the message: for a door that is 404
  /// NoSuchKey when no version id was asked for and 405 MethodNotAllowed when one was, both with
  /// x-amz-delete-marker.
  Task<Result<GetResult>> get_object(GetRequest request);
  /// The same without a reader.
  Task<Result<GetResult>> head_object(GetRequest request);
  /// By reference: no bytes move (except to compute a checksum of another kind). Errors: of get and put;
  /// kInvalidArgument for a copy onto itself that changes nothing; kEntityTooLarge above 5 GiB.
  Task<Result<CopyResult>> copy_object(CopyRequest request);
  /// Nothing there is success (without conditions). Errors: kNoSuchBucket, kPreconditionFailed, kNoSuchKey
  /// (conditions on nothing), kObjectLocked.
  Task<Result<DeleteResult>> delete_object(DeleteRequest request);
  /// Results in the order of the items, each its own. Errors: kNoSuchBucket, kInvalidArgument (over 1000).
  Task<Result<std::vector<DeleteManyResult>>> delete_objects(std::string bucket,
                                                             std::vector<DeleteManyItem> items,
                                                             bool bypass_governance);
  Task<Result<ListResult>> list_objects(ListRequest request);
  /// Errors: kInvalidArgument for a version marker without a key marker or not a version id.
  Task<Result<ListVersionsResult>> list_versions(ListVersionsRequest request);
  Task<Result<AttributesResult>> get_attributes(AttributesRequest request);

  // Changes of a version's attributes in place. They give the version id as shown. Errors: of head_object,
  // kInvalidTag; kIsDeleteMarker.
  Task<Result<std::string>> set_tags(std::string bucket, std::string key, std::string version_id, Tags tags);
  Task<Result<std::string>> set_object_acl(std::string bucket, std::string key, std::string version_id,
                                           std::uint8_t acl, std::string grants = {});
  Task<Result<std::string>> set_retention(std::string bucket, std::string key, std::string version_id,
                                          Retention retention, bool bypass_governance);
  Task<Result<std::string>> set_legal_hold(std::string bucket, std::string key, std::string version_id,
                                           bool on);
  Task<Result<std::string>> set_posix(std::string bucket, std::string key, std::string version_id,
                                      PosixAttributes posix);

  // Multipart uploads.
  Task<Result<UploadInfo>> create_upload(CreateUploadRequest request);
  /// A part put again replaces the old one. Errors: of put_object; kNoSuchUpload, kInvalidArgument (number).
  Task<Result<UploadPartResult>> upload_part(UploadPartRequest request);
  Task<Result<UploadPartCopyResult>> upload_part_copy(UploadPartCopyRequest request);
  /// Repeating it within 24 h gives the same answer. Errors: kNoSuchUpload, kInvalidPart, kInvalidPartOrder,
  /// kPartTooSmall, kPreconditionFailed, kBadDigest, kMalformed (no parts).
  Task<Result<PutResult>> complete_upload(CompleteUploadRequest request);
  /// Errors: kNoSuchUpload.
  Task<Result<void>> abort_upload(AbortUploadRequest request);
  Task<Result<ListPartsResult>> list_parts(ListPartsRequest request);
  Task<Result<ListUploadsResult>> list_uploads(ListUploadsRequest request);

  // For files, which stand on the same rows.
  [[nodiscard]] cluster::ClusterApi& cluster() { return cluster_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] const StoreOptions& options() const { return options_; }
  /// The raw row of a version (newest without `version_id`; delete markers too). Errors: kNoSuchKey,
  /// kNoSuchVersion.
  Task<Result<VersionRow>> read_version(BucketRef bucket, std::string key, std::string version_id);
  /// Bytes [offset, offset + length) of a version, holes as zeros, verified; for reads of a mount.
  Task<Result<std::unique_ptr<ObjectReader>>> open_reader(BucketRef bucket, std::string key, VersionRow row,
                                                          std::uint64_t offset, std::uint64_t length);
  /// Drops the references whose rows are gone, but whose dropping a crash (of this or another node) cut off;
  /// gives how many. Harmless at any time. Errors: of the sets; what was dropped before stays dropped.
  Task<Result<std::size_t>> sweep_references();
  /// Drops cached buckets, here and on every other loop of the process.
  void invalidate_buckets();

 private:
  friend struct StoreParts;  ///< The pieces of the implementation, one file a group of operations.
  cluster::ClusterApi& cluster_;
  BucketEpoch& epoch_;
  Random& random_;
  StoreOptions options_;
  std::unique_ptr<BucketCache> buckets_;
  std::unique_ptr<VersionCache> versions_;
  async::Gate gate_;
  ReadBudget reads_;
};

}  // namespace flashstor::objects
