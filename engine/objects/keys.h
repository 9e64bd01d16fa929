#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/uuid.h"
#include "engine/objects/version_id.h"

/// Row keys of versions, uploads, references and bucket gates. In keys NUL is 00 FF and the end is 00 01, so
/// rows sort as the bytes of the UTF-8 keys do. Source: docs/on-disk-format.md, Keys.
namespace flashstor::objects {

/// Where buckets, identities and configuration are kept.
[[nodiscard]] constexpr Uuid system_bucket_id() { return Uuid{0, 1}; }

/// Appends `key` escaped, without its end.
void append_escaped(std::string& out, std::string_view key);

/// bucket id: all rows of a bucket begin with it.
[[nodiscard]] std::string bucket_prefix(const Uuid& bucket);
/// bucket id, escaped key, 00: versions (01) and id mappings (02) of one key; the name to lock for writing
/// it.
[[nodiscard]] std::string key_prefix(const Uuid& bucket, std::string_view key);
/// bucket id, escaped key, 00 01: the versions of one key, newest first.
[[nodiscard]] std::string versions_prefix(const Uuid& bucket, std::string_view key);
void append_versions_prefix(std::string& out, const Uuid& bucket, std::string_view key);
/// The row of one version.
[[nodiscard]] std::string version_key(const Uuid& bucket, std::string_view key, const VersionId& id);
/// bucket id, escaped key, 00 02, id: where the version shown as `id` ("null" or a foreign id) is, when it is
/// not the newest of its key.
[[nodiscard]] std::string mapping_key(const Uuid& bucket, std::string_view key, std::string_view shown_id);
/// bucket id, escaped prefix: the first row that can have a key that begins with `prefix`.
[[nodiscard]] std::string listing_start(const Uuid& bucket, std::string_view prefix);
/// The first row behind all rows of `key`: where a listing goes on after `key`.
[[nodiscard]] std::string after_key(const Uuid& bucket, std::string_view key);
/// The smallest string behind every string that begins with `prefix`; empty when there is none.
[[nodiscard]] std::string after_prefix(std::string_view prefix);

/// The 16 bytes of a mapping row's value and of a version key's end.
[[nodiscard]] std::string version_suffix(const VersionId& id);
[[nodiscard]] std::optional<VersionId> parse_version_suffix(std::string_view bytes);

/// A key of Family::kVersions taken apart.
struct ParsedVersionKey {
  Uuid bucket;
  std::string key;
  bool is_mapping = false;
  VersionId id;           ///< Of a version.
  std::string mapped_id;  ///< Of a mapping.
};
/// Errors: kMalformed.
[[nodiscard]] Result<ParsedVersionKey> parse_version_key(std::string_view row_key);

/// bucket id, escaped key, 00 01, upload id [, part number]. The upload's own row has no part number.
[[nodiscard]] std::string upload_key(const Uuid& bucket, std::string_view key, const Uuid& upload);
[[nodiscard]] std::string part_key(const Uuid& bucket, std::string_view key, const Uuid& upload,
                                   std::uint32_t part);
struct ParsedUploadKey {
  Uuid bucket;
  std::string key;
  Uuid upload;
  std::optional<std::uint32_t> part;
};
[[nodiscard]] Result<ParsedUploadKey> parse_upload_key(std::string_view row_key);

/// Family::kRefs: data id, referrer (nil: the writer of the data, once anybody else uses it too).
[[nodiscard]] std::string reference_key(const Uuid& data, const Uuid& referrer);
/// Family::kIntents: references to drop whose row is gone already.
[[nodiscard]] std::string drop_intent_key(std::uint32_t set, const Uuid& data, const Uuid& referrer);
/// What stands in such a key.
struct DropIntent {
  std::uint32_t set = 0;
  Uuid data;
  Uuid referrer;
};
[[nodiscard]] Result<DropIntent> parse_drop_intent_key(std::string_view row_key);
/// Before all of them.
inline constexpr std::string_view kDropIntents = "R";
/// Family::kIntents in the set of the data: a reference taken for a row in set `home` that may not be written
/// yet. Sorted by the referrer, which begins with the deadline.
[[nodiscard]] std::string taken_key(const Uuid& referrer, std::uint32_t home, const Uuid& data);
struct TakenReference {
  Uuid referrer;
  std::uint32_t home = 0;
  Uuid data;
};
[[nodiscard]] Result<TakenReference> parse_taken_key(std::string_view row_key);
inline constexpr std::string_view kTakenReferences = "A";
/// Family::kIntents in the set of the row: what became of a referrer, kUsed or kRefused.
[[nodiscard]] std::string referrer_key(const Uuid& referrer);
[[nodiscard]] Result<Uuid> parse_referrer_key(std::string_view row_key);
inline constexpr std::string_view kReferrers = "U";
inline constexpr std::string_view kUsed = "u";
inline constexpr std::string_view kRefused = "r";
/// Family::kIntents: the bucket's epoch in this set, and whether it is frozen.
[[nodiscard]] std::string gate_key(const Uuid& bucket);
/// Family::kIntents: a version that goes with the record that confirms its successor (files publish a version
/// of their own again): its data is due already, and nobody may share it any more.
[[nodiscard]] std::string revised_key(const Uuid& bucket, std::string_view key, const VersionId& id);
/// Family::kExtents: the slices of layout kSlicesRow.
[[nodiscard]] std::string slices_key(const Uuid& extent_root);
/// Family::kExtents: one segment of layout kSegmented.
[[nodiscard]] std::string segment_key(const Uuid& extent_root, std::uint64_t segment);

}  // namespace flashstor::objects
