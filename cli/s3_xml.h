#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/s3_types.h"
#include "engine/base/error.h"

namespace flashstor::cli {

// Readers of S3's XML answers and writers of its XML bodies. Every reader fails with kMalformed for what is
// not the document it expects; unknown elements are skipped. Listings are asked for with encoding-type=url
// and decoded here.

[[nodiscard]] Result<std::vector<BucketInfo>> read_buckets(std::string_view xml);
/// ListObjectsV2.
[[nodiscard]] Result<ListPage> read_objects(std::string_view xml);
/// ListObjectVersions; delete markers among them, in the answer's order.
[[nodiscard]] Result<ListPage> read_versions(std::string_view xml);
struct UploadPage {
  std::vector<UploadInfo> uploads;
  bool truncated = false;
  std::string next_key;
  std::string next_upload_id;
};
[[nodiscard]] Result<UploadPage> read_uploads(std::string_view xml);
struct PartPage {
  std::vector<PartInfo> parts;
  bool truncated = false;
  std::string next_part;
};
[[nodiscard]] Result<PartPage> read_parts(std::string_view xml);
[[nodiscard]] Result<std::string> read_upload_id(std::string_view xml);
/// ETag of CopyObjectResult, CopyPartResult or CompleteMultipartUploadResult.
[[nodiscard]] Result<std::string> read_etag(std::string_view xml);
[[nodiscard]] Result<std::vector<DeleteFailure>> read_delete_result(std::string_view xml);
[[nodiscard]] Result<Tags> read_tags(std::string_view xml);
/// "Enabled", "Suspended", or empty where versioning was never set.
[[nodiscard]] Result<std::string> read_versioning(std::string_view xml);

struct S3Fault {
  std::string code;
  std::string message;
  std::string region;  ///< Where the bucket really is, when the answer says so.
};
/// An error answer, in XML or as JSON {"code","message"}; empty when it is neither.
[[nodiscard]] S3Fault read_fault(std::string_view body);

[[nodiscard]] std::string write_complete(const std::vector<PartInfo>& parts);
[[nodiscard]] std::string write_delete(const std::vector<DeleteTarget>& targets);
[[nodiscard]] std::string write_tags(const Tags& tags);
[[nodiscard]] std::string write_versioning(bool enabled);
[[nodiscard]] std::string write_location(std::string_view region);

}  // namespace flashstor::cli
