#include "cli/s3_error.h"

#include <fmt/format.h>

#include <string_view>

#include "cli/s3_xml.h"

namespace flashstor::cli {
namespace {

struct Named {
  std::string_view name;
  ErrorCode code;
};

constexpr Named kNamed[] = {
    {"NoSuchBucket", ErrorCode::kNoSuchBucket},
    {"NoSuchKey", ErrorCode::kNoSuchKey},
    {"NoSuchVersion", ErrorCode::kNoSuchVersion},
    {"NoSuchUpload", ErrorCode::kNoSuchUpload},
    {"NoSuchTagSet", ErrorCode::kNoSuchConfiguration},
    {"NoSuchBucketPolicy", ErrorCode::kNoSuchConfiguration},
    {"BucketAlreadyExists", ErrorCode::kBucketExists},
    {"BucketAlreadyOwnedByYou", ErrorCode::kBucketOwnedByCaller},
    {"BucketNotEmpty", ErrorCode::kBucketNotEmpty},
    {"InvalidBucketName", ErrorCode::kInvalidBucketName},
    {"AccessDenied", ErrorCode::kAccessDenied},
    {"InvalidAccessKeyId", ErrorCode::kInvalidAccessKey},
    {"SignatureDoesNotMatch", ErrorCode::kSignatureMismatch},
    {"RequestTimeTooSkewed", ErrorCode::kRequestTimeSkewed},
    {"ExpiredToken", ErrorCode::kExpiredToken},
    {"PreconditionFailed", ErrorCode::kPreconditionFailed},
    {"InvalidRange", ErrorCode::kInvalidRange},
    {"InvalidPart", ErrorCode::kInvalidPart},
    {"EntityTooLarge", ErrorCode::kEntityTooLarge},
    {"KeyTooLongError", ErrorCode::kKeyTooLong},
    {"InvalidTag", ErrorCode::kInvalidTag},
    {"NotImplemented", ErrorCode::kNotImplemented},
    {"SlowDown", ErrorCode::kTooManyRequests},
    {"ServiceUnavailable", ErrorCode::kTooManyRequests},
};

ErrorCode code_of_status(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 403:
      return ErrorCode::kAccessDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kConflict;
    case 412:
      return ErrorCode::kPreconditionFailed;
    case 416:
      return ErrorCode::kInvalidRange;
    case 429:
    case 503:
      return ErrorCode::kTooManyRequests;
    case 501:
      return ErrorCode::kNotImplemented;
    default:
      return status >= 500 ? ErrorCode::kIo : ErrorCode::kInternal;
  }
}

std::string_view words_of_status(int status) {
  switch (status) {
    case 301:
    case 307:
      return "it is served elsewhere";
    case 403:
      return "access denied";
    case 404:
      return "not found";
    case 412:
      return "it has changed meanwhile";
    default:
      return "the server refused";
  }
}

}  // namespace

Error error_of(const HttpResponse& response) {
  const S3Fault fault = read_fault(response.body);
  ErrorCode code = code_of_status(response.status);
  for (const Named& named : kNamed)
    if (named.name == fault.code) code = named.code;
  if (fault.code.empty())
    return {code, fmt::format("{} ({})", words_of_status(response.status), response.status)};
  const std::string_view words = fault.message.empty() ? words_of_status(response.status) : fault.message;
  return {code, fmt::format("{} ({}, {})", words, fault.code, response.status)};
}

bool is_passing(const HttpResponse& response) {
  return response.status == 500 || response.status == 502 || response.status == 503 ||
         response.status == 504 || response.status == 429;
}

bool is_passing(const Error& error) {
  return error.code() == ErrorCode::kIo || error.code() == ErrorCode::kTimeout ||
         error.code() == ErrorCode::kTooManyRequests;
}

}  // namespace flashstor::cli
