#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/objects/object_types.h"
#include "s3d/ops/call.h"

/// The headers of requests and answers about objects.
namespace flashstor::s3d {

/// Content headers, x-amz-meta-*, storage class, ACL, tags, owner: all that PutObject, CopyObject and
/// CreateMultipartUpload say about an object. Errors (refused on the call): InvalidStorageClass,
/// InvalidArgument, MetadataTooLarge, and of acl_from_headers.
[[nodiscard]] Result<objects::ObjectAttributes> attributes_from_headers(Call& call);

/// The further permissions that a write with these attributes needs: s3:PutObjectTagging for tags,
/// s3:PutObjectAcl for an ACL other than private, unless an ACL let a user in: then the object is his.
/// Errors: kAccessDenied.
Task<Result<void>> authorise_attributes(Call& call, const objects::ObjectAttributes& attributes);

/// If-Match and If-None-Match of a write. Errors: NotImplemented for other conditions.
[[nodiscard]] Result<objects::Conditions> write_conditions(Call& call);
/// All four If-* of a read; dates that do not parse are ignored, as HTTP has it.
[[nodiscard]] objects::Conditions read_conditions(Call& call);
/// The same under x-amz-copy-source-if-*.
[[nodiscard]] objects::Conditions copy_conditions(Call& call);

/// `bytes=…`. nullopt for a header that is to be ignored: another unit, several ranges, or nonsense.
[[nodiscard]] std::optional<objects::ByteRange> parse_range(std::string_view text);
/// An HTTP date in one of its three forms.
[[nodiscard]] std::optional<WallTime> parse_http_time(std::string_view text);

/// ETag, Last-Modified, content headers, metadata, version and the rest of what GET and HEAD answer.
void add_object_headers(Call& call, const objects::ObjectInfo& info);
/// x-amz-version-id, unless the bucket never had versions.
void add_version_header(Call& call, std::string_view version_id);
/// The same for a version that was just written: S3 says nothing of the null version here.
void add_new_version_header(Call& call, std::string_view version_id);
[[nodiscard]] std::string quoted_etag(std::string_view etag);
/// The etag of a client without its quotes and W/.
[[nodiscard]] std::string bare_etag(std::string_view etag);

[[nodiscard]] std::string_view storage_class_name(objects::StorageClass storage_class);

/// partNumber of the query, 1 to kMaxParts. Errors: InvalidArgument.
[[nodiscard]] Result<std::uint32_t> part_number(Call& call);

/// RFC 2047 words ("=?UTF-8?B?…?=") of a metadata value as UTF-8.
[[nodiscard]] std::string decode_mime_words(std::string_view text);
/// A metadata value as a header may carry it: UTF-8 beyond ASCII as RFC 2047 words.
[[nodiscard]] std::string encode_mime_words(std::string_view text);

}  // namespace flashstor::s3d
