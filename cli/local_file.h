#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/time.h"

namespace flashstor::cli {

/// An open local file; closed when it goes. Reads and writes name their offset, so several threads may share
/// one.
class LocalFile {
 public:
  LocalFile() = default;
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;
  LocalFile(LocalFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
  LocalFile& operator=(LocalFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(path_, other.path_);
    return *this;
  }
  ~LocalFile();

  /// Errors of all: kNotFound, kNoSpace, kIo.
  [[nodiscard]] static Result<LocalFile> open_read(const std::string& path);
  /// Opens for reading and writing, made with `mode` (less the umask) when it is missing, not truncated;
  /// holds the file's advisory lock, or kBusy when another process has it.
  [[nodiscard]] static Result<LocalFile> open_locked(const std::string& path, unsigned mode);
  /// Gives how many bytes, fewer than asked only at the end of the file.
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const;
  [[nodiscard]] Result<void> write_at(std::uint64_t offset, std::string_view bytes) const;
  [[nodiscard]] Result<std::uint64_t> size() const;
  [[nodiscard]] Result<void> truncate(std::uint64_t size) const;
  /// All bytes written so far survive a power cut.
  [[nodiscard]] Result<void> sync() const;

 private:
  LocalFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::string path_;
};

/// The whole file. Errors: kNotFound, kEntityTooLarge over `limit`, kIo.
[[nodiscard]] Result<std::string> read_whole(const std::string& path, std::size_t limit);
/// Replaces the file with `text` in one step, durably, readable by its owner alone (0600); makes missing
/// folders (0700).
[[nodiscard]] Result<void> write_private(const std::string& path, std::string_view text);
/// Moves a file over another in one step. Errors: kIo.
[[nodiscard]] Result<void> rename_over(const std::string& from, const std::string& to);
/// Makes a folder and those above it. Errors: kIo.
[[nodiscard]] Result<void> make_folders(const std::string& path);
/// Sets the modification time. Errors: kIo.
[[nodiscard]] Result<void> set_modified(const std::string& path, WallTime time);
/// Reads up to `into.size()` bytes of standard input; 0 at its end.
[[nodiscard]] Result<std::size_t> read_stdin(std::span<char> into);
/// Writes all of `bytes` to standard output, after what stdio holds.
[[nodiscard]] Result<void> write_stdout(std::string_view bytes);

}  // namespace flashstor::cli
