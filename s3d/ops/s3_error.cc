#include "s3d/ops/s3_error.h"

#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {

namespace {

struct Row {
  S3Code id;
  S3ErrorShape shape;
};

constexpr Row kRows[] = {
    {S3Code::kAccessControlListNotSupported,
     {"AccessControlListNotSupported", 400, "The bucket does not allow ACLs"}},
    {S3Code::kAccessDenied, {"AccessDenied", 403, "Access Denied"}},
    {S3Code::kAccessForbidden, {"AccessForbidden", 403, "Access Forbidden"}},
    {S3Code::kAuthorizationHeaderMalformed,
     {"AuthorizationHeaderMalformed", 400, "The authorization header you provided is invalid."}},
    {S3Code::kAuthorizationQueryParametersError,
     {"AuthorizationQueryParametersError", 400,
      "The authorization query parameters you provided are invalid."}},
    {S3Code::kBadDigest, {"BadDigest", 400, "The Content-MD5 you specified did not match what we received."}},
    {S3Code::kBadRequest, {"BadRequest", 400, "Bad Request"}},
    {S3Code::kBucketAlreadyExists,
     {"BucketAlreadyExists", 409,
      "The requested bucket name is not available. The bucket namespace is shared by all users of "
      "the system. Please select a different name and try again."}},
    {S3Code::kBucketAlreadyOwnedByYou,
     {"BucketAlreadyOwnedByYou", 409,
      "Your previous request to create the named bucket succeeded and you already own it."}},
    {S3Code::kBucketNotEmpty, {"BucketNotEmpty", 409, "The bucket you tried to delete is not empty."}},
    {S3Code::kConditionalRequestConflict,
     {"ConditionalRequestConflict", 409,
      "The conditional request cannot succeed due to a conflicting operation against this "
      "resource."}},
    {S3Code::kEntityTooLarge,
     {"EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size."}},
    {S3Code::kEntityTooSmall,
     {"EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed object size."}},
    {S3Code::kExpiredToken, {"ExpiredToken", 400, "The provided token has expired."}},
    {S3Code::kIllegalLocationConstraintException,
     {"IllegalLocationConstraintException", 400,
      "The location constraint is incompatible for the region specific endpoint this request was "
      "sent to."}},
    {S3Code::kIllegalVersioningConfigurationException,
     {"IllegalVersioningConfigurationException", 400, "The Versioning element must be specified."}},
    {S3Code::kIncompleteBody,
     {"IncompleteBody", 400,
      "You did not provide the number of bytes specified by the Content-Length HTTP header."}},
    {S3Code::kInternalError, {"InternalError", 500, "We encountered an internal error. Please try again."}},
    {S3Code::kInvalidAccessKeyId,
     {"InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."}},
    {S3Code::kInvalidArgument, {"InvalidArgument", 400, "Invalid Argument"}},
    {S3Code::kInvalidBucketAclWithObjectOwnership,
     {"InvalidBucketAclWithObjectOwnership", 400,
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"}},
    {S3Code::kInvalidBucketName, {"InvalidBucketName", 400, "The specified bucket is not valid."}},
    {S3Code::kInvalidBucketState,
     {"InvalidBucketState", 409, "The request is not valid with the current state of the bucket."}},
    {S3Code::kInvalidDigest, {"InvalidDigest", 400, "The Content-MD5 you specified was invalid."}},
    {S3Code::kInvalidLocationConstraint,
     {"InvalidLocationConstraint", 400, "The specified location-constraint is not valid"}},
    {S3Code::kInvalidObjectState,
     {"InvalidObjectState", 403, "The operation is not valid for the current state of the object."}},
    {S3Code::kInvalidPart,
     {"InvalidPart", 400,
      "One or more of the specified parts could not be found.  The part may not have been "
      "uploaded, or the specified entity tag may not match the part's entity tag."}},
    {S3Code::kInvalidPartOrder,
     {"InvalidPartOrder", 400,
      "The list of parts was not in ascending order. Parts must be ordered by part number."}},
    {S3Code::kInvalidRange, {"InvalidRange", 416, "The requested range is not satisfiable"}},
    {S3Code::kInvalidRequest, {"InvalidRequest", 400, "Invalid Request"}},
    {S3Code::kInvalidRetentionPeriod, {"InvalidRetentionPeriod", 400, "The retention period is not valid."}},
    {S3Code::kInvalidStorageClass,
     {"InvalidStorageClass", 400, "The storage class you specified is not valid"}},
    {S3Code::kInvalidTag, {"InvalidTag", 400, "The tag provided was not a valid tag."}},
    {S3Code::kInvalidToken, {"InvalidToken", 400, "The provided token is malformed or otherwise invalid."}},
    {S3Code::kInvalidURI, {"InvalidURI", 400, "Couldn't parse the specified URI."}},
    {S3Code::kKeyTooLongError, {"KeyTooLongError", 400, "Your key is too long"}},
    {S3Code::kMalformedACLError,
     {"MalformedACLError", 400,
      "The XML you provided was not well-formed or did not validate against our published schema"}},
    {S3Code::kMalformedPolicy, {"MalformedPolicy", 400, "Policy has invalid resource"}},
    {S3Code::kMalformedTrailerError,
     {"MalformedTrailerError", 400,
      "The request contained trailing data that was not well-formed or did not conform to our published "
      "schema."}},
    {S3Code::kMalformedXML,
     {"MalformedXML", 400,
      "The XML you provided was not well-formed or did not validate against our published schema"}},
    {S3Code::kMetadataTooLarge,
     {"MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size"}},
    {S3Code::kMethodNotAllowed,
     {"MethodNotAllowed", 405, "The specified method is not allowed against this resource."}},
    {S3Code::kMissingContentLength,
     {"MissingContentLength", 411, "You must provide the Content-Length HTTP header."}},
    {S3Code::kMissingSecurityHeader,
     {"MissingSecurityHeader", 400, "Your request was missing a required header"}},
    {S3Code::kMissingRequestBodyError, {"MissingRequestBodyError", 400, "Request Body is empty"}},
    {S3Code::kNoSuchBucket, {"NoSuchBucket", 404, "The specified bucket does not exist"}},
    {S3Code::kNoSuchBucketPolicy, {"NoSuchBucketPolicy", 404, "The bucket policy does not exist"}},
    {S3Code::kNoSuchConfiguration,
     {"NoSuchConfiguration", 404, "The specified configuration does not exist."}},
    {S3Code::kNoSuchCORSConfiguration,
     {"NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"}},
    {S3Code::kNoSuchKey, {"NoSuchKey", 404, "The specified key does not exist."}},
    {S3Code::kNoSuchObjectLockConfiguration,
     {"NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration"}},
    {S3Code::kNoSuchPublicAccessBlockConfiguration,
     {"NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found"}},
    {S3Code::kNoSuchTagSet, {"NoSuchTagSet", 404, "The TagSet does not exist"}},
    {S3Code::kNoSuchUpload,
     {"NoSuchUpload", 404,
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
      "been aborted or completed."}},
    {S3Code::kNoSuchVersion, {"NoSuchVersion", 404, "The specified version does not exist."}},
    {S3Code::kNotImplemented,
     {"NotImplemented", 501,
      "A header or query you provided implies functionality that is not implemented."}},
    {S3Code::kNotModified, {"NotModified", 304, "Not Modified"}},
    {S3Code::kObjectLockConfigurationNotFoundError,
     {"ObjectLockConfigurationNotFoundError", 404,
      "Object Lock configuration does not exist for this bucket"}},
    {S3Code::kObjectLocked, {"AccessDenied", 403, "Access Denied because object protected by object lock."}},
    {S3Code::kOwnershipControlsNotFoundError,
     {"OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found"}},
    {S3Code::kPreconditionFailed,
     {"PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"}},
    {S3Code::kQuotaExceeded, {"QuotaExceeded", 403, "The quota of the bucket is exceeded."}},
    {S3Code::kReadOnly,
     {"ServiceUnavailable", 503,
      "The service is read-only for the moment: too few drives are reachable. Please try again."}},
    {S3Code::kRequestTimeTooSkewed,
     {"RequestTimeTooSkewed", 403,
      "The difference between the request time and the current time is too large."}},
    {S3Code::kRequestTimeout,
     {"RequestTimeout", 400,
      "Your socket connection to the server was not read from or written to within the timeout "
      "period."}},
    {S3Code::kServiceUnavailable, {"ServiceUnavailable", 503, "Service is unable to handle request."}},
    {S3Code::kSignatureDoesNotMatch,
     {"SignatureDoesNotMatch", 403,
      "The request signature we calculated does not match the signature you provided. Check your "
      "key and signing method."}},
    {S3Code::kSlowDown, {"SlowDown", 503, "Please reduce your request rate."}},
    {S3Code::kStorageFull,
     {"StorageFull", 507, "Storage backend has reached its minimum free drive threshold."}},
    {S3Code::kTooManyBuckets,
     {"TooManyBuckets", 400, "You have attempted to create more buckets than allowed"}},
    {S3Code::kUnresolvableGrantByEmailAddress,
     {"UnresolvableGrantByEmailAddress", 400,
      "The e-mail address you provided does not match any account on record."}},
    {S3Code::kXAmzContentChecksumMismatch,
     {"BadDigest", 400, "The checksum you specified did not match the calculated checksum."}},
    {S3Code::kXAmzContentSHA256Mismatch,
     {"XAmzContentSHA256Mismatch", 400,
      "The provided 'x-amz-content-sha256' header does not match what was computed."}},
};

consteval bool every_code_has_its_row() {
  std::size_t at = 0;
  for (const Row& row : kRows)
    if (static_cast<std::size_t>(row.id) != at++) return false;
  return at == kS3Codes;
}
static_assert(every_code_has_its_row());

}  // namespace

S3ErrorShape shape_of(S3Code code) { return kRows[static_cast<std::size_t>(code)].shape; }

S3Code s3_code_of(ErrorCode code) {
  using enum ErrorCode;
  // clang-format off
  switch (code) {
    case kInternal: case kIo: case kCorrupt: case kDriveFailed: case kDriveForeign: case kNotFound:
    case kNoAttribute: case kStaleHandle: return S3Code::kInternalError;
    case kTimeout: case kUnknownOutcome: case kCancelled: case kWriteQuorum: case kReadQuorum:
    case kNotLeader: case kStale: case kDeadlock: return S3Code::kServiceUnavailable;
    case kTooManyRequests: case kWouldBlock: case kBusy: return S3Code::kSlowDown;
    case kReadOnly: return S3Code::kReadOnly;
    case kNoSpace: return S3Code::kStorageFull;
    case kInvalidArgument: case kNameTooLong: case kAttributeTooLarge: return S3Code::kInvalidArgument;
    case kMalformed: return S3Code::kInvalidRequest;
    case kNotImplemented: case kNotSupported: return S3Code::kNotImplemented;
    case kAccessDenied: case kNotPermitted: return S3Code::kAccessDenied;
    case kInvalidAccessKey: return S3Code::kInvalidAccessKeyId;
    case kSignatureMismatch: return S3Code::kSignatureDoesNotMatch;
    case kExpiredToken: return S3Code::kExpiredToken;
    case kInvalidToken: return S3Code::kInvalidToken;
    case kRequestTimeSkewed: return S3Code::kRequestTimeTooSkewed;
    case kNoSuchBucket: return S3Code::kNoSuchBucket;
    case kNoSuchKey: return S3Code::kNoSuchKey;
    case kNoSuchVersion: return S3Code::kNoSuchVersion;
    case kNoSuchUpload: return S3Code::kNoSuchUpload;
    case kNoSuchConfiguration: return S3Code::kNoSuchConfiguration;
    case kBucketExists: return S3Code::kBucketAlreadyExists;
    case kBucketOwnedByCaller: return S3Code::kBucketAlreadyOwnedByYou;
    case kBucketNotEmpty: return S3Code::kBucketNotEmpty;
    case kInvalidBucketName: return S3Code::kInvalidBucketName;
    case kInvalidBucketState: return S3Code::kInvalidBucketState;
    case kIsDeleteMarker: return S3Code::kMethodNotAllowed;
    case kPreconditionFailed: return S3Code::kPreconditionFailed;
    case kNotModified: return S3Code::kNotModified;
    case kConflict: return S3Code::kConditionalRequestConflict;
    case kInvalidRange: return S3Code::kInvalidRange;
    case kInvalidPart: return S3Code::kInvalidPart;
    case kInvalidPartOrder: return S3Code::kInvalidPartOrder;
    case kPartTooSmall: return S3Code::kEntityTooSmall;
    case kEntityTooLarge: case kFileTooLarge: return S3Code::kEntityTooLarge;
    case kIncompleteBody: return S3Code::kIncompleteBody;
    case kBadDigest: return S3Code::kBadDigest;
    case kInvalidDigest: return S3Code::kInvalidDigest;
    case kKeyTooLong: return S3Code::kKeyTooLongError;
    case kMetadataTooLarge: return S3Code::kMetadataTooLarge;
    case kInvalidTag: return S3Code::kInvalidTag;
    case kObjectLocked: return S3Code::kObjectLocked;
    case kQuotaExceeded: return S3Code::kQuotaExceeded;
    case kExists: case kNotDirectory: case kIsDirectory: case kDirectoryNotEmpty:
    case kTooManyLinks: case kTooManySymlinks: case kCrossDevice: return S3Code::kInvalidObjectState;
  }
  // clang-format on
  return S3Code::kInternalError;
}

S3Error to_s3_error(const Error& error) {
  S3Error out{.code = s3_code_of(error.code())};
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed:
    case ErrorCode::kNotImplemented:
    case ErrorCode::kInvalidTag:
    case ErrorCode::kAccessDenied:
      if (error.message() != name_of(error.code())) out.message = error.message();
      break;
    default:
      break;
  }
  return out;
}

BufferChain error_document(const S3Error& error, const ErrorPlace& place) {
  const S3ErrorShape shape = shape_of(error.code);
  XmlWriter xml;
  xml.open("Error").element("Code", shape.code);
  xml.element("Message", error.message.empty() ? shape.message : std::string_view(error.message));
  for (const auto& [name, value] : error.fields) xml.element(name, value);
  if (!place.bucket.empty()) xml.element("BucketName", place.bucket);
  if (!place.key.empty()) xml.element("Key", place.key);
  xml.element("Resource", place.resource);
  xml.element("RequestId", place.request_id).element("HostId", place.host_id);
  xml.close("Error");
  return xml.take();
}

}  // namespace flashstor::s3d
