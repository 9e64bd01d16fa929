#include "cli/walk.h"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace flashstor::cli {
namespace {

namespace fs = std::filesystem;

WallTime wall_time_of(fs::file_time_type time) {
  return std::chrono::time_point_cast<Nanoseconds>(std::chrono::file_clock::to_sys(time));
}

Error error_of(const std::error_code& error, const std::string& path) {
  return base::errno_error(error.value(), "read", path);
}

/// Nothing when it is neither a file nor a link to one.
Result<std::optional<Entry>> entry_of(const fs::path& path, std::string name) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error) return std::unexpected(error_of(error, path));
  if (!fs::is_regular_file(status)) return std::optional<Entry>();
  Entry entry{std::move(name), path, {}};
  entry.object.key = path;
  entry.object.size = fs::file_size(path, error);
  if (!error) entry.object.modified = wall_time_of(fs::last_write_time(path, error));
  if (error) return std::unexpected(error_of(error, path));
  return std::optional<Entry>(std::move(entry));
}

Result<std::vector<fs::directory_entry>> sorted_folder(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    entries.push_back(*it);
  if (error) return std::unexpected(error_of(error, folder));
  std::ranges::sort(entries, {}, [](const fs::directory_entry& entry) { return entry.path().native(); });
  return entries;
}

Result<bool> walk_folder(Output& output, const fs::path& folder, const std::string& prefix,
                         const EntryFunction& each) {
  const auto entries = sorted_folder(folder);
  if (!entries) {
    output.failure({}, entries.error());
    return true;
  }
  for (const fs::directory_entry& item : *entries) {
    const std::string name = prefix + item.path().filename().native();
    std::error_code ignored;
    if (item.is_directory(ignored) && !item.is_symlink(ignored)) {
      auto more = walk_folder(output, item.path(), name + "/", each);
      if (!more || !*more) return more;
      continue;
    }
    const auto entry = entry_of(item.path(), name);
    if (!entry) output.failure({}, entry.error());
    if (!entry || !*entry) continue;
    auto more = each(**entry);
    if (!more || !*more) return more;
  }
  return true;
}

}  // namespace

std::string folder_prefix(const std::string& key) {
  return key.empty() || key.ends_with('/') ? key : key + "/";
}

Result<void> walk_objects(S3Client& client, const std::string& bucket, const std::string& prefix,
                          std::size_t root_bytes, const EntryFunction& each) {
  return client.list_objects({bucket, prefix, {}, {}}, [&](const ListPage& page) -> Result<bool> {
    for (const ObjectInfo& object : page.objects) {
      auto more = each({object.key.substr(root_bytes), {}, object});
      if (!more || !*more) return more;
    }
    return true;
  });
}

Result<void> walk_files(Output& output, const std::string& root, const EntryFunction& each) {
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    const auto entry = entry_of(root, fs::path(root).filename());
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) return fail(ErrorCode::kInvalidArgument, root + " is neither a file nor a folder");
    const auto more = each(**entry);
    if (!more) return std::unexpected(more.error());
    return {};
  }
  const auto more = walk_folder(output, root, {}, each);
  if (!more) return std::unexpected(more.error());
  return {};
}

Result<void> walk_tree(Session& session, const Target& root, const EntryFunction& each) {
  if (!root.remote) return walk_files(session.output, root.path, each);
  const auto client = session.client(root.alias);
  if (!client) return std::unexpected(client.error());
  const std::string prefix = folder_prefix(root.key);
  return walk_objects(**client, root.bucket, prefix, prefix.size(), each);
}

}  // namespace flashstor::cli
