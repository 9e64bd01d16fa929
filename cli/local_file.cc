#include "cli/local_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace flashstor::cli {
namespace {

using base::errno_error;

std::unexpected<Error> failed(std::string_view operation, std::string_view path) {
  return std::unexpected(errno_error(errno, operation, path));
}

Result<void> write_all(int descriptor, std::string_view bytes, std::string_view path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace

LocalFile::~LocalFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<LocalFile> LocalFile::open_read(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed("open", path);
  return LocalFile(descriptor, path);
}

Result<LocalFile> LocalFile::open_locked(const std::string& path, unsigned mode) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, mode);
  if (descriptor < 0) return failed("open", path);
  LocalFile file(descriptor, path);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(ErrorCode::kBusy, path + ": another flashctl is writing it");
    return failed("lock", path);
  }
  return file;
}

Result<std::size_t> LocalFile::read_at(std::uint64_t offset, std::span<char> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got =
        ::pread(descriptor_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path_);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> LocalFile::write_at(std::uint64_t offset, std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", path_);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

Result<std::uint64_t> LocalFile::size() const {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) return failed("stat", path_);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> LocalFile::truncate(std::uint64_t size) const {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return failed("truncate", path_);
  return {};
}

Result<void> LocalFile::sync() const {
  if (::fsync(descriptor_) != 0) return failed("sync", path_);
  return {};
}

Result<std::string> read_whole(const std::string& path, std::size_t limit) {
  const auto file = LocalFile::open_read(path);
  if (!file) return std::unexpected(file.error());
  std::string text(limit + 1, '\0');
  const auto got = file->read_at(0, text);
  if (!got) return std::unexpected(got.error());
  if (*got > limit) return fail(ErrorCode::kEntityTooLarge, path + " is larger than allowed");
  text.resize(*got);
  return text;
}

Result<void> write_private(const std::string& path, std::string_view text) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const mode_t mask = ::umask(077);
  const auto made = make_folders(folder);
  std::string draft = path + ".XXXXXX";
  const int descriptor = made ? ::mkostemp(draft.data(), O_CLOEXEC) : -1;  // Mode 0600 always.
  ::umask(mask);
  if (!made) return made;
  if (descriptor < 0) return failed("create", draft);
  auto done = write_all(descriptor, text, draft);
  if (done && ::fsync(descriptor) != 0) done = failed("sync", draft);
  ::close(descriptor);
  if (done) done = rename_over(draft, path);
  if (!done) ::unlink(draft.c_str());
  return done;
}

Result<void> rename_over(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to);
  return {};
}

Result<void> make_folders(const std::string& path) {
  std::error_code error;
  if (!path.empty()) std::filesystem::create_directories(path, error);
  if (error) return std::unexpected(errno_error(error.value(), "make folder", path));
  return {};
}

Result<void> set_modified(const std::string& path, WallTime time) {
  const auto total = base::to_nanoseconds(time);
  const timespec times[2] = {{0, UTIME_OMIT}, {total / 1'000'000'000, total % 1'000'000'000}};
  if (::utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) return failed("set time of", path);
  return {};
}

Result<std::size_t> read_stdin(std::span<char> into) {
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return failed("read", "standard input");
  }
}

Result<void> write_stdout(std::string_view bytes) {
  std::fflush(stdout);
  return write_all(STDOUT_FILENO, bytes, "standard output");
}

}  // namespace flashstor::cli
