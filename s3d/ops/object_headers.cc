#include "s3d/ops/object_headers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "s3d/ops/acl_grants.h"
#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/conditions.h"
#include "s3d/ops/public_access.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kMetaPrefix = "x-amz-meta-";

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
  });
  return out;
}

/// Content-Encoding without aws-chunked, which belongs to the transfer.
std::string stored_encoding(std::string_view text) {
  std::string out;
  if (!text.contains("aws-chunked")) return std::string(text);
  while (!text.empty()) {
    const auto end = text.find(',');
    std::string_view piece = text.substr(0, end);
    while (piece.starts_with(' ')) piece.remove_prefix(1);
    while (piece.ends_with(' ')) piece.remove_suffix(1);
    if (!piece.empty() && !equal_ignoring_case(piece, "aws-chunked")) {
      if (!out.empty()) out += ", ";
      out += piece;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

Result<void> add_metadata(Call& call, std::string_view name, std::string_view value,
                          objects::ObjectAttributes& attributes) {
  if (name.size() <= kMetaPrefix.size() ||
      !equal_ignoring_case(name.substr(0, kMetaPrefix.size()), kMetaPrefix))
    return {};
  std::string key = lower(name.substr(kMetaPrefix.size()));
  std::string decoded = decode_mime_words(value);
  for (auto& [known, text] : attributes.user_metadata) {
    if (known != key) continue;
    text.append(",").append(decoded);
    return {};
  }
  attributes.user_metadata.emplace_back(std::move(key), std::move(decoded));
  std::size_t bytes = 0;
  for (const auto& [known, text] : attributes.user_metadata) bytes += known.size() + text.size();
  if (bytes > limits::kMaxUserMetadataBytes)
    return call.refuse(
        S3Code::kMetadataTooLarge, {},
        {{"Size", std::to_string(bytes)}, {"MaxSizeAllowed", std::to_string(limits::kMaxUserMetadataBytes)}});
  return {};
}

std::vector<std::string> etag_list(std::optional<std::string_view> header) {
  std::vector<std::string> etags;
  if (!header) return etags;
  std::string_view text = *header;
  while (!text.empty()) {
    const auto end = text.find(',');
    std::string etag = bare_etag(text.substr(0, end));
    if (!etag.empty()) etags.push_back(std::move(etag));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return etags;
}

std::optional<WallTime> time_header(Call& call, std::string_view name) {
  const auto header = call.header(name);
  return header ? parse_http_time(*header) : std::nullopt;
}

/// Who writes an object owns it, unless the bucket's object ownership gives it to the bucket's owner.
const std::string& owner_of_new_object(Call& call) {
  const auto found = call.bucket->configs.find(kOwnership);
  if (found == call.bucket->configs.end() || call.bucket->owner.empty()) return call.who->canonical_id;
  const bool given = found->second == "BucketOwnerPreferred" &&
                     call.header("x-amz-acl").value_or("") == "bucket-owner-full-control";
  return given || found->second == kOwnerEnforced ? call.bucket->owner : call.who->canonical_id;
}

/// Who was let in by an ACL and owns what he writes has full control of it, which the ACL then says.
iam::Acl acl_of_new_object(Call& call, const std::string& owner) {
  if (call.let_in_by != iam::Reason::kAcl || call.is_anonymous() || owner == call.bucket->owner) return {};
  return {.canned = iam::CannedAcl::kListed,
          .grants = {{iam::Grant::To::kUser, owner, iam::Permission::kFullControl}}};
}

Result<void> take_acl(Call& call, objects::ObjectAttributes& attributes) {
  const auto asked = acl_from_headers(call, attributes.owner);
  if (!asked) return std::unexpected(asked.error());
  const iam::Acl acl = *asked ? **asked : acl_of_new_object(call, attributes.owner);
  attributes.acl = static_cast<std::uint8_t>(acl.canned);
  attributes.grants = iam::encode_grants(acl.grants);
  if (!*asked) return {};
  return check_acl_may_be_set(call, acl, call.header("x-amz-acl").value_or(""));
}

Result<objects::StorageClass> storage_class_header(Call& call) {
  const auto header = call.header("x-amz-storage-class");
  if (!header || header->empty() || *header == "STANDARD") return objects::StorageClass::kStandard;
  if (*header == "REDUCED_REDUNDANCY") return objects::StorageClass::kReducedRedundancy;
  return call.refuse(S3Code::kInvalidStorageClass);
}

}  // namespace

Result<objects::ObjectAttributes> attributes_from_headers(Call& call) {
  objects::ObjectAttributes attributes;
  const auto take = [&call](std::string_view name) { return std::string(call.header(name).value_or("")); };
  attributes.headers = {.type = take("content-type"),
                        .encoding = stored_encoding(call.header("content-encoding").value_or("")),
                        .disposition = take("content-disposition"),
                        .language = take("content-language"),
                        .cache_control = take("cache-control"),
                        .expires = take("expires")};
  if (attributes.headers.type.empty()) attributes.headers.type = "binary/octet-stream";
  for (const HeaderField& field : call.request().headers())
    if (auto added = add_metadata(call, field.name, field.value, attributes); !added)
      return std::unexpected(added.error());
  if (call.signature.presigned)
    for (const QueryParam& param : call.request().query())
      if (auto added = add_metadata(call, param.name, param.value, attributes); !added)
        return std::unexpected(added.error());
  const auto storage_class = storage_class_header(call);
  if (!storage_class) return std::unexpected(storage_class.error());
  attributes.storage_class = *storage_class;
  attributes.owner = owner_of_new_object(call);
  if (const auto taken = take_acl(call, attributes); !taken) return std::unexpected(taken.error());
  if (const auto tagging = call.header("x-amz-tagging"); tagging && !tagging->empty()) {
    auto tags = parse_tagging_header(*tagging);
    if (!tags) return call.refuse(S3Code::kInvalidArgument, std::string(tags.error().message()));
    attributes.tags = std::move(*tags);
  }
  return attributes;
}

Result<objects::Conditions> write_conditions(Call& call) {
  if (call.header("if-modified-since") || call.header("if-unmodified-since"))
    return call.refuse(S3Code::kNotImplemented, {}, {{"Header", "If-Modified-Since, If-Unmodified-Since"}});
  objects::Conditions conditions{.if_match = etag_list(call.header("if-match")),
                                 .if_none_match = etag_list(call.header("if-none-match"))};
  return conditions;
}

objects::Conditions read_conditions(Call& call) {
  return {.if_match = etag_list(call.header("if-match")),
          .if_none_match = etag_list(call.header("if-none-match")),
          .if_modified_since = time_header(call, "if-modified-since"),
          .if_unmodified_since = time_header(call, "if-unmodified-since")};
}

objects::Conditions copy_conditions(Call& call) {
  return {.if_match = etag_list(call.header("x-amz-copy-source-if-match")),
          .if_none_match = etag_list(call.header("x-amz-copy-source-if-none-match")),
          .if_modified_since = time_header(call, "x-amz-copy-source-if-modified-since"),
          .if_unmodified_since = time_header(call, "x-amz-copy-source-if-unmodified-since")};
}

std::optional<objects::ByteRange> parse_range(std::string_view text) {
  if (!text.starts_with("bytes=")) return std::nullopt;
  text.remove_prefix(6);
  const auto dash = text.find('-');
  if (dash == std::string_view::npos || text.contains(',')) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [at, problem] = std::from_chars(digits.data(), end, value);
    if (problem != std::errc() || at != end) return std::nullopt;
    return value;
  };
  const std::string_view first = text.substr(0, dash);
  const std::string_view last = text.substr(dash + 1);
  objects::ByteRange range{.first = number(first), .last = number(last)};
  if ((!first.empty() && !range.first) || (!last.empty() && !range.last)) return std::nullopt;
  if (!range.first && !range.last) return std::nullopt;
  if (range.first && range.last && *range.first > *range.last) return std::nullopt;
  return range;
}

std::optional<WallTime> parse_http_time(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char month[4] = {};
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  const std::string value(text.substr(0, 64));
  if (std::sscanf(value.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d", &day, month, &year, &hour, &minute,
                  &second) != 6 &&
      std::sscanf(value.c_str(), "%*[A-Za-z], %2d-%3s-%2d %2d:%2d:%2d", &day, month, &year, &hour, &minute,
                  &second) != 6 &&
      std::sscanf(value.c_str(), "%*3s %3s %2d %2d:%2d:%2d %4d", month, &day, &hour, &minute, &second,
                  &year) != 6)
    return std::nullopt;
  if (year < 70) year += 2000;
  if (year < 100) year += 1900;
  const auto found = std::ranges::find(kMonths, std::string_view(month));
  if (found == kMonths.end() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(year), std::chrono::month(static_cast<unsigned>(found - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || year < 1700 || year > 2200) return std::nullopt;  // what nanoseconds since 1970 hold
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

void add_version_header(Call& call, std::string_view version_id) {
  if (!version_id.empty()) call.response().add_header("x-amz-version-id", version_id);
}

void add_new_version_header(Call& call, std::string_view version_id) {
  if (version_id != objects::kNullVersionId) add_version_header(call, version_id);
}

std::string quoted_etag(std::string_view etag) {
  std::string quoted;
  quoted.reserve(etag.size() + 2);
  return quoted.append(1, '"').append(etag).append(1, '"');
}

std::string bare_etag(std::string_view etag) {
  while (etag.starts_with(' ')) etag.remove_prefix(1);
  while (etag.ends_with(' ')) etag.remove_suffix(1);
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"'))
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::string_view storage_class_name(objects::StorageClass storage_class) {
  return storage_class == objects::StorageClass::kStandard ? "STANDARD" : "REDUCED_REDUNDANCY";
}

}  // namespace flashstor::s3d
