#include "s3d/auth/auth_error.h"

namespace flashstor::s3d {

ErrorCode code_of(AuthFailure failure) {
  switch (failure) {
    case AuthFailure::kBadSignature:
    case AuthFailure::kBadChunkSignature:
      return ErrorCode::kSignatureMismatch;
    case AuthFailure::kPayloadHashMismatch:
      return ErrorCode::kBadDigest;
    case AuthFailure::kUnknownKey:
      return ErrorCode::kInvalidAccessKey;
    case AuthFailure::kBadToken:
      return ErrorCode::kInvalidToken;
    case AuthFailure::kExpired:
      return ErrorCode::kExpiredToken;
    case AuthFailure::kNotYetValid:
    case AuthFailure::kMissingDate:
    case AuthFailure::kUnsignedHeader:
      return ErrorCode::kAccessDenied;
    case AuthFailure::kSkewed:
      return ErrorCode::kRequestTimeSkewed;
    case AuthFailure::kMalformed:
    case AuthFailure::kWrongScope:
      return ErrorCode::kMalformed;
    case AuthFailure::kMissingPayloadHash:
    case AuthFailure::kUnsupportedVersion:
    case AuthFailure::kAmbiguous:
      return ErrorCode::kInvalidArgument;
    case AuthFailure::kSourceFailed:
      return ErrorCode::kInternal;
  }
  return ErrorCode::kInternal;
}

S3AuthAnswer s3_answer_of(AuthFailure failure, bool presigned) {
  switch (failure) {
    case AuthFailure::kBadSignature:
    case AuthFailure::kBadChunkSignature:
      return {"SignatureDoesNotMatch", 403};
    case AuthFailure::kPayloadHashMismatch:
      return {"XAmzContentSHA256Mismatch", 400};
    case AuthFailure::kUnknownKey:
      return {"InvalidAccessKeyId", 403};
    case AuthFailure::kBadToken:
      return {"InvalidToken", 400};
    case AuthFailure::kExpired:
      if (!presigned) return {"ExpiredToken", 400};
      return {"AccessDenied", 403};
    case AuthFailure::kNotYetValid:
    case AuthFailure::kMissingDate:
    case AuthFailure::kUnsignedHeader:
      return {"AccessDenied", 403};
    case AuthFailure::kSkewed:
      return {"RequestTimeTooSkewed", 403};
    case AuthFailure::kMalformed:
    case AuthFailure::kWrongScope:
      if (!presigned) return {"AuthorizationHeaderMalformed", 400};
      return {"AuthorizationQueryParametersError", 400};
    case AuthFailure::kMissingPayloadHash:
      return {"InvalidRequest", 400};
    case AuthFailure::kUnsupportedVersion:
      if (!presigned) return {"InvalidRequest", 400};
      return {"AuthorizationQueryParametersError", 400};
    case AuthFailure::kAmbiguous:
      return {"InvalidArgument", 400};
    case AuthFailure::kSourceFailed:
      return {"InternalError", 500};
  }
  return {"InternalError", 500};
}

std::string_view name_of(AuthFailure failure) {
  switch (failure) {
    case AuthFailure::kBadSignature:
      return "bad_signature";
    case AuthFailure::kBadChunkSignature:
      return "bad_chunk_signature";
    case AuthFailure::kPayloadHashMismatch:
      return "payload_hash_mismatch";
    case AuthFailure::kUnknownKey:
      return "unknown_key";
    case AuthFailure::kBadToken:
      return "bad_token";
    case AuthFailure::kExpired:
      return "expired";
    case AuthFailure::kNotYetValid:
      return "not_yet_valid";
    case AuthFailure::kSkewed:
      return "skewed";
    case AuthFailure::kMissingDate:
      return "missing_date";
    case AuthFailure::kMalformed:
      return "malformed";
    case AuthFailure::kUnsignedHeader:
      return "unsigned_header";
    case AuthFailure::kMissingPayloadHash:
      return "missing_payload_hash";
    case AuthFailure::kWrongScope:
      return "wrong_scope";
    case AuthFailure::kUnsupportedVersion:
      return "unsupported_version";
    case AuthFailure::kAmbiguous:
      return "ambiguous";
    case AuthFailure::kSourceFailed:
      return "source_failed";
  }
  return "unknown";
}

}  // namespace flashstor::s3d
