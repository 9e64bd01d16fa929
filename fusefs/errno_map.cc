#include "fusefs/errno_map.h"

#include <cerrno>

namespace flashstor::fusefs {

int errno_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
    case ErrorCode::kTimeout:
    case ErrorCode::kUnknownOutcome:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kDriveFailed:
    case ErrorCode::kDriveForeign:
    case ErrorCode::kReadQuorum:
    case ErrorCode::kNotLeader:
    case ErrorCode::kStale:
    case ErrorCode::kNoSuchUpload:
    case ErrorCode::kNoSuchConfiguration:
    case ErrorCode::kInvalidBucketState:
    case ErrorCode::kNotModified:
    case ErrorCode::kInvalidPart:
    case ErrorCode::kInvalidPartOrder:
    case ErrorCode::kPartTooSmall:
    case ErrorCode::kIncompleteBody:
    case ErrorCode::kBadDigest:
    case ErrorCode::kInvalidDigest:
    case ErrorCode::kInvalidTag:
      return EIO;
    case ErrorCode::kCancelled:
      return EINTR;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed:
    case ErrorCode::kInvalidBucketName:
    case ErrorCode::kInvalidRange:
      return EINVAL;
    case ErrorCode::kNotImplemented:
      return ENOSYS;
    case ErrorCode::kTooManyRequests:
    case ErrorCode::kWouldBlock:
      return EAGAIN;
    case ErrorCode::kNoSpace:
    case ErrorCode::kMetadataTooLarge:
      return ENOSPC;
    case ErrorCode::kReadOnly:
    case ErrorCode::kWriteQuorum:
      return EROFS;
    case ErrorCode::kNotFound:
    case ErrorCode::kNoSuchBucket:
    case ErrorCode::kNoSuchKey:
    case ErrorCode::kNoSuchVersion:
    case ErrorCode::kIsDeleteMarker:
      return ENOENT;
    case ErrorCode::kAccessDenied:
    case ErrorCode::kInvalidAccessKey:
    case ErrorCode::kSignatureMismatch:
    case ErrorCode::kExpiredToken:
    case ErrorCode::kInvalidToken:
    case ErrorCode::kRequestTimeSkewed:
      return EACCES;
    case ErrorCode::kBucketExists:
    case ErrorCode::kBucketOwnedByCaller:
    case ErrorCode::kPreconditionFailed:
    case ErrorCode::kExists:
      return EEXIST;
    case ErrorCode::kBucketNotEmpty:
    case ErrorCode::kDirectoryNotEmpty:
      return ENOTEMPTY;
    case ErrorCode::kConflict:
    case ErrorCode::kBusy:
      return EBUSY;
    case ErrorCode::kEntityTooLarge:
    case ErrorCode::kFileTooLarge:
      return EFBIG;
    case ErrorCode::kKeyTooLong:
    case ErrorCode::kNameTooLong:
      return ENAMETOOLONG;
    case ErrorCode::kObjectLocked:
    case ErrorCode::kNotPermitted:
      return EPERM;
    case ErrorCode::kNotDirectory:
      return ENOTDIR;
    case ErrorCode::kIsDirectory:
      return EISDIR;
    case ErrorCode::kTooManyLinks:
      return EMLINK;
    case ErrorCode::kTooManySymlinks:
      return ELOOP;
    case ErrorCode::kNotSupported:
      return EOPNOTSUPP;
    case ErrorCode::kNoAttribute:
      return ENODATA;
    case ErrorCode::kAttributeTooLarge:
      return E2BIG;
    case ErrorCode::kCrossDevice:
      return EXDEV;
    case ErrorCode::kStaleHandle:
      return ESTALE;
    case ErrorCode::kDeadlock:
      return EDEADLK;
    case ErrorCode::kQuotaExceeded:
      return EDQUOT;
  }
  return EIO;
}

}  // namespace flashstor::fusefs
