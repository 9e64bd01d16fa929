#include <algorithm>

#include "engine/files/names.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

namespace flashstor::files {

Task<Result<DirectoryPage>> Volume::read_directory(std::string directory, std::string cursor,
                                                   std::size_t limit) {
  const PathKey place = co_await or_return(key_of(directory));
  const std::string prefix = directory_prefix(place.key);
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  DirectoryPage page;
  MergedPage merged = co_await or_return(merged_page(prefix, cursor, static_cast<std::uint32_t>(limit)));
  page.end = merged.bound.empty();
  std::vector<DirectoryAnswer::Entry>& all = merged.entries;
  if (all.size() > limit) {
    all.resize(limit);
    page.end = false;
  }
  for (const auto& entry : all) {
    const bool is_directory = entry.name.ends_with('/');
    std::string component = entry.name;
    if (is_directory) component.pop_back();
    const std::string key = prefix + entry.name;
    bool shadowed = false;
    if (!is_directory) {
      const std::string as_directory = entry.name + "/";
      shadowed = std::ranges::binary_search(all, as_directory, {}, &DirectoryAnswer::Entry::name);
      // Names that sort between `a` and `a/` may fill a page: what follows it must be asked for.
      if (!shadowed && !page.end && all.back().name.starts_with(entry.name)) {
        const auto other = co_await find_key(key, false);
        shadowed = other && other->directory;
      }
    }
    DirectoryEntry out;
    out.name = name_of_component(component, shadowed);
    if (out.name.size() > kMaxNameBytes) out.name = long_name(component);
    objects::VersionRow row;
    if (entry.row.empty()) {
      out.attributes = implied_attributes(*bucket, key, defaults_);
    } else {
      row = co_await or_return(objects::decode_version(entry.row));
      out.attributes = attributes_of(row, is_directory, defaults_);
    }
    overlay(out.attributes, key, row);
    page.entries.push_back(std::move(out));
  }
  if (!all.empty()) page.cursor = all.back().name;
  co_return page;
}

Task<Result<PathKey>> Volume::key_of(std::string path) {
  if (!has_long_name(path)) co_return key_of_path(path);
  PathKey out;
  bool first = true;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    Component component;
    if (is_long_name(name))
      component.bytes = co_await or_return(find_long(directory_prefix(out.key), std::string(name)));
    else
      component = co_await or_return(component_of_name(name));
    if (!std::exchange(first, false)) out.key.push_back('/');
    out.key.append(component.bytes);
    out.shadowed_file = component.shadowed_file;
  }
  if (out.key.size() > limits::kMaxKeyBytes)
    co_return fail(ErrorCode::kNameTooLong, "the key would be over 1,024 bytes");
  co_return out;
}

// Such names are rare, so the directory is read for each.
Task<Result<std::string>> Volume::find_long(std::string prefix, std::string name) {
  std::string after;
  do {
    const MergedPage page = co_await or_return(merged_page(prefix, after, kLongNamePage));
    for (const auto& entry : page.entries) {
      std::string component = entry.name;
      if (component.ends_with('/')) component.pop_back();
      if (name_of_component(component, true).size() > kMaxNameBytes && long_name(component) == name)
        co_return component;
    }
    after = page.bound;
  } while (!after.empty());
  co_return fail(ErrorCode::kNotFound, "no key has this name");
}

Task<Result<Volume::DirectoryFacts>> Volume::own_row(std::string key) {
  if (const auto known = directories_.find(key);
      known != directories_.end() &&
      (!store_.cluster().spans_nodes() || runtime_.now() < known->second.until))
    co_return known->second;
  std::string name = key;
  if (!name.empty()) name.pop_back();
  Found found = co_await or_return(find_key(name, false));
  if (!found.directory) co_return fail(ErrorCode::kNotDirectory);
  if (found.implied && !key.empty()) {
    objects::PosixAttributes posix;
    posix.inode = found.attributes.inode;
    posix.kind = objects::FileKind::kDirectory;
    posix.mode = found.attributes.mode;
    posix.uid = found.attributes.uid;
    posix.gid = found.attributes.gid;
    posix.mtime_ns = posix.ctime_ns = posix.atime_ns = base::to_nanoseconds(found.attributes.modified);
    Change change{.kind = FileCommand::kChangeAttributes};
    change.target.key = key;
    change.encode = [posix](const FileTarget& to) {
      AttributesPayload payload;
      payload.target = to;
      payload.implied = posix;
      return encode(payload);
    };
    co_await or_return(run(std::move(change)));
  }
  const DirectoryFacts facts{found.attributes.mode, found.attributes.gid, runtime_.now() + kDirectoryKnown};
  if (directories_.size() >= kMaxKnownDirectories) directories_.clear();
  directories_.insert_or_assign(std::move(key), facts);
  co_return facts;
}

void Volume::forget_directories(const std::string& prefix) {
  std::erase_if(directories_, [&](const auto& known) { return known.first.starts_with(prefix); });
}

void Volume::touch(const std::string& key) {
  touched_[key] = runtime_.wall_now();
  if (publishing_times_) return;
  publishing_times_ = true;
  if (!gate_.spawn(publish_times())) publishing_times_ = false;
}

// The times of a directory that changes often are committed once a second, not once a file.
Task<void> Volume::publish_times() {
  const MonotonicTime due = runtime_.now() + kDirectoryTimesDelay;
  while (runtime_.now() < due && !gate_.closed()) co_await async::sleep_for(runtime_, Milliseconds(50));
  publishing_times_ = false;
  static_cast<void>(co_await publish_all_times());
}

// A time stays in `touched_` until it is committed, so that stat shows it without a gap.
Task<Result<void>> Volume::publish_all_times() {
  Result<void> all;
  const auto touched = touched_;
  for (const auto& [key, time] : touched) {
    if (!touched_.contains(key)) continue;  // utimes set others meanwhile, or the directory is gone
    if (auto done = co_await publish_times_of(key, time); !done && all) all = done;
  }
  co_return all;
}

Task<Result<void>> Volume::publish_times_of(std::string key, WallTime time) {
  if (key.empty()) co_return {};  // the root's times are not kept: it has no row
  Change change{.kind = FileCommand::kChangeAttributes};
  change.target.key = key;
  change.encode = [time](const FileTarget& to) {
    AttributesPayload payload;
    payload.target = to;
    payload.posix.mtime_ns = payload.posix.ctime_ns = base::to_nanoseconds(time);
    return encode(payload);
  };
  auto done = co_await run(std::move(change));
  if (!done && done.error().code() != ErrorCode::kNoSuchKey) co_return std::unexpected(done.error());
  if (const auto held = touched_.find(key); held != touched_.end() && held->second == time)
    touched_.erase(held);
  co_return {};
}

Task<Result<void>> Volume::sync_directory(FileRef directory) {
  const Found found = co_await or_return(resolve(std::move(directory)));
  const auto touched = touched_.find(found.key);
  if (touched == touched_.end()) co_return {};
  const WallTime time = touched->second;
  co_return co_await publish_times_of(found.key, time);
}

Task<Result<void>> Volume::drop_directory_row(std::string key, InodeId inode, Uuid mover) {
  if (co_await or_return(has_entries_elsewhere(key))) co_return fail(ErrorCode::kDirectoryNotEmpty);
  Change change{.kind = FileCommand::kRemoveDirectory};
  change.target.key = key;
  change.target.inode = inode;
  change.locked_prefixes.push_back(key);
  change.encode = [mover](const FileTarget& to) {
    RenamePayload payload;
    payload.target = to;
    payload.mover = mover;
    return encode(payload);
  };
  co_await or_return(run(std::move(change)));
  co_return {};
}

Task<Result<void>> Volume::remove_directory(std::string directory, std::string name) {
  const PathKey parent = co_await or_return(key_of(directory));
  std::string path = directory.empty() ? name : directory + "/" + name;
  Found found;
  for (int tries = 0;; ++tries) {
    found = co_await or_return(find(path));
    if (!found.directory) co_return fail(ErrorCode::kNotDirectory);
    if (found.implied) co_return fail(ErrorCode::kDirectoryNotEmpty);
    // One whose names are on their way to it is empty for a moment. What comes after this look is another
    // one.
    co_await wait_for_moves_at({found.key});
    co_await or_return(wait_for_moves_elsewhere(found.key));
    co_await or_return(own_row(directory_prefix(parent.key)));
    auto dropped = co_await drop_directory_row(found.key, found.attributes.inode, {});
    if (dropped) break;
    if (dropped.error().code() != ErrorCode::kStaleHandle || tries == kMaxStaleRetries) co_return dropped;
  }
  touched_.erase(found.key);
  forget_directories(found.key);
  touch(directory_prefix(parent.key));
  co_return {};
}

// All rows in one entry, or as many as go into one at a time; the steps of one rename are whose they may.
Task<Result<void>> Volume::rename_in_steps(RenamePayload rename) {
  const std::string from_key = rename.target.key;
  rename.target = {};
  for (bool more = true; more; rename.further = true) {
    Change change{.kind = FileCommand::kRenameDirectory};
    change.target.key = from_key;
    change.locked_prefixes = {from_key, rename.to_key};
    change.encode = [&rename](const FileTarget& to) {
      rename.target = to;
      return encode(rename);
    };
    more = (co_await or_return(run(std::move(change)))).more;
  }
  co_return {};
}

Task<Result<void>> Volume::rename_rows_below(std::string from_key, std::string to_key, RenameMode mode) {
  RenamePayload rename;
  rename.target.key = from_key;
  rename.to_key = to_key;
  rename.mode = mode;
  rename.move = Uuid::make(runtime_.random());
  rename.forward = store_.cluster().spans_nodes();
  auto done = co_await rename_in_steps(rename);
  for (int tries = 0; !done && done.error().code() == ErrorCode::kBusy && tries < kMaxStaleRetries; ++tries) {
    // Somebody is at one that it meets, or an error has cut it off: that is ended first, and may be this one.
    auto standing = co_await or_return(standing_moves('r'));
    bool same = false;
    for (RenamePayload& each : standing) {
      if (!meets({from_key, to_key}, each.target.key, each.to_key)) continue;
      same = same || (each.target.key == from_key && each.to_key == to_key);
      each.further = true;
      co_await or_return(rename_in_steps(std::move(each)));
    }
    done = same ? Result<void>() : co_await rename_in_steps(rename);
  }
  co_return done;
}

Task<Result<void>> Volume::rename_directory(Found from, std::string to_key, RenameMode mode) {
  RenameWatch::Change watched(renames_,
                              {.from = from.key, .to = to_key, .exchange = mode == RenameMode::kExchange});
  watched.sent();
  const auto done = co_await rename_rows_below(from.key, to_key, mode);
  forget_directories(from.key);
  forget_directories(to_key);
  follow_directory(from.key, to_key, mode, done.has_value());
  if (done) std::erase_if(touched_, [&](const auto& each) { return each.first.starts_with(from.key); });
  co_return done;
}

// The open files below it know their new names; where the rename failed, it may be made all the same, or in
// part.
void Volume::follow_directory(const std::string& from_key, const std::string& to_key, RenameMode mode,
                              bool made) {
  std::vector<std::pair<std::string, InodeId>> moved;
  for (const auto& [key, inode] : open_keys_) {
    if (key.starts_with(from_key)) moved.emplace_back(to_key + key.substr(from_key.size()), inode);
    if (mode == RenameMode::kExchange && key.starts_with(to_key))
      moved.emplace_back(from_key + key.substr(to_key.size()), inode);
  }
  if (!made) {
    for (const auto& [maybe, inode] : moved)
      if (const OpenInodeRef open = open_inode(inode)) open->maybe = maybe;
    return;
  }
  std::erase_if(open_keys_, [&](const auto& each) {
    return each.first.starts_with(from_key) ||
           (mode == RenameMode::kExchange && each.first.starts_with(to_key));
  });
  for (const auto& [now, inode] : moved) {
    open_keys_.insert_or_assign(now, inode);
    const OpenInodeRef open = open_inode(inode);
    if (!open) continue;
    open->key = now;
    open->maybe.clear();
  }
}

}  // namespace flashstor::files
