// Requests of a kernel to a mount, in any order and with any arguments: each is answered once, in bounds.
// Input: for each request its opcode, node and length byte, then the bytes of its arguments. What the kernel
// itself guarantees (lengths that match, names that end) is kept.
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string>

#include "tests/fuzz/memory_mount.h"

using namespace flashstor;

namespace {

constexpr std::size_t kMaxRequests = 64;
constexpr std::size_t kMaxArgumentBytes = 255;

/// What the kernel sees of the answers.
struct Kernel {
  std::set<std::uint64_t> waiting;
  std::vector<std::uint64_t> nodes{FUSE_ROOT_ID};
  std::vector<std::uint64_t> handles;      // of open files
  std::vector<std::uint64_t> directories;  // of open directories
  std::uint32_t opcode = 0;

  ssize_t take(const iovec* slices, int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i)
      bytes.append(static_cast<const char*>(slices[i].iov_base), slices[i].iov_len);
    fuse_out_header head{};
    FLASHSTOR_CHECK(bytes.size() >= sizeof head);
    std::memcpy(&head, bytes.data(), sizeof head);
    FLASHSTOR_CHECK(head.len == bytes.size() && head.error <= 0 && head.error > -512);
    if (head.unique == 0) return static_cast<ssize_t>(bytes.size());  // a notification
    FLASHSTOR_CHECK(waiting.erase(head.unique) == 1);
    const std::string_view body = std::string_view(bytes).substr(sizeof head);
    if (head.error != 0) FLASHSTOR_CHECK(body.empty());
    const bool is_entry = opcode == FUSE_LOOKUP || opcode == FUSE_MKDIR || opcode == FUSE_CREATE ||
                          opcode == FUSE_MKNOD || opcode == FUSE_SYMLINK || opcode == FUSE_LINK;
    if (is_entry && body.size() >= sizeof(fuse_entry_out)) {
      fuse_entry_out entry{};
      std::memcpy(&entry, body.data(), sizeof entry);
      if (entry.nodeid != 0) nodes.push_back(entry.nodeid);
      if (opcode == FUSE_CREATE) keep(handles, body.substr(sizeof entry));
    }
    if (opcode == FUSE_OPEN) keep(handles, body);
    if (opcode == FUSE_OPENDIR) keep(directories, body);
    return static_cast<ssize_t>(bytes.size());
  }
  static void keep(std::vector<std::uint64_t>& handles, std::string_view body) {
    if (body.size() < sizeof(fuse_open_out)) return;
    fuse_open_out opened{};
    std::memcpy(&opened, body.data(), sizeof opened);
    handles.push_back(opened.fh);
  }
};
Kernel* kernel = nullptr;  // of the input under way: libfuse's callbacks carry nothing of ours

ssize_t take_answer(int, iovec* slices, int count, void*) { return kernel->take(slices, count); }

/// Bytes of an input, taken from the front; zeros behind its end.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
  [[nodiscard]] bool empty() const { return left_.empty(); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }
  std::string take(std::size_t count) {
    std::string out(left_.substr(0, count));
    left_.remove_prefix(out.size());
    out.resize(count, '\0');
    return out;
  }
  /// A name as the kernel gives it: no slash, no NUL, at most 255 bytes, not empty, and its NUL.
  std::string name() {
    std::string out = take(byte() % 12);
    for (char& c : out)
      if (c == '\0' || c == '/') c = 'n';
    if (out.empty() || out == "." || out == "..") out = "a";
    return out + '\0';
  }

 private:
  std::string_view left_;
};

template <class T>
std::string struct_of(Bytes& in, void (*fix)(T&) = nullptr) {
  T value{};
  const std::string bytes = in.take(std::min(sizeof value, static_cast<std::size_t>(in.byte())));
  std::memcpy(&value, bytes.data(), bytes.size());
  if (fix != nullptr) fix(value);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

constexpr std::uint32_t kOpcodes[] = {
    FUSE_LOOKUP,     FUSE_GETATTR,   FUSE_SETATTR, FUSE_READLINK,   FUSE_SYMLINK, FUSE_MKNOD,
    FUSE_MKDIR,      FUSE_UNLINK,    FUSE_RMDIR,   FUSE_LINK,       FUSE_OPEN,    FUSE_READ,
    FUSE_WRITE,      FUSE_STATFS,    FUSE_FLUSH,   FUSE_RELEASE,    FUSE_FSYNC,   FUSE_SETXATTR,
    FUSE_GETXATTR,   FUSE_LISTXATTR, FUSE_ACCESS,  FUSE_OPENDIR,    FUSE_READDIR, FUSE_READDIRPLUS,
    FUSE_RELEASEDIR, FUSE_CREATE,    FUSE_RENAME2, FUSE_REMOVEXATTR};

/// Arguments that name an open directory.
std::optional<std::string> of_directory(std::uint32_t opcode, Bytes& in) {
  if (kernel->directories.empty()) return std::nullopt;
  const std::uint64_t directory = kernel->directories[in.byte() % kernel->directories.size()];
  if (opcode == FUSE_RELEASEDIR) {
    std::erase(kernel->directories, directory);
    return bytes_of(fuse_release_in{.fh = directory});
  }
  return bytes_of(fuse_read_in{.fh = directory, .offset = in.byte(), .size = 64 + in.byte() * 32U});
}

/// Arguments that name an open file.
std::optional<std::string> of_file(std::uint32_t opcode, Bytes& in) {
  if (kernel->handles.empty()) return std::nullopt;
  const std::uint64_t file = kernel->handles[in.byte() % kernel->handles.size()];
  switch (opcode) {
    case FUSE_READ:
      return bytes_of(fuse_read_in{.fh = file, .offset = in.byte() * 997ULL, .size = in.byte() * 257U});
    case FUSE_WRITE: {
      const std::string data = in.take(in.byte());
      return bytes_of(fuse_write_in{
                 .fh = file, .offset = in.byte() * 997ULL, .size = static_cast<std::uint32_t>(data.size())}) +
             data;
    }
    case FUSE_FLUSH:
      return bytes_of(fuse_flush_in{.fh = file});
    case FUSE_FSYNC:
      return bytes_of(fuse_fsync_in{.fh = file});
    default:
      std::erase(kernel->handles, file);
      return bytes_of(fuse_release_in{.fh = file});
  }
}

/// Arguments of the opcode. Empty where nothing sensible can be asked (no file is open).
std::optional<std::string> arguments(std::uint32_t opcode, Bytes& in) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_REMOVEXATTR:
      return in.name();
    case FUSE_GETATTR:
      return struct_of<fuse_getattr_in>(in, [](fuse_getattr_in& v) { v.getattr_flags = 0; });
    case FUSE_SETATTR:
      return struct_of<fuse_setattr_in>(in, [](fuse_setattr_in& v) {
        v.valid &= ~static_cast<std::uint32_t>(FATTR_FH);
        v.size %= 1 << 20;
      });
    case FUSE_READLINK:
    case FUSE_STATFS:
      return std::string();
    case FUSE_SYMLINK: {
      const std::string name = in.name();
      return name + in.name();
    }
    case FUSE_MKNOD:
      return struct_of<fuse_mknod_in>(in) + in.name();
    case FUSE_MKDIR:
      return struct_of<fuse_mkdir_in>(in) + in.name();
    case FUSE_CREATE:
      return struct_of<fuse_create_in>(in) + in.name();
    case FUSE_LINK: {
      fuse_link_in link{};
      link.oldnodeid = kernel->nodes[in.byte() % kernel->nodes.size()];
      return bytes_of(link) + in.name();
    }
    case FUSE_RENAME2: {
      fuse_rename2_in rename{};
      rename.newdir = kernel->nodes[in.byte() % kernel->nodes.size()];
      rename.flags = in.byte() % 4;
      const std::string name = in.name();
      return bytes_of(rename) + name + in.name();
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      return struct_of<fuse_open_in>(in);
    case FUSE_ACCESS:
      return struct_of<fuse_access_in>(in);
    case FUSE_SETXATTR: {
      const std::string name = in.name();
      const std::string value = in.take(in.byte() % 40);
      fuse_setxattr_in set{};
      set.size = static_cast<std::uint32_t>(value.size());
      set.flags = in.byte() % 3;
      // libfuse without FUSE_SETXATTR_EXT reads the short form.
      return std::string(reinterpret_cast<const char*>(&set), FUSE_COMPAT_SETXATTR_IN_SIZE) + name + value;
    }
    case FUSE_GETXATTR:
      return struct_of<fuse_getxattr_in>(in, [](fuse_getxattr_in& v) { v.size %= 65536; }) + in.name();
    case FUSE_LISTXATTR:
      return struct_of<fuse_getxattr_in>(in, [](fuse_getxattr_in& v) { v.size %= 65536; });
    default:
      break;
  }
  if (opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS || opcode == FUSE_RELEASEDIR)
    return of_directory(opcode, in);
  return of_file(opcode, in);
}

void send(fuse_session* session, std::uint32_t opcode, std::uint64_t node, std::uint64_t unique,
          const std::string& arguments) {
  std::string bytes = fuzz::kernel_request(opcode, node, unique, arguments);
  fuse_buf buffer{};
  buffer.size = bytes.size();
  buffer.mem = bytes.data();
  kernel->opcode = opcode;
  kernel->waiting.insert(unique);
  fuse_session_process_buf(session, &buffer);
}

Task<void> one_turn(async::UvRuntime* runtime) { co_await async::sleep_for(*runtime, Nanoseconds(0)); }

Task<void> release_all(fusefs::Mount* mount, files::Volume* volume) {
  co_await mount->gate.close();
  (void)co_await volume->close();
}

void serve(async::UvRuntime& runtime, files::Volume& volume, Bytes in) {
  fuzz::Everybody access;
  fusefs::Mount mount(runtime, volume, access, volume.root_inode());
  fuzz::MemorySession held(mount, take_answer);
  fuse_session* session = held.get();
  std::uint64_t unique = 2;
  send(session, FUSE_INIT, 0, unique, fuzz::kernel_greeting());
  for (std::size_t i = 0; i < kMaxRequests && !in.empty(); ++i) {
    const std::uint32_t opcode = kOpcodes[in.byte() % std::size(kOpcodes)];
    const std::uint64_t node = kernel->nodes[in.byte() % kernel->nodes.size()];
    const auto body = arguments(opcode, in);
    if (!body) continue;
    unique += 2;
    send(session, opcode, node, unique, *body);
    // Until it is answered: the kernel would wait too, and the next input byte may need its handle.
    for (int turn = 0; turn < 10'000 && kernel->waiting.contains(unique); ++turn)
      runtime.run_until(one_turn(&runtime));
    FLASHSTOR_CHECK(!kernel->waiting.contains(unique));
  }
  for (const std::uint64_t file : kernel->handles)
    send(session, FUSE_RELEASE, FUSE_ROOT_ID, unique += 2, bytes_of(fuse_release_in{.fh = file}));
  for (const std::uint64_t directory : kernel->directories)
    send(session, FUSE_RELEASEDIR, FUSE_ROOT_ID, unique += 2, bytes_of(fuse_release_in{.fh = directory}));
  runtime.run_until(release_all(&mount, &volume));
  FLASHSTOR_CHECK(kernel->waiting.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static async::UvRuntime* const runtime = std::make_unique<async::UvRuntime>().release();
  if (size > kMaxRequests * kMaxArgumentBytes) return 0;
  Kernel one;
  kernel = &one;
  {
    fuzz::MemoryBucket bucket(*runtime);
    serve(*runtime, bucket.volume(), Bytes(data, size));
  }
  kernel = nullptr;
  return 0;
}
