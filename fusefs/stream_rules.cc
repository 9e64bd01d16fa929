#include "fusefs/stream_rules.h"

#include <linux/fuse.h>

#include <cstring>
#include <optional>
#include <string_view>

namespace flashstor::fusefs {
namespace {

constexpr std::size_t kMaxName = 1024;  // FUSE_NAME_MAX: what is too long for us still comes to us
constexpr std::size_t kMaxText = 4096;  // a link's target, or the name of an attribute
constexpr std::uint32_t kMaxAsked = 1U << 20;

/// What follows the header: a fixed part, names that each end with NUL, and bytes that the fixed part counts.
struct Shape {
  std::size_t fixed = 0;
  int names = 0;  ///< Of files.
  int texts = 0;  ///< After them: a link's target, or the name of an attribute.
};

std::optional<Shape> shape_of(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
      return Shape{.names = 1};
    case FUSE_REMOVEXATTR:
      return Shape{.texts = 1};
    case FUSE_SYMLINK:
      return Shape{.names = 1, .texts = 1};
    case FUSE_READLINK:
    case FUSE_STATFS:
    case FUSE_DESTROY:
      return Shape{};
    case FUSE_FORGET:
      return Shape{.fixed = sizeof(fuse_forget_in)};
    case FUSE_GETATTR:
      return Shape{.fixed = sizeof(fuse_getattr_in)};
    case FUSE_SETATTR:
      return Shape{.fixed = sizeof(fuse_setattr_in)};
    case FUSE_MKNOD:
      return Shape{.fixed = sizeof(fuse_mknod_in), .names = 1};
    case FUSE_MKDIR:
      return Shape{.fixed = sizeof(fuse_mkdir_in), .names = 1};
    case FUSE_RENAME:
      return Shape{.fixed = sizeof(fuse_rename_in), .names = 2};
    case FUSE_RENAME2:
      return Shape{.fixed = sizeof(fuse_rename2_in), .names = 2};
    case FUSE_LINK:
      return Shape{.fixed = sizeof(fuse_link_in), .names = 1};
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      return Shape{.fixed = sizeof(fuse_open_in)};
    case FUSE_CREATE:
      return Shape{.fixed = sizeof(fuse_create_in), .names = 1};
    case FUSE_READ:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return Shape{.fixed = sizeof(fuse_read_in)};
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
      return Shape{.fixed = sizeof(fuse_release_in)};
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
      return Shape{.fixed = sizeof(fuse_fsync_in)};
    case FUSE_FLUSH:
      return Shape{.fixed = sizeof(fuse_flush_in)};
    case FUSE_GETXATTR:
      return Shape{.fixed = sizeof(fuse_getxattr_in), .texts = 1};
    case FUSE_LISTXATTR:
      return Shape{.fixed = sizeof(fuse_getxattr_in)};
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return Shape{.fixed = sizeof(fuse_lk_in)};
    case FUSE_ACCESS:
      return Shape{.fixed = sizeof(fuse_access_in)};
    case FUSE_INTERRUPT:
      return Shape{.fixed = sizeof(fuse_interrupt_in)};
    case FUSE_FALLOCATE:
      return Shape{.fixed = sizeof(fuse_fallocate_in)};
    case FUSE_LSEEK:
      return Shape{.fixed = sizeof(fuse_lseek_in)};
    case FUSE_COPY_FILE_RANGE:
      return Shape{.fixed = sizeof(fuse_copy_file_range_in)};
    default:
      return std::nullopt;
  }
}

template <class T>
T read_at_front(std::span<const std::byte> bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

Result<void> broken(const char* why) { return fail(ErrorCode::kMalformed, why); }

// Takes one name, or any text, off the front.
Result<void> take_name(std::span<const std::byte>& bytes, bool any_text) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto end = text.find('\0');
  if (end == std::string_view::npos) return broken("a name has no end");
  const std::string_view name = text.substr(0, end);
  const bool good = any_text ? name.size() < kMaxText
                             : !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
                                   name.find('/') == std::string_view::npos;
  if (!good) return broken("a name that no kernel sends");
  bytes = bytes.subspan(end + 1);
  return {};
}

// Requests whose length is counted in their fixed part. Nothing: not one of those.
std::optional<Result<void>> check_counted(std::uint32_t opcode, std::span<const std::byte> rest) {
  const auto want = [](bool good) { return good ? Result<void>() : broken("a length that does not fit"); };
  switch (opcode) {
    case FUSE_INIT: {
      const auto init = read_at_front<fuse_init_in>(rest);
      const std::size_t needed = (init.flags & FUSE_INIT_EXT) != 0 ? sizeof init : 16;
      return want(rest.size() >= needed);
    }
    case FUSE_WRITE: {
      const auto write = read_at_front<fuse_write_in>(rest);
      return want(rest.size() == sizeof write + write.size && write.size <= kMaxAsked);
    }
    case FUSE_BATCH_FORGET: {
      const auto batch = read_at_front<fuse_batch_forget_in>(rest);
      return want(rest.size() == sizeof batch + std::size_t{batch.count} * sizeof(fuse_forget_one));
    }
    case FUSE_SETXATTR: {
      const auto set = read_at_front<fuse_setxattr_in>(rest);
      if (rest.size() < FUSE_COMPAT_SETXATTR_IN_SIZE) return want(false);
      rest = rest.subspan(FUSE_COMPAT_SETXATTR_IN_SIZE);
      if (auto name = take_name(rest, true); !name) return name;
      return want(rest.size() == set.size);
    }
    default:
      return std::nullopt;
  }
}

void note_names(std::uint32_t opcode, std::span<const std::byte> rest, RequestNames& out) {
  switch (opcode) {
    case FUSE_INTERRUPT:
      out.interrupts = read_at_front<fuse_interrupt_in>(rest).unique;
      break;
    case FUSE_LINK:
      out.nodes[1] = read_at_front<fuse_link_in>(rest).oldnodeid;
      break;
    case FUSE_RENAME:
      out.nodes[1] = read_at_front<fuse_rename_in>(rest).newdir;
      break;
    case FUSE_RENAME2:
      out.nodes[1] = read_at_front<fuse_rename2_in>(rest).newdir;
      break;
    case FUSE_GETATTR:
      if (const auto in = read_at_front<fuse_getattr_in>(rest); (in.getattr_flags & FUSE_GETATTR_FH) != 0)
        out.files[0] = in.fh;
      break;
    case FUSE_SETATTR:
      if (const auto in = read_at_front<fuse_setattr_in>(rest); (in.valid & FATTR_FH) != 0)
        out.files[0] = in.fh;
      break;
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_RELEASEDIR:
    case FUSE_FSYNCDIR:
      out.directory = read_at_front<std::uint64_t>(rest);
      out.releases = opcode == FUSE_RELEASEDIR;
      break;
    case FUSE_COPY_FILE_RANGE: {
      const auto in = read_at_front<fuse_copy_file_range_in>(rest);
      out.files = {in.fh_in, in.fh_out};
      out.nodes[1] = in.nodeid_out;
      break;
    }
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_RELEASE:
    case FUSE_FSYNC:
    case FUSE_FLUSH:
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
    case FUSE_FALLOCATE:
    case FUSE_LSEEK:
      out.files[0] = read_at_front<std::uint64_t>(rest);
      out.releases = opcode == FUSE_RELEASE;
      break;
    default:
      break;
  }
}

// How much is to be sent back: memory here.
std::uint32_t asked_for(std::uint32_t opcode, std::span<const std::byte> rest) {
  if (opcode == FUSE_READ || opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS)
    return read_at_front<fuse_read_in>(rest).size;
  if (opcode == FUSE_GETXATTR || opcode == FUSE_LISTXATTR) return read_at_front<fuse_getxattr_in>(rest).size;
  return 0;
}

// A handle is never 0: whoever names that names none.
bool names_no_handle(const RequestNames& names, std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_RELEASEDIR:
      return names.directory == 0;
    case FUSE_COPY_FILE_RANGE:
      return names.files[0] == 0 || names.files[1] == 0;
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_RELEASE:
    case FUSE_FSYNC:
    case FUSE_FLUSH:
    case FUSE_FALLOCATE:
    case FUSE_LSEEK:
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return names.files[0] == 0;
    default:
      return false;
  }
}

}  // namespace

Result<std::size_t> request_length(std::span<const std::byte> head) {
  const auto header = read_at_front<fuse_in_header>(head);
  if (header.len < sizeof header || header.len > kMaxRequestBytes)
    return fail(ErrorCode::kMalformed, "a request of a length that no kernel sends");
  return header.len;
}

Result<RequestNames> check_request(std::span<const std::byte> request) {
  static_assert(sizeof(fuse_in_header) == kRequestHeaderBytes);
  const auto header = read_at_front<fuse_in_header>(request);
  RequestNames out{.opcode = header.opcode, .unique = header.unique};
  std::span<const std::byte> rest = request.subspan(kRequestHeaderBytes);
  out.answered =
      header.opcode != FUSE_FORGET && header.opcode != FUSE_BATCH_FORGET && header.opcode != FUSE_INTERRUPT;
  if (out.answered && header.unique == 0) return fail(ErrorCode::kMalformed, "a request without a number");
  const bool of_no_node = !out.answered || header.opcode == FUSE_INIT || header.opcode == FUSE_DESTROY;
  if (!of_no_node) out.nodes[0] = header.nodeid == 0 ? UINT64_MAX : header.nodeid;
  if (auto counted = check_counted(header.opcode, rest)) {
    if (!*counted) return std::unexpected(counted->error());
    note_names(header.opcode, rest, out);
  } else {
    const auto shape = shape_of(header.opcode);
    out.known = shape.has_value();
    if (!out.known) return out;
    if (rest.size() < shape->fixed) return fail(ErrorCode::kMalformed, "a request that is too short");
    note_names(header.opcode, rest, out);
    if (asked_for(header.opcode, rest) > kMaxAsked)
      return fail(ErrorCode::kMalformed, "a request for more than a kernel asks for");
    rest = rest.subspan(shape->fixed);
    for (int i = 0; i < shape->names; ++i)
      if (auto name = take_name(rest, false); !name) return std::unexpected(name.error());
    for (int i = 0; i < shape->texts; ++i)
      if (auto text = take_name(rest, true); !text) return std::unexpected(text.error());
    if (!rest.empty()) return fail(ErrorCode::kMalformed, "a request that is too long");
  }
  if (names_no_handle(out, header.opcode)) return fail(ErrorCode::kMalformed, "a request of no handle");
  return out;
}

}  // namespace flashstor::fusefs
