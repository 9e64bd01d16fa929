#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/time.h"
#include "engine/base/uuid.h"
#include "engine/storage/entry.h"

/// Plain values shared by the requests of ObjectStore and the rows behind them.
namespace flashstor::objects {

/// Stored as its number: do not renumber.
enum class Versioning : std::uint8_t { kUnversioned = 0, kEnabled = 1, kSuspended = 2 };

/// Stored as its number: do not renumber.
enum class ChecksumKind : std::uint8_t {
  kNone = 0,
  kCrc32 = 1,
  kCrc32c = 2,
  kCrc64Nvme = 3,
  kSha1 = 4,
  kSha256 = 5
};

/// A checksum as S3 shows it. `value` is raw big-endian bytes (the door writes base64).
struct Checksum {
  ChecksumKind kind = ChecksumKind::kNone;
  bool composite = false;  ///< Of the parts' checksums (shown with `-N`), not of the whole object.
  std::string value;
  bool operator==(const Checksum&) const = default;
};
/// Bytes of a value of this kind; 0 for kNone.
[[nodiscard]] std::size_t checksum_bytes(ChecksumKind kind);

using Tags = std::vector<std::pair<std::string, std::string>>;  ///< In the order given.

/// Headers that S3 stores with an object and gives back; empty is "not set".
struct ContentHeaders {
  std::string type;
  std::string encoding;
  std::string disposition;
  std::string language;
  std::string cache_control;
  std::string expires;
  bool operator==(const ContentHeaders&) const = default;
};

/// Stored as its number: do not renumber.
enum class FileKind : std::uint8_t {
  kFile = 0,
  kDirectory = 1,
  kSymlink = 2,
  kFifo = 3,
  kSocket = 4,
  kBlockDevice = 5,
  kCharDevice = 6
};

/// What POSIX keeps with an object; only rows that a mount (or s3fs-like headers) touched have it.
struct PosixAttributes {
  Uuid inode;  ///< Nil: not given one yet.
  FileKind kind = FileKind::kFile;
  std::uint32_t mode = 0644;  ///< Permission bits with setuid, setgid and sticky; no type bits.
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t atime_ns = 0;
  std::uint32_t nlink = 1;
  bool is_link = false;  ///< The data and attributes are in the body row of `inode` (hard links).
  std::string symlink_target;
  std::vector<std::pair<std::string, std::string>> xattrs;
  bool operator==(const PosixAttributes&) const = default;
};

/// Stored as its number: do not renumber.
enum class RetentionMode : std::uint8_t { kNone = 0, kGovernance = 1, kCompliance = 2 };
struct Retention {
  RetentionMode mode = RetentionMode::kNone;
  std::int64_t until_ns = 0;
  bool operator==(const Retention&) const = default;
};

/// Stored as its number: do not renumber.
enum class StorageClass : std::uint8_t { kStandard = 0, kReducedRedundancy = 1 };

/// What the writer of an object says about it, and the reader gets back.
struct ObjectAttributes {
  ContentHeaders headers;
  std::vector<std::pair<std::string, std::string>> user_metadata;  ///< Names lower-case, without x-amz-meta-.
  Tags tags;
  StorageClass storage_class = StorageClass::kStandard;
  std::string owner;     ///< The identity that wrote it.
  std::uint8_t acl = 0;  ///< iam::CannedAcl by number.
  std::string grants;    ///< iam::encode_grants, of the ACL kListed.
  std::string website_redirect;
  Retention retention;
  bool legal_hold = false;
  std::optional<PosixAttributes> posix;
  bool operator==(const ObjectAttributes&) const = default;
};

/// Bytes [offset, offset + length) of a slice. `data.place` kNone is a hole: zeros.
struct Slice {
  DataRef data;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Uuid referrer;  ///< Nil for the writer of the data; else the key of this user's row in Family::kRefs.
  bool operator==(const Slice&) const = default;
};

/// One part of a multipart object, as GetObjectAttributes shows it.
struct PartInfo {
  std::uint32_t number = 0;
  std::uint64_t size = 0;
  std::string etag;      ///< 32 hex digits.
  std::string checksum;  ///< Raw bytes of the object's checksum kind, or empty.
  bool operator==(const PartInfo&) const = default;
};

/// If-* headers. ETags without quotes; "*" stands for any. Empty lists are "not given".
struct Conditions {
  std::vector<std::string> if_match;
  std::vector<std::string> if_none_match;
  std::optional<WallTime> if_modified_since;  ///< Whole seconds count, as HTTP dates have no more.
  std::optional<WallTime> if_unmodified_since;
  // Of DeleteObject (directory-bucket headers).
  std::optional<std::uint64_t> if_match_size;
  std::optional<WallTime> if_match_modified;
  [[nodiscard]] bool empty() const {
    return if_match.empty() && if_none_match.empty() && !if_modified_since && !if_unmodified_since &&
           !if_match_size && !if_match_modified;
  }
  bool operator==(const Conditions&) const = default;
};

}  // namespace flashstor::objects
