#include "engine/base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace flashstor::base {

struct Error::Detail {
  std::string message;
  std::unique_ptr<const Error> cause;
};

Error::Error(ErrorCode code, std::string message)
    : code_(code), detail_(std::make_shared<const Detail>(Detail{std::move(message), nullptr})) {}

Error::Error(ErrorCode code, std::string message, Error cause)
    : code_(code),
      detail_(std::make_shared<const Detail>(
          Detail{std::move(message), std::make_unique<const Error>(std::move(cause))})) {}

std::string_view Error::message() const {
  return detail_ ? std::string_view(detail_->message) : name_of(code_);
}

const Error* Error::cause() const { return detail_ ? detail_->cause.get() : nullptr; }

std::string Error::describe() const {
  std::string text(name_of(code_));
  if (detail_ && !detail_->message.empty()) text.append(": ").append(detail_->message);
  if (const Error* below = cause()) text.append(" <- ").append(below->describe());
  return text;
}

Error Error::wrap(ErrorCode code, std::string message) const { return {code, std::move(message), *this}; }

Error errno_error(int errno_value, std::string_view operation, std::string_view path) {
  ErrorCode code = ErrorCode::kIo;
  if (errno_value == ENOSPC || errno_value == EDQUOT) code = ErrorCode::kNoSpace;
  if (errno_value == EROFS) code = ErrorCode::kReadOnly;
  if (errno_value == ENOENT) code = ErrorCode::kNotFound;
  std::string message(operation);
  message.append(" ").append(path).append(": ").append(std::generic_category().message(errno_value));
  return {code, std::move(message)};
}

std::string_view name_of(ErrorCode code) {
  switch (code) {
#define FLASHSTOR_NAME(name) \
  case ErrorCode::k##name:   \
    return #name;
    FLASHSTOR_NAME(Internal)
    FLASHSTOR_NAME(Cancelled)
    FLASHSTOR_NAME(Timeout)
    FLASHSTOR_NAME(UnknownOutcome)
    FLASHSTOR_NAME(InvalidArgument)
    FLASHSTOR_NAME(Malformed)
    FLASHSTOR_NAME(NotImplemented)
    FLASHSTOR_NAME(TooManyRequests)
    FLASHSTOR_NAME(WouldBlock)
    FLASHSTOR_NAME(Io)
    FLASHSTOR_NAME(NoSpace)
    FLASHSTOR_NAME(ReadOnly)
    FLASHSTOR_NAME(Corrupt)
    FLASHSTOR_NAME(DriveFailed)
    FLASHSTOR_NAME(DriveForeign)
    FLASHSTOR_NAME(WriteQuorum)
    FLASHSTOR_NAME(ReadQuorum)
    FLASHSTOR_NAME(NotLeader)
    FLASHSTOR_NAME(Stale)
    FLASHSTOR_NAME(NotFound)
    FLASHSTOR_NAME(AccessDenied)
    FLASHSTOR_NAME(InvalidAccessKey)
    FLASHSTOR_NAME(SignatureMismatch)
    FLASHSTOR_NAME(ExpiredToken)
    FLASHSTOR_NAME(InvalidToken)
    FLASHSTOR_NAME(RequestTimeSkewed)
    FLASHSTOR_NAME(NoSuchBucket)
    FLASHSTOR_NAME(NoSuchKey)
    FLASHSTOR_NAME(NoSuchVersion)
    FLASHSTOR_NAME(NoSuchUpload)
    FLASHSTOR_NAME(NoSuchConfiguration)
    FLASHSTOR_NAME(BucketExists)
    FLASHSTOR_NAME(BucketOwnedByCaller)
    FLASHSTOR_NAME(BucketNotEmpty)
    FLASHSTOR_NAME(InvalidBucketName)
    FLASHSTOR_NAME(InvalidBucketState)
    FLASHSTOR_NAME(IsDeleteMarker)
    FLASHSTOR_NAME(PreconditionFailed)
    FLASHSTOR_NAME(NotModified)
    FLASHSTOR_NAME(Conflict)
    FLASHSTOR_NAME(InvalidRange)
    FLASHSTOR_NAME(InvalidPart)
    FLASHSTOR_NAME(InvalidPartOrder)
    FLASHSTOR_NAME(PartTooSmall)
    FLASHSTOR_NAME(EntityTooLarge)
    FLASHSTOR_NAME(IncompleteBody)
    FLASHSTOR_NAME(BadDigest)
    FLASHSTOR_NAME(InvalidDigest)
    FLASHSTOR_NAME(KeyTooLong)
    FLASHSTOR_NAME(MetadataTooLarge)
    FLASHSTOR_NAME(InvalidTag)
    FLASHSTOR_NAME(ObjectLocked)
    FLASHSTOR_NAME(Exists)
    FLASHSTOR_NAME(NotDirectory)
    FLASHSTOR_NAME(IsDirectory)
    FLASHSTOR_NAME(DirectoryNotEmpty)
    FLASHSTOR_NAME(NameTooLong)
    FLASHSTOR_NAME(TooManyLinks)
    FLASHSTOR_NAME(TooManySymlinks)
    FLASHSTOR_NAME(NotPermitted)
    FLASHSTOR_NAME(NotSupported)
    FLASHSTOR_NAME(NoAttribute)
    FLASHSTOR_NAME(AttributeTooLarge)
    FLASHSTOR_NAME(FileTooLarge)
    FLASHSTOR_NAME(CrossDevice)
    FLASHSTOR_NAME(StaleHandle)
    FLASHSTOR_NAME(Busy)
    FLASHSTOR_NAME(Deadlock)
    FLASHSTOR_NAME(QuotaExceeded)
#undef FLASHSTOR_NAME
  }
  return "Unknown";
}

}  // namespace flashstor::base
