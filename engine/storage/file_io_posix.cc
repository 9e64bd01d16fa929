#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "engine/storage/file_io.h"

namespace flashstor::storage {
namespace {

std::unexpected<Error> os_error(std::string_view operation, const std::string& path) {
  const int number = errno;
  const Error error = base::errno_error(number, operation, path);
  if (number == ENOENT) return fail(ErrorCode::kNotFound, std::string(error.message()));
  if (number == EEXIST) return fail(ErrorCode::kExists, std::string(error.message()));
  if (number == EACCES || number == EPERM)
    return fail(ErrorCode::kAccessDenied, std::string(error.message()));
  return std::unexpected<Error>(error);
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { ::close(descriptor_); }

  Result<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got =
          ::pread(descriptor_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<std::size_t> read_cached(std::span<std::byte> into, std::uint64_t offset) override {
    const iovec part{into.data(), into.size()};
    const ssize_t got = ::preadv2(descriptor_, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR))
      return fail(ErrorCode::kWouldBlock);
    if (got < 0) return os_error("read", path_);
    // Part in the cache, part not: let a drive thread read the whole.
    if (static_cast<std::size_t>(got) < into.size()) return fail(ErrorCode::kWouldBlock);
    return static_cast<std::size_t>(got);
  }

  Result<void> write(std::span<const std::byte> from, std::uint64_t offset) override {
    return write_flags(from, offset, 0);
  }
  Result<void> write_durable(std::span<const std::byte> from, std::uint64_t offset) override {
    return write_flags(from, offset, RWF_DSYNC);
  }

  Result<void> sync() override {
    if (::fdatasync(descriptor_) != 0) return os_error("fdatasync", path_);
    return {};
  }
  Result<void> preallocate(std::uint64_t size) override {
    const int failed = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
    if (failed != 0) {
      errno = failed;
      return os_error("preallocate", path_);
    }
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return os_error("truncate", path_);
    return {};
  }
  Result<std::uint64_t> size() override {
    struct stat info{};
    if (::fstat(descriptor_, &info) != 0) return os_error("stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  Result<void> write_flags(std::span<const std::byte> from, std::uint64_t offset, int flags) {
    while (!from.empty()) {
      const iovec part{const_cast<std::byte*>(from.data()), from.size()};
      const ssize_t got = ::pwritev2(descriptor_, &part, 1, static_cast<off_t>(offset), flags);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error("write", path_);
      if (got == 0) {
        errno = EIO;
        return os_error("write", path_);
      }
      from = from.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  int descriptor_;
  std::string path_;
};

class PosixFileIo final : public FileIo {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode, bool direct) override {
    int flags = O_CLOEXEC | O_NOFOLLOW;
    if (mode == OpenMode::kRead) flags |= O_RDONLY;
    if (mode == OpenMode::kReadWrite) flags |= O_RDWR;
    if (mode == OpenMode::kCreate) flags |= O_RDWR | O_CREAT | O_EXCL;
    if (direct) flags |= O_DIRECT;
    const int descriptor = ::open(path.c_str(), flags, 0600);
    if (descriptor < 0 && direct && errno == EINVAL) {
      // Some file systems make the file before they refuse the flag.
      if (mode == OpenMode::kCreate) ::unlink(path.c_str());
      return fail(ErrorCode::kNotSupported, path + " is on a file system without O_DIRECT");
    }
    if (descriptor < 0) return os_error("open", path);
    return std::make_unique<PosixFile>(descriptor, path);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return os_error("rename", from);
    return {};
  }
  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return os_error("remove", path);
    return {};
  }
  Result<void> remove_tree(const std::string& path) override {
    std::error_code failed;
    std::filesystem::remove_all(path, failed);
    if (!failed) return {};
    errno = failed.value();
    return os_error("remove", path);
  }
  Result<void> make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return os_error("make directory", path);
    return {};
  }
  Result<void> sync_directory(const std::string& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return os_error("open directory", path);
    const PosixFile directory(descriptor, path);
    if (::fsync(descriptor) != 0) return os_error("fsync directory", path);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return os_error("list", path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name(entry->d_name);
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int failed = errno;
    ::closedir(directory);
    if (failed != 0) {
      errno = failed;
      return os_error("list", path);
    }
    std::ranges::sort(names);
    return names;
  }
  Result<bool> exists(const std::string& path) override {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return os_error("stat", path);
  }
  Result<SpaceInfo> space(const std::string& path) override {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return os_error("statvfs", path);
    struct stat own{};
    struct stat parent{};
    const bool known = ::stat(path.c_str(), &own) == 0 && ::stat((path + "/..").c_str(), &parent) == 0;
    return SpaceInfo{.total_bytes = info.f_blocks * info.f_frsize,
                     .free_bytes = info.f_bavail * info.f_frsize,
                     .read_only = (info.f_flag & ST_RDONLY) != 0,
                     .mount_point = known && own.st_dev != parent.st_dev};
  }
  Result<std::unique_ptr<File>> lock(const std::string& path) override {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) return os_error("open", path);
    auto file = std::make_unique<PosixFile>(descriptor, path);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK)
        return fail(ErrorCode::kBusy, path + " is locked: another process uses this drive");
      return os_error("lock", path);
    }
    return file;
  }
};

}  // namespace

std::unique_ptr<FileIo> make_posix_file_io() { return std::make_unique<PosixFileIo>(); }

}  // namespace flashstor::storage
