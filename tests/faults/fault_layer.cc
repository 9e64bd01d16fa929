// A drive that fails as drives do, for a process under LD_PRELOAD: calls on files below a directory answer
// EIO, hang, or are slow, as a control file says. The file is read before every call on such a path, so a
// test changes it while the process runs.
//
//   FLASHSTOR_FAULTS=<control file>   lines of  <directory> <what>  with what one of
//     eio          every call fails with EIO
//     eio-write    calls that change something do
//     eio-read     calls that read do
//     full         calls that take room fail with ENOSPC
//     read-only    calls that change something fail with EROFS
//     hang         every call waits until the line is gone
//     slow:<ms>    every call takes that much longer
//
// Calls that met a fault are counted in <control file>.count, a 64-bit number that all processes share.
// Descriptors are resolved by the path that they were opened with.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

namespace {

enum class Effect : std::uint8_t { kRead, kChange, kGrow };

template <class F>
F real(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

std::string control_text() {
  static const char* const path = std::getenv("FLASHSTOR_FAULTS");
  if (path == nullptr) return {};
  static const auto open_real = real<int (*)(const char*, int, ...)>("open64");
  static const auto read_real = real<ssize_t (*)(int, void*, size_t)>("read");
  const int file = open_real(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::array<char, 4096> text{};
  const ssize_t got = read_real(file, text.data(), text.size());
  static const auto close_real = real<int (*)(int)>("close");
  close_real(file);
  return {text.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
}

bool below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string fault_of(std::string_view path) {
  const std::string text = control_text();
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto space = line.rfind(' ');
    if (space == std::string_view::npos) continue;
    if (below(path, line.substr(0, space))) return std::string(line.substr(space + 1));
  }
  return {};
}

void count_one() {
  static auto* const counter = [] {
    static std::atomic<std::uint64_t> of_this_process{0};
    static const auto open_real = real<int (*)(const char*, int, ...)>("open64");
    const char* const path = std::getenv("FLASHSTOR_FAULTS");
    const int file =
        path == nullptr ? -1 : open_real((std::string(path) + ".count").c_str(), O_RDWR | O_CLOEXEC);
    void* const shared =
        file < 0 ? MAP_FAILED : mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return shared == MAP_FAILED ? &of_this_process : static_cast<std::atomic<std::uint64_t>*>(shared);
  }();
  counter->fetch_add(1);
}

int answer_of(const std::string& fault, Effect effect) {
  if (fault == "eio") return EIO;
  if (fault == "eio-read") return effect == Effect::kRead ? EIO : 0;
  if (fault == "eio-write") return effect == Effect::kRead ? 0 : EIO;
  if (fault == "full") return effect == Effect::kGrow ? ENOSPC : 0;
  if (fault == "read-only") return effect == Effect::kRead ? 0 : EROFS;
  return 0;
}

bool waits(std::string_view fault) { return fault == "hang" || fault.starts_with("slow:"); }

/// What the call is to fail with; 0: go on.
int meet(std::string_view path, Effect effect) {
  for (bool waited = false;; waited = true) {
    const std::string fault = fault_of(path);
    if (fault.empty()) return 0;
    if (const int error = answer_of(fault, effect); error != 0) {
      count_one();
      return error;
    }
    if (fault.starts_with("slow:")) {
      count_one();
      std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(fault.c_str() + 5)));
      return 0;
    }
    if (fault != "hang") return 0;
    if (!waited) count_one();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

struct Descriptors {
  std::mutex mutex;
  std::unordered_map<int, std::string> paths;
};
Descriptors& descriptors() {
  static auto* const all = new Descriptors;  // outlives every thread
  return *all;
}

std::string path_of(int descriptor) {
  const std::lock_guard lock(descriptors().mutex);
  const auto found = descriptors().paths.find(descriptor);
  return found == descriptors().paths.end() ? std::string() : found->second;
}

bool fails(int descriptor, Effect effect) {
  const std::string path = path_of(descriptor);
  if (path.empty()) return false;
  const int error = meet(path, effect);
  if (error == 0) return false;
  errno = error;
  return true;
}

bool fails(const char* path, Effect effect) {
  if (path == nullptr || path[0] != '/') return false;
  const int error = meet(path, effect);
  if (error == 0) return false;
  errno = error;
  return true;
}

int remember(int descriptor, const char* path) {
  if (descriptor < 0 || path == nullptr || path[0] != '/') return descriptor;
  const std::lock_guard lock(descriptors().mutex);
  descriptors().paths[descriptor] = path;
  return descriptor;
}

Effect effect_of(int flags) {
  if ((flags & O_CREAT) != 0) return Effect::kGrow;
  return (flags & O_ACCMODE) == O_RDONLY ? Effect::kRead : Effect::kChange;
}

}  // namespace

#define FAULT_EXPORT extern "C" __attribute__((visibility("default")))

#define FAULT_OPEN(name)                                                  \
  FAULT_EXPORT int name(const char* path, int flags, ...) {               \
    mode_t mode = 0;                                                      \
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                           \
      va_list more;                                                       \
      va_start(more, flags);                                              \
      mode = va_arg(more, mode_t);                                        \
      va_end(more);                                                       \
    }                                                                     \
    if (fails(path, effect_of(flags))) return -1;                         \
    static const auto next = real<int (*)(const char*, int, ...)>(#name); \
    return remember(next(path, flags, mode), path);                       \
  }
FAULT_OPEN(open)
FAULT_OPEN(open64)

FAULT_EXPORT int close(int descriptor) {
  {
    const std::lock_guard lock(descriptors().mutex);
    descriptors().paths.erase(descriptor);
  }
  static const auto next = real<int (*)(int)>("close");
  return next(descriptor);
}

#define FAULT_FD(result, name, effect, parameters, arguments)   \
  FAULT_EXPORT result name parameters {                         \
    if (fails(descriptor, effect)) return -1;                   \
    static const auto next = real<result(*) parameters>(#name); \
    return next arguments;                                      \
  }
FAULT_FD(ssize_t, read, Effect::kRead, (int descriptor, void* into, size_t size), (descriptor, into, size))
FAULT_FD(ssize_t, pread, Effect::kRead, (int descriptor, void* into, size_t size, off_t at),
         (descriptor, into, size, at))
FAULT_FD(ssize_t, pread64, Effect::kRead, (int descriptor, void* into, size_t size, off64_t at),
         (descriptor, into, size, at))

// A read that may not wait is answered by the kernel from memory or not at all, whatever the drive does.
#define FAULT_CACHED(name, type)                                                                 \
  FAULT_EXPORT ssize_t name(int descriptor, const iovec* parts, int count, type at, int flags) { \
    if ((flags & RWF_NOWAIT) != 0 && waits(fault_of(path_of(descriptor)))) {                     \
      errno = EAGAIN;                                                                            \
      return -1;                                                                                 \
    }                                                                                            \
    if (fails(descriptor, Effect::kRead)) return -1;                                             \
    static const auto next = real<ssize_t (*)(int, const iovec*, int, type, int)>(#name);        \
    return next(descriptor, parts, count, at, flags);                                            \
  }
FAULT_CACHED(preadv2, off_t)
FAULT_CACHED(preadv64v2, off64_t)

FAULT_FD(ssize_t, write, Effect::kGrow, (int descriptor, const void* from, size_t size),
         (descriptor, from, size))
FAULT_FD(ssize_t, pwrite, Effect::kGrow, (int descriptor, const void* from, size_t size, off_t at),
         (descriptor, from, size, at))
FAULT_FD(ssize_t, pwrite64, Effect::kGrow, (int descriptor, const void* from, size_t size, off64_t at),
         (descriptor, from, size, at))
FAULT_FD(ssize_t, pwritev2, Effect::kGrow,
         (int descriptor, const iovec* parts, int count, off_t at, int flags),
         (descriptor, parts, count, at, flags))
FAULT_FD(ssize_t, pwritev64v2, Effect::kGrow,
         (int descriptor, const iovec* parts, int count, off64_t at, int flags),
         (descriptor, parts, count, at, flags))
FAULT_FD(int, fsync, Effect::kChange, (int descriptor), (descriptor))
FAULT_FD(int, fdatasync, Effect::kChange, (int descriptor), (descriptor))
FAULT_FD(int, ftruncate, Effect::kChange, (int descriptor, off_t size), (descriptor, size))
FAULT_FD(int, ftruncate64, Effect::kChange, (int descriptor, off64_t size), (descriptor, size))
FAULT_FD(int, fallocate, Effect::kGrow, (int descriptor, int mode, off_t at, off_t size),
         (descriptor, mode, at, size))
FAULT_FD(int, fallocate64, Effect::kGrow, (int descriptor, int mode, off64_t at, off64_t size),
         (descriptor, mode, at, size))

#define FAULT_FALLOCATE(name, type)                                 \
  FAULT_EXPORT int name(int descriptor, type at, type size) {       \
    if (fails(descriptor, Effect::kGrow)) return errno;             \
    static const auto next = real<int (*)(int, type, type)>(#name); \
    return next(descriptor, at, size);                              \
  }
FAULT_FALLOCATE(posix_fallocate, off_t)
FAULT_FALLOCATE(posix_fallocate64, off64_t)

#define FAULT_PATH(result, failed, name, effect, parameters, arguments) \
  FAULT_EXPORT result name parameters {                                 \
    if (fails(path, effect)) return failed;                             \
    static const auto next = real<result(*) parameters>(#name);         \
    return next arguments;                                              \
  }
FAULT_PATH(int, -1, mkdir, Effect::kGrow, (const char* path, mode_t mode), (path, mode))
FAULT_PATH(int, -1, unlink, Effect::kChange, (const char* path), (path))
FAULT_PATH(int, -1, rename, Effect::kChange, (const char* path, const char* to), (path, to))
FAULT_PATH(DIR*, nullptr, opendir, Effect::kRead, (const char* path), (path))
FAULT_PATH(int, -1, stat, Effect::kRead, (const char* path, struct stat* out), (path, out))
FAULT_PATH(int, -1, lstat, Effect::kRead, (const char* path, struct stat* out), (path, out))

#define FAULT_STATVFS(name, type)                                                         \
  FAULT_EXPORT int name(const char* path, struct type* out) {                             \
    const std::string fault = fault_of(path);                                             \
    if (fault != "full" && fault != "read-only" && fails(path, Effect::kRead)) return -1; \
    static const auto next = real<int (*)(const char*, struct type*)>(#name);             \
    const int result = next(path, out);                                                   \
    if (result == 0 && fault == "full") out->f_bavail = 0;                                \
    if (result == 0 && fault == "read-only") out->f_flag |= ST_RDONLY;                    \
    return result;                                                                        \
  }
FAULT_STATVFS(statvfs, statvfs)
FAULT_STATVFS(statvfs64, statvfs64)
