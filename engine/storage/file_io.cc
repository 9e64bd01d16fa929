#include "engine/storage/file_io.h"

namespace flashstor::storage {

Result<std::string> read_file(FileIo& io, const std::string& path, std::size_t max_bytes) {
  auto file = io.open(path, OpenMode::kRead, false);
  if (!file) return std::unexpected(file.error());
  std::string bytes(max_bytes + 1, '\0');
  const auto got = (*file)->read(std::as_writable_bytes(std::span(bytes)), 0);
  if (!got) return std::unexpected(got.error());
  if (*got > max_bytes) return fail(ErrorCode::kCorrupt, path + " is larger than it can be");
  bytes.resize(*got);
  return bytes;
}

Result<void> replace_file(FileIo& io, const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  if (auto there = io.exists(fresh); there && *there) {
    if (auto removed = io.remove(fresh); !removed) return removed;
  }
  auto file = io.open(fresh, OpenMode::kCreate, false);
  if (!file) return std::unexpected(file.error());
  if (auto done = (*file)->write(std::as_bytes(std::span(bytes)), 0); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = io.rename(fresh, path); !done) return done;
  return io.sync_directory(path.substr(0, path.rfind('/')));
}

}  // namespace flashstor::storage
