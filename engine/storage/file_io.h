#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flashstor::storage {

/// An open file. Threads: every method may be called from several threads at once.
class File {
 public:
  virtual ~File() = default;
  /// Fills the front of `into` from `offset`; fewer bytes than asked only at the end of the file.
  virtual Result<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) = 0;
  /// The same if the bytes are in the page cache; kWouldBlock when any is not. Safe on a loop.
  virtual Result<std::size_t> read_cached(std::span<std::byte> into, std::uint64_t offset) = 0;
  /// Writes all of `from`. Durable after the next `sync`. With `direct`, memory, offset and size must be
  /// multiples of 4 KiB.
  virtual Result<void> write(std::span<const std::byte> from, std::uint64_t offset) = 0;
  /// Writes all of `from` and returns when it is durable (data and what is needed to read it back).
  virtual Result<void> write_durable(std::span<const std::byte> from, std::uint64_t offset) = 0;
  /// What was written before is durable on return.
  virtual Result<void> sync() = 0;
  /// Reserves the bytes [0, size) on the drive, which read as zero where nothing was written.
  virtual Result<void> preallocate(std::uint64_t size) = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() = 0;
};

/// How a file is opened.
enum class OpenMode : std::uint8_t {
  kRead,       ///< An existing file, to read.
  kReadWrite,  ///< An existing file, to read and write.
  kCreate,     ///< A new file (kExists when there is one), mode 0600.
};

/// Room on a file system.
struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  bool read_only = false;
  bool mount_point = false;  ///< The directory is the root of its file system.
};

/// The only door to the file system: PosixFileIo in the product, a faulty one in memory for the simulator.
/// Synchronous: called on drive threads, never on a loop (but for read_cached). Errors: kNotFound, kExists,
/// kNoSpace, kReadOnly, kAccessDenied, kIo, each naming the path.
class FileIo {
 public:
  virtual ~FileIo() = default;
  /// `direct` asks for O_DIRECT; kNotSupported where the file system lacks it.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                                           bool direct) = 0;
  /// Replaces `to`. Durable after sync_directory of both directories.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Removes a file.
  virtual Result<void> remove(const std::string& path) = 0;
  /// Removes a directory of ours with all that is in it; success when it is not there.
  virtual Result<void> remove_tree(const std::string& path) {
    return fail(ErrorCode::kNotSupported, "cannot remove " + path);
  }
  /// Makes one directory, mode 0700; success when it is there already.
  virtual Result<void> make_directory(const std::string& path) = 0;
  /// Names and renames in `path` that were done before are durable on return.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  /// Names in a directory, sorted, without . and ..
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
  [[nodiscard]] virtual Result<SpaceInfo> space(const std::string& path) = 0;
  /// Takes an exclusive lock on the file at `path` (made when missing), held until the result dies, also by
  /// the death of the process. Errors: kBusy when somebody holds it.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> lock(const std::string& path) = 0;
};

/// Linux files.
[[nodiscard]] std::unique_ptr<FileIo> make_posix_file_io();

/// Whole-file helpers. `read_file` gives at most `max_bytes`; kCorrupt for a longer file.
[[nodiscard]] Result<std::string> read_file(FileIo& io, const std::string& path, std::size_t max_bytes);
/// Writes a new file beside `path`, syncs it, renames it over `path` and syncs the directory.
[[nodiscard]] Result<void> replace_file(FileIo& io, const std::string& path, std::string_view bytes);

}  // namespace flashstor::storage
