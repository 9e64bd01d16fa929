#pragma once

#include <string_view>

#include "engine/files/file_commands.h"
#include "engine/files/file_store.h"
#include "engine/objects/bucket_types.h"
#include "engine/objects/version_row.h"

/// Version rows as files.
namespace flashstor::files {

/// What files get that no mount has touched (objects put through S3).
struct FileDefaults {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t file_mode = 0644;
  std::uint32_t directory_mode = 0755;
};

/// The identity of a row: its own, or for an object that no mount has touched one made of its version id.
[[nodiscard]] InodeId inode_of(const objects::VersionRow& row);
/// The identity of a directory without a row.
[[nodiscard]] InodeId implied_inode(const Uuid& bucket, std::string_view directory_key);
/// Revision for page caches: changes with every publish.
[[nodiscard]] std::uint64_t revision_of(const objects::VersionRow& row);
/// The POSIX attributes of a row, filled in from `x-amz-meta-mode`, `-uid`, `-gid`, `-mtime` (as s3fs and
/// rclone write them) and the defaults where no mount has set them.
[[nodiscard]] objects::PosixAttributes posix_of(const objects::VersionRow& row, bool directory,
                                                const FileDefaults& defaults);
[[nodiscard]] Attributes attributes_of(const objects::VersionRow& row, bool directory,
                                       const FileDefaults& defaults);
[[nodiscard]] Attributes implied_attributes(const objects::Bucket& bucket, std::string_view directory_key,
                                            const FileDefaults& defaults);
[[nodiscard]] Kind kind_of(objects::FileKind kind);
[[nodiscard]] objects::FileKind stored_kind(Kind kind);
void apply(const PosixChange& change, objects::PosixAttributes& posix);

}  // namespace flashstor::files
