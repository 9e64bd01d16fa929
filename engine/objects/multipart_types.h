#pragma once

#include "engine/objects/object_types.h"

/// Requests and answers of ObjectStore about multipart uploads. Upload ids are 32 hex digits.
namespace flashstor::objects {

struct CreateUploadRequest {
  std::string bucket;
  std::string key;
  ObjectAttributes attributes;
  ChecksumKind checksum_kind = ChecksumKind::kNone;
  bool checksum_composite = true;  ///< False: FULL_OBJECT (CRCs only).
};
struct UploadPartRequest {
  std::string bucket;
  std::string key;
  std::string upload_id;
  std::uint32_t part_number = 0;
  BodySource* body = nullptr;
  std::string expected_md5;
  std::string expected_sha256;
  Checksum checksum;
  std::function<std::optional<Checksum>()> trailing_checksum;
};
struct UploadPartResult {
  std::string etag;
  Checksum checksum;
};
struct UploadPartCopyRequest {
  std::string bucket;
  std::string key;
  std::string upload_id;
  std::uint32_t part_number = 0;
  std::string source_bucket;
  std::string source_key;
  std::string source_version_id;
  std::optional<ByteRange> range;  ///< Both ends are needed and must lie in the source.
  Conditions source_conditions;
};
struct UploadPartCopyResult {
  std::string etag;
  WallTime last_modified{};
  std::string source_version_id;
  Checksum checksum;
};
struct CompletedPart {
  std::uint32_t number = 0;
  std::string etag;
  std::string checksum{};  ///< Raw bytes, or empty: not checked.
};
struct CompleteUploadRequest {
  std::string bucket;
  std::string key;
  std::string upload_id;
  std::vector<CompletedPart> parts;  ///< Ascending.
  Conditions conditions;
  Checksum checksum;  ///< Of the whole object; verified when `value` is set.
  std::optional<std::uint64_t> expected_size;
};
struct AbortUploadRequest {
  std::string bucket;
  std::string key;
  std::string upload_id;
};
struct ListPartsRequest {
  std::string bucket;
  std::string key;
  std::string upload_id;
  std::uint32_t part_marker = 0;
  std::uint32_t max_parts = 1000;
};
struct ListedPart : PartInfo {
  WallTime last_modified{};
};
struct UploadInfo {
  std::string key;
  std::string upload_id;
  WallTime initiated{};
  ObjectAttributes attributes;
  ChecksumKind checksum_kind = ChecksumKind::kNone;
  bool checksum_composite = true;
};
struct ListPartsResult {
  UploadInfo upload;
  std::vector<ListedPart> parts;
  bool is_truncated = false;
  std::uint32_t next_part_marker = 0;
};
struct ListUploadsRequest {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string key_marker;
  std::string upload_id_marker;
  std::uint32_t max_uploads = 1000;
};
struct ListUploadsResult {
  std::vector<UploadInfo> uploads;
  std::vector<std::string> common_prefixes;
  bool is_truncated = false;
  std::string next_key_marker;
  std::string next_upload_id_marker;
};

}  // namespace flashstor::objects
