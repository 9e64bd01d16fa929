#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace flashstor::base {

/// What went wrong, in the engine's own terms. The engine knows no HTTP status and no errno: `s3d` and
/// `fusefs` map these at their edge, each in one exhaustive switch.
enum class ErrorCode : std::uint16_t {
  // Life of an operation.
  kInternal,         ///< A defect; never the caller's fault.
  kCancelled,        ///< The caller went away, or the process is stopping.
  kTimeout,          ///< A deadline passed before anything was changed.
  kUnknownOutcome,   ///< It may or may not have happened; the request may be repeated with its request id.
  kInvalidArgument,  ///< The request makes no sense as it stands.
  kMalformed,        ///< Bytes from outside that do not parse.
  kNotImplemented,   ///< A known thing that this version does not do.
  kTooManyRequests,  ///< A queue is full; try again later.
  kWouldBlock,       ///< Not in cache (row reads), or a non-blocking lock is held.
  // Drives and sets.
  kIo,            ///< The operating system refused a file or socket operation.
  kNoSpace,       ///< No room on a drive, or on too many of a set.
  kReadOnly,      ///< The set cannot reach its write quorum, or the drive or mount is read-only.
  kCorrupt,       ///< A checksum does not match what was stored.
  kDriveFailed,   ///< The drive was taken out after a failed operation.
  kDriveForeign,  ///< The drive belongs elsewhere (deployment, set, slot) or its format is unknown.
  kWriteQuorum,   ///< Fewer drives than W.
  kReadQuorum,    ///< Fewer shards or drives than a read needs.
  kNotLeader,     ///< Ask the set's leader.
  kStale,         ///< Slot table, bucket epoch or lease is older than the set's.
  kNotFound,      ///< A row, file or record that is not there (inside the engine).
  // Identity.
  kAccessDenied,
  kInvalidAccessKey,
  kSignatureMismatch,
  kExpiredToken,
  kInvalidToken,
  kRequestTimeSkewed,
  // Buckets and objects.
  kNoSuchBucket,
  kNoSuchKey,
  kNoSuchVersion,
  kNoSuchUpload,
  kNoSuchConfiguration,  ///< No policy, tagging, lifecycle … set on the bucket; the message names which.
  kBucketExists,         ///< It exists and somebody else owns it.
  kBucketOwnedByCaller,  ///< It exists and the caller owns it.
  kBucketNotEmpty,
  kInvalidBucketName,
  kInvalidBucketState,
  kIsDeleteMarker,  ///< The version asked for is a delete marker (the version id is in the message).
  kPreconditionFailed,
  kNotModified,
  kConflict,  ///< A concurrent conditional operation won.
  kInvalidRange,
  kInvalidPart,
  kInvalidPartOrder,
  kPartTooSmall,
  kEntityTooLarge,
  kIncompleteBody,
  kBadDigest,      ///< Content-MD5 or another checksum of the body does not match.
  kInvalidDigest,  ///< The checksum header itself is malformed.
  kKeyTooLong,
  kMetadataTooLarge,
  kInvalidTag,
  kObjectLocked,  ///< Retention or legal hold forbids it.
  // Files.
  kExists,
  kNotDirectory,
  kIsDirectory,
  kDirectoryNotEmpty,
  kNameTooLong,
  kTooManyLinks,
  kTooManySymlinks,
  kNotPermitted,  ///< EPERM as POSIX means it.
  kNotSupported,
  kNoAttribute,
  kAttributeTooLarge,
  kFileTooLarge,
  kCrossDevice,
  kStaleHandle,
  kBusy,
  kDeadlock,
  kQuotaExceeded,
};

/// The code's name without its `k`, for logs, metrics and tests.
[[nodiscard]] std::string_view name_of(ErrorCode code);

/// An operating error: a code, words for a person, and the cause it came from. Cheap to move and to return.
class Error {
 public:
  Error(ErrorCode code)
      : code_(code) {}  // NOLINT(google-explicit-constructor): `return Error(kX)` and `kX` both read well
  Error(ErrorCode code, std::string message);
  Error(ErrorCode code, std::string message, Error cause);

  [[nodiscard]] ErrorCode code() const { return code_; }
  /// The words given, or the code's name.
  [[nodiscard]] std::string_view message() const;
  /// The error it came from, or nullptr. Lives as long as this error.
  [[nodiscard]] const Error* cause() const;
  /// Code, message and all causes on one line.
  [[nodiscard]] std::string describe() const;
  /// The same failure seen from one level up: `code` and `message` in front, this error as the cause.
  [[nodiscard]] Error wrap(ErrorCode code, std::string message) const;

 private:
  struct Detail;
  ErrorCode code_;
  std::shared_ptr<const Detail> detail_;
};

/// `ErrorCode::kIo` with the operation, the path and the text of `errno_value`; ENOSPC and EROFS get their
/// own codes.
[[nodiscard]] Error errno_error(int errno_value, std::string_view operation, std::string_view path);

}  // namespace flashstor::base

namespace flashstor {
using base::Error;
using base::ErrorCode;
template <class T>
using Result = std::expected<T, Error>;
/// `return fail(ErrorCode::kNoSuchKey, "…")` from any function that returns a Result.
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Args&&... args) {
  return std::unexpected<Error>(Error(std::forward<Args>(args)...));
}
}  // namespace flashstor
