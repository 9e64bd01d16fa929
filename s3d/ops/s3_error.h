#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/base/error.h"

namespace flashstor::s3d {

/// S3's own error codes, as far as this server answers them; where the engine's ErrorCode says less.
/// Source: AWS S3 API Reference, "Error responses".
enum class S3Code : std::uint8_t {
  kAccessControlListNotSupported,
  kAccessDenied,
  kAccessForbidden,
  kAuthorizationHeaderMalformed,
  kAuthorizationQueryParametersError,
  kBadDigest,
  kBadRequest,
  kBucketAlreadyExists,
  kBucketAlreadyOwnedByYou,
  kBucketNotEmpty,
  kConditionalRequestConflict,
  kEntityTooLarge,
  kEntityTooSmall,
  kExpiredToken,
  kIllegalLocationConstraintException,
  kIllegalVersioningConfigurationException,
  kIncompleteBody,
  kInternalError,
  kInvalidAccessKeyId,
  kInvalidArgument,
  kInvalidBucketAclWithObjectOwnership,
  kInvalidBucketName,
  kInvalidBucketState,
  kInvalidDigest,
  kInvalidLocationConstraint,
  kInvalidObjectState,
  kInvalidPart,
  kInvalidPartOrder,
  kInvalidRange,
  kInvalidRequest,
  kInvalidRetentionPeriod,
  kInvalidStorageClass,
  kInvalidTag,
  kInvalidToken,
  kInvalidURI,
  kKeyTooLongError,
  kMalformedACLError,
  kMalformedPolicy,
  kMalformedTrailerError,
  kMalformedXML,
  kMetadataTooLarge,
  kMethodNotAllowed,
  kMissingContentLength,
  kMissingSecurityHeader,
  kMissingRequestBodyError,
  kNoSuchBucket,
  kNoSuchBucketPolicy,
  kNoSuchConfiguration,
  kNoSuchCORSConfiguration,
  kNoSuchKey,
  kNoSuchObjectLockConfiguration,
  kNoSuchPublicAccessBlockConfiguration,
  kNoSuchTagSet,
  kNoSuchUpload,
  kNoSuchVersion,
  kNotImplemented,
  kNotModified,
  kObjectLockConfigurationNotFoundError,
  kObjectLocked,
  kOwnershipControlsNotFoundError,
  kPreconditionFailed,
  kQuotaExceeded,
  kReadOnly,
  kRequestTimeTooSkewed,
  kRequestTimeout,
  kServiceUnavailable,
  kSignatureDoesNotMatch,
  kSlowDown,
  kStorageFull,
  kTooManyBuckets,
  kUnresolvableGrantByEmailAddress,
  kXAmzContentChecksumMismatch,
  kXAmzContentSHA256Mismatch,
};

/// How a code looks on the wire.
struct S3ErrorShape {
  std::string_view code;     ///< "NoSuchKey"
  int status = 500;          ///< HTTP.
  std::string_view message;  ///< AWS's words, used when nothing better is known.
};
[[nodiscard]] S3ErrorShape shape_of(S3Code code);
inline constexpr std::size_t kS3Codes = static_cast<std::size_t>(S3Code::kXAmzContentSHA256Mismatch) + 1;

/// The S3 code of an engine error; exhaustive, so a new ErrorCode does not compile without its answer.
[[nodiscard]] S3Code s3_code_of(ErrorCode code);

/// One answer of an error.
struct S3Error {
  S3Code code = S3Code::kInternalError;
  std::string message = {};  ///< Empty: the code's own words.
  /// Further elements, as AWS adds them: {"Key", "a.txt"}, {"ActualObjectSize", "3"}.
  std::vector<std::pair<std::string, std::string>> fields = {};
};

/// An engine error as S3 says it. Words of the engine reach the client only where they explain the client's
/// own mistake; causes inside the server are logged, not told.
[[nodiscard]] S3Error to_s3_error(const Error& error);

/// Where and in which request an error happened.
struct ErrorPlace {
  std::string_view resource;  ///< The path of the request, as sent.
  std::string_view bucket;
  std::string_view key;
  std::string_view request_id;
  std::string_view host_id;
};
[[nodiscard]] BufferChain error_document(const S3Error& error, const ErrorPlace& place);

}  // namespace flashstor::s3d
