#include "engine/files/file_rows.h"

#include <charconv>
#include <cmath>

#include "engine/codec/checksum.h"

namespace flashstor::files {
namespace {

using objects::FileKind;

std::optional<std::string_view> metadata(const objects::VersionRow& row, std::string_view name) {
  for (const auto& [key, value] : row.attributes.user_metadata)
    if (key == name) return value;
  return std::nullopt;
}

std::optional<std::uint32_t> number(std::optional<std::string_view> text, int base) {
  if (!text) return std::nullopt;
  std::uint32_t value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) return std::nullopt;
  return value;
}

// Seconds, with a fraction as rclone writes it.
std::optional<std::int64_t> seconds(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc() || !std::isfinite(value) || std::abs(value) > 9e9) return std::nullopt;
  return static_cast<std::int64_t>(value * 1e9);
}

// s3fs writes the whole st_mode in decimal, rclone in octal with a leading zero.
std::optional<std::uint32_t> mode_bits(std::optional<std::string_view> text) {
  if (!text || text->empty()) return std::nullopt;
  return number(text, text->front() == '0' ? 8 : 10);
}

}  // namespace

InodeId inode_of(const objects::VersionRow& row) {
  if (row.attributes.posix && !row.attributes.posix->inode.is_nil()) return row.attributes.posix->inode;
  return {static_cast<std::uint64_t>(row.id.time_ns), row.id.random | 1};
}

InodeId implied_inode(const Uuid& bucket, std::string_view directory_key) {
  const std::string name = bucket.to_bytes() + "/" + std::string(directory_key);
  const auto hash = codec::xxh3_128(std::as_bytes(std::span(name)));
  return {hash.high, hash.low | 1};
}

std::uint64_t revision_of(const objects::VersionRow& row) {
  // In a bucket with versions, what one open publishes keeps the id.
  std::uint64_t value = static_cast<std::uint64_t>(row.id.time_ns) * 0x9e3779b97f4a7c15 ^ row.id.random;
  value = (value ^ row.header.size) * 0xff51afd7ed558ccd;
  if (row.attributes.posix) value ^= static_cast<std::uint64_t>(row.attributes.posix->mtime_ns);
  return value * 0xc4ceb9fe1a85ec53;
}

objects::PosixAttributes posix_of(const objects::VersionRow& row, bool directory,
                                  const FileDefaults& defaults) {
  objects::PosixAttributes posix;
  if (row.attributes.posix) {
    posix = *row.attributes.posix;
  } else {
    posix.kind = directory ? FileKind::kDirectory : FileKind::kFile;
    const auto mode = mode_bits(metadata(row, "mode"));
    posix.mode = mode ? *mode & 07777U : directory ? defaults.directory_mode : defaults.file_mode;
    posix.uid = number(metadata(row, "uid"), 10).value_or(defaults.uid);
    posix.gid = number(metadata(row, "gid"), 10).value_or(defaults.gid);
    posix.mtime_ns = seconds(metadata(row, "mtime")).value_or(row.header.created_ns);
    posix.ctime_ns = row.header.created_ns;
    posix.atime_ns = posix.mtime_ns;
  }
  posix.inode = inode_of(row);
  return posix;
}

Attributes attributes_of(const objects::VersionRow& row, bool directory, const FileDefaults& defaults) {
  const objects::PosixAttributes posix = posix_of(row, directory, defaults);
  Attributes out;
  out.inode = posix.inode;
  out.kind = directory ? Kind::kDirectory : kind_of(posix.kind);
  out.mode = posix.mode;
  out.uid = posix.uid;
  out.gid = posix.gid;
  out.links = directory ? 2 : posix.nlink;
  out.device = static_cast<std::uint32_t>(posix.rdev);
  out.size = directory                          ? 4096
             : posix.kind == FileKind::kSymlink ? posix.symlink_target.size()
                                                : row.header.size;
  out.allocated = directory                                       ? 4096
                  : row.header.layout == objects::Layout::kSlices ? allocated_bytes(row.slices)
                                                                  : row.header.size;
  out.accessed = base::from_nanoseconds(posix.atime_ns);
  out.modified = base::from_nanoseconds(posix.mtime_ns);
  out.changed = base::from_nanoseconds(posix.ctime_ns);
  out.born = base::from_nanoseconds(row.header.created_ns);
  out.revision = revision_of(row);
  return out;
}

Attributes implied_attributes(const objects::Bucket& bucket, std::string_view directory_key,
                              const FileDefaults& defaults) {
  Attributes out;
  out.inode = implied_inode(bucket.id, directory_key);
  out.kind = Kind::kDirectory;
  out.mode = defaults.directory_mode;
  out.uid = defaults.uid;
  out.gid = defaults.gid;
  out.links = 2;
  out.size = 4096;
  out.allocated = 4096;
  out.accessed = out.modified = out.changed = out.born = bucket.created;
  out.implied = true;
  return out;
}

Kind kind_of(FileKind kind) {
  switch (kind) {
    case FileKind::kFile:
      return Kind::kFile;
    case FileKind::kDirectory:
      return Kind::kDirectory;
    case FileKind::kSymlink:
      return Kind::kSymlink;
    case FileKind::kFifo:
      return Kind::kFifo;
    case FileKind::kSocket:
      return Kind::kSocket;
    case FileKind::kBlockDevice:
      return Kind::kBlockDevice;
    case FileKind::kCharDevice:
      return Kind::kCharacterDevice;
  }
  return Kind::kFile;
}

FileKind stored_kind(Kind kind) {
  switch (kind) {
    case Kind::kFile:
      return FileKind::kFile;
    case Kind::kDirectory:
      return FileKind::kDirectory;
    case Kind::kSymlink:
      return FileKind::kSymlink;
    case Kind::kFifo:
      return FileKind::kFifo;
    case Kind::kSocket:
      return FileKind::kSocket;
    case Kind::kBlockDevice:
      return FileKind::kBlockDevice;
    case Kind::kCharacterDevice:
      return FileKind::kCharDevice;
  }
  return FileKind::kFile;
}

void apply(const PosixChange& change, objects::PosixAttributes& posix) {
  if (change.mode) posix.mode = *change.mode & 07777U;
  if (change.uid) posix.uid = *change.uid;
  if (change.gid) posix.gid = *change.gid;
  if (change.mtime_ns) posix.mtime_ns = *change.mtime_ns;
  if (change.atime_ns) posix.atime_ns = *change.atime_ns;
  if (change.ctime_ns) posix.ctime_ns = *change.ctime_ns;
}

}  // namespace flashstor::files
