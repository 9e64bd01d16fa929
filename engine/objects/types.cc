#include "engine/objects/types.h"

#include "engine/base/utf8.h"
#include "engine/objects/bucket_types.h"
#include "engine/objects/limits.h"

namespace flashstor::objects {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Four numbers with dots between: S3 keeps such names for addresses.
bool looks_like_address(std::string_view name) {
  std::size_t dots = 0;
  for (const char c : name) {
    if (c == '.')
      ++dots;
    else if (c < '0' || c > '9')
      return false;
  }
  return dots == 3;
}

// Characters of a text that is UTF-8, or nothing.
std::optional<std::size_t> utf8_length(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) {
    const std::size_t size = base::utf8_size(text);
    if (size == 0) return std::nullopt;
    text.remove_prefix(size);
  }
  return count;
}

}  // namespace

std::size_t checksum_bytes(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kNone:
      return 0;
    case ChecksumKind::kCrc32:
    case ChecksumKind::kCrc32c:
      return 4;
    case ChecksumKind::kCrc64Nvme:
      return 8;
    case ChecksumKind::kSha1:
      return 20;
    case ChecksumKind::kSha256:
      return 32;
  }
  return 0;
}

Result<void> check_bucket_name(std::string_view name) {
  const auto bad = [](const char* why) { return fail(ErrorCode::kInvalidBucketName, why); };
  if (name.size() < limits::kMinBucketNameBytes || name.size() > limits::kMaxBucketNameBytes)
    return bad("A bucket name has 3 to 63 characters.");
  for (const char c : name)
    if (!is_lower_or_digit(c) && c != '.' && c != '-')
      return bad("A bucket name has lower-case letters, digits, dots and hyphens only.");
  if (!is_lower_or_digit(name.front()) || !is_lower_or_digit(name.back()))
    return bad("A bucket name begins and ends with a letter or a digit.");
  if (name.find("..") != std::string_view::npos) return bad("A bucket name has no two dots in a row.");
  // Each label between dots must be one of a host name, for virtual-host style.
  if (name.find(".-") != std::string_view::npos || name.find("-.") != std::string_view::npos)
    return bad("A bucket name has no dot beside a hyphen.");
  if (looks_like_address(name)) return bad("A bucket name is not an IP address.");
  for (const std::string_view prefix : {"xn--", "sthree-", "amzn-s3-demo-"})
    if (name.starts_with(prefix)) return bad("This beginning of a bucket name is reserved.");
  for (const std::string_view suffix : {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"})
    if (name.ends_with(suffix)) return bad("This end of a bucket name is reserved.");
  return {};
}

Result<void> check_object_key(std::string_view key) {
  if (key.empty()) return fail(ErrorCode::kInvalidArgument, "An object key has at least one character.");
  if (key.size() > limits::kMaxKeyBytes) return fail(ErrorCode::kKeyTooLong, "Your key is too long");
  if (!utf8_length(key)) return fail(ErrorCode::kMalformed, "An object key is UTF-8.");
  return {};
}

Result<void> check_tags(const Tags& tags, std::size_t max_tags) {
  if (tags.size() > max_tags) return fail(ErrorCode::kInvalidTag, "Too many tags.");
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const auto key = utf8_length(tags[i].first);
    const auto value = utf8_length(tags[i].second);
    if (!key || *key == 0 || *key > limits::kMaxTagKeyChars)
      return fail(ErrorCode::kInvalidTag, "The TagKey you have provided is invalid");
    if (!value || *value > limits::kMaxTagValueChars)
      return fail(ErrorCode::kInvalidTag, "The TagValue you have provided is invalid");
    for (std::size_t j = 0; j < i; ++j)
      if (tags[j].first == tags[i].first)
        return fail(ErrorCode::kInvalidTag, "Cannot provide multiple Tags with the same key");
  }
  return {};
}

}  // namespace flashstor::objects
