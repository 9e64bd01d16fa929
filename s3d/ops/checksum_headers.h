#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/objects/types.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

/// What the headers of a request say that its body must match.
struct BodyChecks {
  std::string md5;             ///< 16 raw bytes, or empty.
  objects::Checksum checksum;  ///< With `value`: verify. Kind alone: compute.
  bool from_trailer = false;   ///< The value comes after the body.
};

/// Reads Content-MD5, x-amz-checksum-*, x-amz-trailer and x-amz-sdk-checksum-algorithm. Errors (refused on
/// the call): InvalidDigest, InvalidRequest.
[[nodiscard]] Result<BodyChecks> body_checks(Call& call);

/// Holds a body that is in memory against what was promised. Errors: BadDigest, refused on the call.
[[nodiscard]] Result<void> verify_small(Call& call, const BodyChecks& checks, std::string_view body);

/// Gives the trailer's checksum once the body has ended; for PutRequest::trailing_checksum. `call` outlives
/// it.
[[nodiscard]] std::function<std::optional<objects::Checksum>()> trailing_checksum(Call& call,
                                                                                  const BodyChecks& checks);

/// "CRC64NVME" and the like; empty for kNone.
[[nodiscard]] std::string_view checksum_name(objects::ChecksumKind kind);
/// In either case. nullopt for an unknown word.
[[nodiscard]] std::optional<objects::ChecksumKind> parse_checksum_name(std::string_view name);
/// "x-amz-checksum-crc64nvme"
[[nodiscard]] std::string_view checksum_header(objects::ChecksumKind kind);
/// "ChecksumCRC64NVME", the element of XML answers.
[[nodiscard]] std::string_view checksum_element(objects::ChecksumKind kind);
/// Base64 of the value; `-N` behind it for a composite one of N parts.
[[nodiscard]] std::string checksum_text(const objects::Checksum& checksum, std::uint32_t parts);
[[nodiscard]] std::string_view checksum_type(const objects::Checksum& checksum);

/// The checksum headers of an answer. Nothing for kNone.
void add_checksum_headers(ResponseWriter& response, const objects::Checksum& checksum, std::uint32_t parts);

}  // namespace flashstor::s3d
