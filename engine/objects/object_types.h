#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/cluster/set_api.h"
#include "engine/objects/body_source.h"
#include "engine/objects/types.h"
#include "engine/objects/version_row.h"

/// Requests and answers of ObjectStore about objects. Bucket names, keys and version ids are as clients write
/// them; an empty version id means the newest version, "null" the null version.
namespace flashstor::objects {

/// What one version is, without its bytes.
struct ObjectInfo {
  std::string key;
  std::string version_id;  ///< As shown: "null" or 32 digits.
  bool is_latest = true;
  bool is_delete_marker = false;
  std::uint64_t size = 0;
  std::string etag;  ///< Without quotes.
  WallTime last_modified{};
  ObjectAttributes attributes;
  Checksum checksum;
  std::uint32_t parts_count = 0;  ///< 0: not made by multipart.
  Versioning bucket_versioning =
      Versioning::kUnversioned;  ///< x-amz-version-id is shown unless kUnversioned.
};

struct PutRequest {
  std::string bucket;
  std::string key;
  ObjectAttributes attributes;
  Conditions conditions;
  BodySource* body = nullptr;   ///< Borrowed for the call; nullptr: no bytes.
  std::string expected_md5;     ///< 16 raw bytes, or empty. kBadDigest when the body's differs.
  std::string expected_sha256;  ///< 32 raw bytes (x-amz-content-sha256), or empty.
  /// Which checksum to compute and store; with `value` set it is verified (kBadDigest).
  Checksum checksum;
  /// A checksum that comes only with the body's end (trailer): asked after the body ended, before the commit.
  std::function<std::optional<Checksum>()> trailing_checksum;
};
struct PutResult {
  std::string etag;
  std::string version_id;  ///< Empty in an unversioned bucket; "null" while suspended.
  Checksum checksum;
  std::uint64_t size = 0;
};

/// `bytes=first-last`, as the header has it.
struct ByteRange {
  std::optional<std::uint64_t> first;  ///< None: the last `last` bytes.
  std::optional<std::uint64_t> last;   ///< None: to the end.
};

/// What the views name must live until the call has ended.
struct GetRequest {
  std::string_view bucket;
  std::string_view key;
  std::string_view version_id;
  std::optional<ByteRange> range;
  std::optional<std::uint32_t> part_number;  ///< Not together with a range.
  Conditions conditions;
};

/// Gives the bytes of one GET in order, window by window, one window ahead of its reader. Holds the data
/// against freeing. Used on the loop that opened it; may be dropped at any time.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  /// The next bytes, verified; empty at the end. Errors: kReadQuorum, kCorrupt, kIo: nothing follows them.
  virtual Task<Result<BufferChain>> next() = 0;
};

struct GetResult {
  std::shared_ptr<const ObjectInfo> info;
  std::uint64_t offset = 0;              ///< Of the first byte given, in the object.
  std::uint64_t length = 0;              ///< Bytes that `reader` gives (for HEAD: that GET would give).
  bool is_partial = false;               ///< 206: a range or a part was asked for.
  std::unique_ptr<ObjectReader> reader;  ///< Null for HEAD.
};

enum class Directive : std::uint8_t { kCopy = 0, kReplace = 1 };

struct CopyRequest {
  std::string source_bucket;
  std::string source_key;
  std::string source_version_id;
  Conditions source_conditions;
  std::string bucket;
  std::string key;
  Conditions conditions;
  Directive metadata = Directive::kCopy;  ///< Content headers, user metadata.
  Directive tagging = Directive::kCopy;
  /// With kReplace the new headers and tags; owner, acl, storage class, retention are always taken from here.
  ObjectAttributes attributes;
  ChecksumKind checksum_kind = ChecksumKind::kNone;  ///< Another kind than the source's makes a read of it.
};
struct CopyResult {
  std::string etag;
  WallTime last_modified{};
  std::string version_id;
  std::string source_version_id;  ///< Empty when the source bucket is unversioned.
  Checksum checksum;
};

struct DeleteRequest {
  std::string bucket;
  std::string key;
  std::string version_id;
  Conditions conditions;
  bool bypass_governance = false;
};
struct DeleteResult {
  std::string version_id;         ///< Of what was removed or of the marker made; empty when unversioned.
  bool is_delete_marker = false;  ///< A marker was made, or what was removed was one.
};
struct DeleteManyItem {
  std::string key;
  std::string version_id;
  Conditions conditions;
};
struct DeleteManyResult {
  std::string key;
  std::string version_id;  ///< As asked for.
  Result<DeleteResult> result;
};

struct ListRequest {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string start_after;  ///< v1: marker. Keys up to and with this one are left out. A common prefix given
                            ///< as marker leaves out everything under it.
  std::string continuation_token;  ///< v2: from ListResult; goes before start_after.
  std::uint32_t max_keys = 1000;   ///< Cut to 1000; 0 gives an empty page.
};
struct ListedObject {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;
  WallTime last_modified{};
  StorageClass storage_class = StorageClass::kStandard;
  ChecksumKind checksum_kind = ChecksumKind::kNone;
  bool checksum_composite = false;
  std::string owner;
};
struct ListResult {
  std::vector<ListedObject> objects;
  std::vector<std::string> common_prefixes;  ///< Both sorted; together at most max_keys.
  bool is_truncated = false;
  std::string next_marker;              ///< v1, when truncated: the last key or prefix of the page.
  std::string next_continuation_token;  ///< v2, when truncated.
};

struct ListVersionsRequest {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string key_marker;
  std::string version_id_marker;  ///< Only with a key_marker.
  std::uint32_t max_keys = 1000;
};
struct ListedVersion : ListedObject {
  std::string version_id;
  bool is_latest = false;
  bool is_delete_marker = false;
};
struct ListVersionsResult {
  std::vector<ListedVersion> versions;  ///< Keys ascending, in a key newest first.
  std::vector<std::string> common_prefixes;
  bool is_truncated = false;
  std::string next_key_marker;
  std::string next_version_id_marker;
};

struct AttributesRequest {
  std::string bucket;
  std::string key;
  std::string version_id;
  std::uint32_t part_marker = 0;
  std::uint32_t max_parts = 1000;
  bool with_parts = false;
};
struct AttributesResult {
  ObjectInfo info;
  std::vector<PartInfo> parts;
  bool is_truncated = false;
  std::uint32_t next_part_marker = 0;
};

}  // namespace flashstor::objects
