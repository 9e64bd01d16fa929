#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/objects/types.h"
#include "engine/objects/version_id.h"

/// The value of a row in Family::kVersions.
/// Format: docs/on-disk-format.md, Version row: u8 format, fixed header (all that a listing needs), fields
/// (number, length, bytes; unknown ones are kept and written back), u32 checksum of everything before.
namespace flashstor::objects {

/// Stored as its number: do not renumber.
enum class RowKind : std::uint8_t { kObject = 0, kDeleteMarker = 1, kDocument = 2 };

/// How the bytes of a version are found. Stored as its number: do not renumber.
enum class Layout : std::uint8_t {
  kEmpty = 0,
  kSlices = 1,     ///< `slices`, in object order: one for a PUT, one or more for each part.
  kSlicesRow = 2,  ///< The same, in the row of Family::kExtents that `extent_root` names (many parts).
  kSegmented = 3,  ///< Rows (extent_root, segment number) of Family::kExtents; written by mounts.
  kEmbedded = 4,   ///< `embedded` holds the bytes (documents of the system bucket).
};

/// What a listing needs of a row; decoded from the front without touching the rest.
struct VersionHeader {
  RowKind kind = RowKind::kObject;
  bool is_null = false;         ///< Shown as version id "null".
  bool has_foreign_id = false;  ///< The shown id is field kForeignId (imported, replicated).
  StorageClass storage_class = StorageClass::kStandard;
  ChecksumKind checksum_kind = ChecksumKind::kNone;
  bool checksum_composite = false;
  Layout layout = Layout::kEmpty;
  std::uint64_t size = 0;
  std::int64_t created_ns = 0;  ///< Last-Modified.
  std::string etag;             ///< Without quotes: 32 hex digits, `-N` behind it for multipart.
  std::string owner;
};

/// A version. Everything that a row holds; the version id is in its key too.
struct VersionRow {
  VersionHeader header;
  VersionId id;
  std::string foreign_id;
  ObjectAttributes attributes;         ///< `owner` and `storage_class` repeat the header's.
  Checksum checksum;                   ///< `kind` and `composite` repeat the header's.
  std::vector<PartInfo> parts;         ///< Empty unless made by multipart.
  std::vector<Slice> slices;           ///< With layout kSlices.
  Uuid extent_root;                    ///< With kSlicesRow and kSegmented.
  std::uint32_t segment_bytes = 0;     ///< With kSegmented.
  std::uint64_t publish_revision = 0;  ///< With kSegmented: slices up to here count.
  std::string embedded;                ///< With kEmbedded.
  VersionId hides;                ///< The null version that this one replaced: its row may still lie behind.
  Uuid upload_id;                 ///< Of a completed multipart upload.
  std::uint32_t parts_count = 0;  ///< As many as `parts`, known even while those are in the slices row.
  std::vector<std::pair<std::uint32_t, std::string>> unknown;  ///< Fields of newer code, kept.

  [[nodiscard]] std::string shown_id() const;
};

[[nodiscard]] std::string encode_version(const VersionRow& row);
/// Errors: kCorrupt (checksum), kMalformed (format newer than this code's major, or broken).
[[nodiscard]] Result<VersionRow> decode_version(std::string_view bytes);
/// The front only, checksum not looked at. Errors: kMalformed.
[[nodiscard]] Result<VersionHeader> decode_version_header(std::string_view bytes);

/// The row of layout kSlicesRow: parts and slices. Checksummed like a version row.
struct SlicesRow {
  std::vector<PartInfo> parts;
  std::vector<Slice> slices;
};
[[nodiscard]] std::string encode_slices(const SlicesRow& row);
[[nodiscard]] Result<SlicesRow> decode_slices(std::string_view bytes);

/// The value of one segment's row (layout kSegmented): slices in order of writing, newest last, with their
/// place in the segment.
struct SegmentSlice {
  Slice slice;
  std::uint32_t at = 0;        ///< Offset in the segment where `slice` begins.
  std::uint64_t revision = 0;  ///< Written with this publish revision.
};
[[nodiscard]] std::string encode_segment(const std::vector<SegmentSlice>& slices);
[[nodiscard]] Result<std::vector<SegmentSlice>> decode_segment(std::string_view bytes);

}  // namespace flashstor::objects
