#include "s3d/ops/checksum_headers.h"

#include <array>

#include "engine/base/hex.h"
#include "engine/codec/checksum.h"

namespace flashstor::s3d {
namespace {

using objects::Checksum;
using objects::ChecksumKind;

struct Names {
  ChecksumKind kind;
  codec::ChecksumKind codec;
  std::string_view name;
  std::string_view header;
  std::string_view element;
};
constexpr std::array<Names, 5> kNames = {{
    {ChecksumKind::kCrc32, codec::ChecksumKind::kCrc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32"},
    {ChecksumKind::kCrc32c, codec::ChecksumKind::kCrc32c, "CRC32C", "x-amz-checksum-crc32c",
     "ChecksumCRC32C"},
    {ChecksumKind::kCrc64Nvme, codec::ChecksumKind::kCrc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme",
     "ChecksumCRC64NVME"},
    {ChecksumKind::kSha1, codec::ChecksumKind::kSha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1"},
    {ChecksumKind::kSha256, codec::ChecksumKind::kSha256, "SHA256", "x-amz-checksum-sha256",
     "ChecksumSHA256"},
}};

const Names* names_of(ChecksumKind kind) {
  for (const Names& names : kNames)
    if (names.kind == kind) return &names;
  return nullptr;
}

const Names* names_of_header(std::string_view header) {
  for (const Names& names : kNames)
    if (equal_ignoring_case(names.header, header)) return &names;
  return nullptr;
}

constexpr std::string_view kPrefix = "x-amz-checksum-";

/// Is it one of the headers that carry a value (not -mode, -type, -algorithm)?
bool carries_value(std::string_view name) {
  if (name.size() <= kPrefix.size() || !equal_ignoring_case(name.substr(0, kPrefix.size()), kPrefix))
    return false;
  const std::string_view rest = name.substr(kPrefix.size());
  return !equal_ignoring_case(rest, "mode") && !equal_ignoring_case(rest, "type") &&
         !equal_ignoring_case(rest, "algorithm");
}

Result<void> read_value(Call& call, std::string_view name, std::string_view value, BodyChecks& checks) {
  if (checks.checksum.kind != ChecksumKind::kNone)
    return call.refuse(S3Code::kInvalidRequest,
                       "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
  const Names* names = names_of_header(name);
  if (names == nullptr)
    return call.refuse(S3Code::kInvalidRequest,
                       "The algorithm type you specified in x-amz-checksum- header is invalid.");
  auto raw = base::from_base64(value);
  if (!raw || raw->size() != objects::checksum_bytes(names->kind))
    return call.refuse(S3Code::kInvalidRequest,
                       "Value for " + std::string(names->header) + " header is invalid.");
  checks.checksum = {.kind = names->kind, .value = std::move(*raw)};
  return {};
}

Result<void> read_checksum(Call& call, BodyChecks& checks) {
  for (const HeaderField& field : call.request().headers()) {
    if (!carries_value(field.name)) continue;
    if (auto read = read_value(call, field.name, field.value, checks); !read) return read;
  }
  if (call.signature.presigned)
    for (const QueryParam& param : call.request().query())
      if (carries_value(param.name) && !call.request().header(param.name))
        if (auto read = read_value(call, param.name, param.value, checks); !read) return read;
  if (const auto trailer = call.header("x-amz-trailer"); trailer && !trailer->empty()) {
    const Names* names = names_of_header(*trailer);
    if (names == nullptr || checks.checksum.kind != ChecksumKind::kNone)
      return call.refuse(S3Code::kInvalidRequest,
                         "The value specified in the x-amz-trailer header is not supported");
    checks.checksum.kind = names->kind;
    checks.from_trailer = true;
  }
  const auto algorithm = call.header("x-amz-sdk-checksum-algorithm");
  if (!algorithm || algorithm->empty()) return {};
  const auto kind = parse_checksum_name(*algorithm);
  if (!kind)
    return call.refuse(S3Code::kInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  if (checks.checksum.kind == ChecksumKind::kNone && call.request().has_body() && checks.md5.empty())
    return call.refuse(S3Code::kInvalidRequest,
                       "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                       "x-amz-trailer headers were found.");
  if (checks.checksum.kind != ChecksumKind::kNone && *kind != checks.checksum.kind)
    return call.refuse(S3Code::kInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  return {};
}

}  // namespace

Result<BodyChecks> body_checks(Call& call) {
  BodyChecks checks;
  if (const auto md5 = call.header("content-md5")) {
    auto raw = base::from_base64(*md5);
    if (!raw || raw->size() != codec::digest_bytes(codec::ChecksumKind::kMd5))
      return call.refuse(S3Code::kInvalidDigest);
    checks.md5 = std::move(*raw);
  }
  if (auto read = read_checksum(call, checks); !read) return std::unexpected(read.error());
  return checks;
}

Result<void> verify_small(Call& call, const BodyChecks& checks, std::string_view body) {
  if (!checks.md5.empty() && codec::digest_of(codec::ChecksumKind::kMd5, body) != checks.md5)
    return call.refuse(S3Code::kBadDigest);
  const Names* names = names_of(checks.checksum.kind);
  if (names == nullptr) return {};
  std::string wanted = checks.checksum.value;
  if (checks.from_trailer) {
    const auto trailer = trailing_checksum(call, checks)();
    if (!trailer)
      return call.refuse(S3Code::kInvalidRequest, "The trailer that x-amz-trailer names is missing.");
    wanted = trailer->value;
  }
  if (codec::digest_of(names->codec, body) != wanted)
    return call.refuse(
        S3Code::kXAmzContentChecksumMismatch,
        "The " + std::string(names->name) + " you specified did not match the calculated checksum.");
  return {};
}

std::function<std::optional<Checksum>()> trailing_checksum(Call& call, const BodyChecks& checks) {
  if (!checks.from_trailer) return {};
  return [&call, kind = checks.checksum.kind]() -> std::optional<Checksum> {
    const Names* names = names_of(kind);
    if (names == nullptr || call.opened_payload() == nullptr) return std::nullopt;
    for (const HeaderField& field : call.opened_payload()->trailers()) {
      if (!equal_ignoring_case(field.name, names->header)) continue;
      auto raw = base::from_base64(field.value);
      if (!raw || raw->size() != objects::checksum_bytes(kind)) return Checksum{.kind = kind, .value = "?"};
      return Checksum{.kind = kind, .value = std::move(*raw)};
    }
    return std::nullopt;
  };
}

std::string_view checksum_name(ChecksumKind kind) {
  const Names* names = names_of(kind);
  return names == nullptr ? std::string_view() : names->name;
}

std::optional<ChecksumKind> parse_checksum_name(std::string_view name) {
  for (const Names& names : kNames)
    if (equal_ignoring_case(names.name, name)) return names.kind;
  return std::nullopt;
}

std::string_view checksum_header(ChecksumKind kind) {
  const Names* names = names_of(kind);
  return names == nullptr ? std::string_view() : names->header;
}

std::string_view checksum_element(ChecksumKind kind) {
  const Names* names = names_of(kind);
  return names == nullptr ? std::string_view() : names->element;
}

std::string checksum_text(const Checksum& checksum, std::uint32_t parts) {
  std::string text = base::to_base64(checksum.value);
  if (checksum.composite && parts > 0) text += "-" + std::to_string(parts);
  return text;
}

std::string_view checksum_type(const Checksum& checksum) {
  return checksum.composite ? "COMPOSITE" : "FULL_OBJECT";
}

void add_checksum_headers(ResponseWriter& response, const Checksum& checksum, std::uint32_t parts) {
  if (checksum.kind == ChecksumKind::kNone || checksum.value.empty()) return;
  response.add_header(checksum_header(checksum.kind), checksum_text(checksum, parts));
  response.add_header("x-amz-checksum-type", checksum_type(checksum));
}

}  // namespace flashstor::s3d
