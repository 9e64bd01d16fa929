#include <algorithm>

#include "engine/files/names.h"
#include "engine/files/open_file.h"
#include "engine/files/plan_support.h"
#include "engine/files/volume.h"
#include "engine/objects/store_parts.h"

namespace flashstor::files {
namespace {

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

// The key for a name to be made: one that a shadowed or overlong name cannot give.
Result<std::string> new_key(const PathKey& parent, const std::string& name) {
  const auto component = component_of_name(name);
  if (!component) {
    if (component.error().code() == ErrorCode::kNotFound)
      return fail(ErrorCode::kInvalidArgument,
                  "names that begin with % belong to keys that POSIX cannot hold");
    return std::unexpected(component.error());
  }
  if (component->shadowed_file)
    return fail(ErrorCode::kInvalidArgument, "names ending in %file are given by the mount");
  std::string key = directory_prefix(parent.key) + component->bytes;
  if (key.size() > limits::kMaxKeyBytes)
    return fail(ErrorCode::kNameTooLong, "the key would be over 1,024 bytes");
  return key;
}

}  // namespace

Task<Result<Attributes>> Volume::make(std::string directory, std::string name, NewFile file) {
  const PathKey parent = co_await or_return(key_of(directory));
  std::string key = co_await or_return(new_key(parent, name));
  const std::string parent_key = directory_prefix(parent.key);
  const DirectoryFacts facts = co_await or_return(own_row(parent_key));
  if (file.target.size() > kMaxTargetBytes) co_return fail(ErrorCode::kNameTooLong);

  objects::PosixAttributes posix;
  posix.kind = stored_kind(file.kind);
  posix.mode = file.mode & 07777U;
  posix.uid = file.caller.uid;
  posix.gid = file.caller.gid;
  posix.rdev = file.device;
  posix.symlink_target = std::move(file.target);
  posix.mtime_ns = posix.ctime_ns = posix.atime_ns = base::to_nanoseconds(runtime_.wall_now());
  if ((facts.mode & 02000U) != 0) {  // set-group-id directories hand their group down (mkdir(2))
    posix.gid = facts.gid;
    if (file.kind == Kind::kDirectory) posix.mode |= 02000U;
  }
  const bool is_directory = file.kind == Kind::kDirectory;
  if (is_directory) key.push_back('/');
  if (key.size() > limits::kMaxKeyBytes) co_return fail(ErrorCode::kNameTooLong);

  Change change{.kind = FileCommand::kMake};
  change.target.key = key;
  std::string plain = key;
  if (is_directory) plain.pop_back();
  // The set of the name does not see what lies below it in others.
  if (store_.cluster().set_count() > 1 && co_await find_key(plain, false)) co_return fail(ErrorCode::kExists);
  change.locked_keys.push_back(plain);
  change.locked_prefixes.push_back(plain + "/");
  change.encode = [posix](const FileTarget& to) {
    MakePayload payload;
    payload.target = to;
    payload.posix = posix;
    return encode(payload);
  };
  const FileOutcome outcome = co_await or_return(run(std::move(change)));
  touch(parent_key);
  const objects::VersionRow row = co_await or_return(objects::decode_version(outcome.row));
  if (is_directory)
    directories_.insert_or_assign(key,
                                  DirectoryFacts{posix.mode, posix.gid, runtime_.now() + kDirectoryKnown});
  co_return attributes_of(row, is_directory, defaults_);
}

Task<Result<VolumeApi::Created>> Volume::create(std::string directory, std::string name, NewFile file,
                                                OpenMode mode, bool exclusive) {
  file.kind = Kind::kFile;
  for (int tries = 0;; ++tries) {
    auto made = co_await make(directory, name, file);
    if (!made && (exclusive || made.error().code() != ErrorCode::kExists))
      co_return std::unexpected(made.error());
    OpenMode now = mode;
    if (made) now.truncate = false;
    auto opened = co_await open({join(directory, name), {}}, now);
    // What was there has been removed or renamed since: then it is made.
    if (!opened && !made && is_lost(opened.error().code()) && tries < kMaxStaleRetries) continue;
    Created created;
    created.file = co_await or_return(std::move(opened));
    created.attributes = created.file->attributes();
    co_return created;
  }
}

Task<Result<std::unique_ptr<OpenFileApi>>> Volume::open(FileRef file, OpenMode mode) {
  OpenInodeRef inode = open_inode(file.inode);
  if (inode) {
    ++inode->opens;
    auto seen = co_await look_again(inode);
    if (seen && inode->gone) seen = fail(ErrorCode::kStaleHandle);
    if (!seen) {
      RenameWatch::Look look(renames_);
      const std::string key = inode->key;
      static_cast<void>(co_await let_go(inode));
      if (seen.error().code() == ErrorCode::kStaleHandle) co_await comes_again(key, look);
      co_return std::unexpected(seen.error());
    }
  } else {
    RenameWatch::Look look(renames_);
    auto resolved = co_await resolve(file);
    if (!resolved && resolved.error().code() == ErrorCode::kStaleHandle)
      if (const auto place = co_await key_of(std::move(file.path))) co_await comes_again(place->key, look);
    Found found = co_await or_return(std::move(resolved));
    if (found.directory) co_return fail(ErrorCode::kIsDirectory);
    inode = co_await or_return(take_open(std::move(found), look));
  }
  auto opened = std::make_unique<OpenFile>(*this, inode, mode);
  if (mode.truncate && (inode->size > 0 || store_.cluster().spans_nodes())) {
    auto cut = co_await set_size(inode, 0, true);
    if (!cut) {
      static_cast<void>(co_await let_go(inode));
      co_return std::unexpected(cut.error());
    }
  }
  co_return std::move(opened);
}

Task<Result<std::string>> Volume::read_link(FileRef file) {
  const Found found = co_await or_return(resolve(std::move(file)));
  if (found.attributes.kind != Kind::kSymlink) co_return fail(ErrorCode::kInvalidArgument);
  co_return posix_of(found.row, false, defaults_).symlink_target;
}

Task<Result<void>> Volume::remove(std::string directory, std::string name) {
  const PathKey parent = co_await or_return(key_of(directory));
  const std::string parent_key = directory_prefix(parent.key);
  Found found = co_await or_return(find(join(directory, name)));
  if (found.directory) co_return fail(ErrorCode::kIsDirectory);
  co_await or_return(own_row(parent_key));
  const std::uint32_t set =
      store_.cluster().set_for((co_await or_return(bucket()))->id, found.key).info().index;
  RenameWatch::Change change_of_name(renames_, {.from = found.key, .to = {}});
  const Turns turns = co_await or_return(take_turns(change_of_name, {}, found.attributes.inode, false));
  const OpenInodeRef& open = turns.replaced;
  for (int tries = 0;; ++tries) {
    std::vector<std::string> links;
    if (found.attributes.links > 1) {
      auto names = co_await names_of(set, found.attributes.inode);
      if (names) links = std::move(*names);
    }
    Change change{.kind = FileCommand::kRemove};
    change.target.key = found.key;
    change.target.inode = found.attributes.inode;
    change.locked_keys = links;
    const bool keep = open != nullptr;
    change.encode = [keep, links](const FileTarget& to) {
      RemovePayload payload;
      payload.target = to;
      payload.keep_orphan = keep;
      payload.links = links;
      return encode(payload);
    };
    auto done = co_await run(std::move(change));
    if (!done && done.error().code() == ErrorCode::kStale && tries < kMaxStaleRetries) continue;
    if (open && done) {
      open->set = set;
      lose_name(*open, found.key, *done, std::move(links));
    }
    if (open) open->publish_turn.release();
    if (!done) co_return std::unexpected(done.error());
    break;
  }
  touch(parent_key);
  co_return {};
}

// What is open goes on under one of its other names (`links`), or without one as the entry has left it.
void Volume::lose_name(OpenInode& inode, const std::string& key, const FileOutcome& done,
                       std::vector<std::string> links) {
  open_keys_.erase(key);
  open_keys_.erase(inode.key);
  std::erase(links, key);
  inode.orphan = !done.orphan.empty();
  inode.gone = !inode.orphan && links.empty();
  if (inode.orphan) {
    inode.key = inode.inode.to_text();
  } else if (!links.empty()) {
    inode.key = std::move(links.front());
    open_keys_.insert_or_assign(inode.key, inode.inode);
  }
}

Task<Result<void>> Volume::rename(std::string directory, std::string name, std::string to_directory,
                                  std::string to_name, RenameMode mode) {
  const PathKey parent = co_await or_return(key_of(directory));
  const PathKey to_parent = co_await or_return(key_of(to_directory));
  const std::string to_key = co_await or_return(new_key(to_parent, to_name));
  Found from = co_await or_return(find(join(directory, name)));
  co_await or_return(own_row(directory_prefix(parent.key)));
  co_await or_return(own_row(directory_prefix(to_parent.key)));
  if (from.directory) {
    const std::string to = to_key + "/";
    if (to == from.key) co_return {};
    if (to.starts_with(from.key)) co_return fail(ErrorCode::kInvalidArgument, "into itself");
    if (mode == RenameMode::kExchange && from.key.starts_with(to))
      co_return fail(ErrorCode::kInvalidArgument, "with a directory above it");
    co_await or_return(publish_open(false));
    co_await or_return(publish_all_times());
    if (store_.cluster().set_count() > 1) {
      co_await or_return(rename_directory_across(std::move(from), to, mode));
    } else {
      co_await or_return(rename_directory(std::move(from), to, mode));
    }
  } else {
    if (to_key == from.key) co_return {};
    co_await or_return(rename_file(std::move(from), to_key, mode));
  }
  touch(directory_prefix(parent.key));
  touch(directory_prefix(to_parent.key));
  co_return {};
}

// Holds off publishing while a file changes its name or loses it. In the order of inodes, and none is given
// back and taken again alone, so that two renames do not wait for each other. Who opens one of the files
// until the command is sent is seen. Across sets, what streams is published first: it goes to the old name's
// set.
Task<Result<Volume::Turns>> Volume::take_turns(RenameWatch::Change& change, InodeId moving, InodeId replaced,
                                               bool across) {
  while (true) {
    Turns turns;
    turns.moving = open_inode(moving);
    if (replaced != moving) turns.replaced = open_inode(replaced);
    const OpenInodeRef whole = across ? turns.moving : nullptr;
    if (whole && whole->streaming) co_await or_return(publish(whole));
    if (turns.replaced) co_await claim(turns.replaced);
    for (const OpenInodeRef& each : {turns.moving, turns.replaced})
      if (each) turns.held.push_back(each);
    std::ranges::sort(turns.held, {}, [](const OpenInodeRef& each) { return each->inode; });
    for (const OpenInodeRef& each : turns.held) co_await each->publish_turn.acquire();
    co_await change.give_way(runtime_);
    const bool same =
        open_inode(moving) == turns.moving && (replaced == moving || open_inode(replaced) == turns.replaced);
    if (same && !(whole && whole->streaming)) {
      change.sent();
      co_return turns;
    }
    for (const OpenInodeRef& each : turns.held) each->publish_turn.release();
  }
}

Task<Result<void>> Volume::rename_file(Found from, std::string to_key, RenameMode mode, Uuid mover) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const std::uint32_t from_set = store_.cluster().set_for(bucket->id, from.key).info().index;
  const std::uint32_t to_set = store_.cluster().set_for(bucket->id, to_key).info().index;
  const bool across = from_set != to_set;
  if (across && (mode == RenameMode::kExchange || from.attributes.links > 1))
    co_return fail(ErrorCode::kCrossDevice, "exchange and names of one file: in one set only");
  RenameWatch::Change change(renames_,
                             {.from = from.key, .to = to_key, .exchange = mode == RenameMode::kExchange});
  InodeId there_before;
  std::vector<std::string> links;
  std::vector<std::string> links_there;
  if (const auto there = co_await find_key(to_key, false); there && there->directory) {
    if (mode == RenameMode::kExchange) co_return fail(ErrorCode::kInvalidArgument, "a file and a directory");
    co_return fail(mode == RenameMode::kNoReplace ? ErrorCode::kExists : ErrorCode::kIsDirectory);
  } else if (there) {
    there_before = there->attributes.inode;
    if (there->attributes.links > 1) {
      links_there = co_await or_return(names_of(to_set, there->attributes.inode));
      links.insert(links.end(), links_there.begin(), links_there.end());
    }
  }
  if (from.attributes.links > 1) {
    auto names = co_await or_return(names_of(from_set, from.attributes.inode));
    links.insert(links.end(), names.begin(), names.end());
  }
  // What is written must not be published under a name that is just moving.
  const Turns turns = co_await or_return(take_turns(change, from.attributes.inode, there_before, across));
  const OpenInodeRef& moving = turns.moving;
  const OpenInodeRef& replaced = turns.replaced;
  Result<FileOutcome> done;
  if (across) {
    MovePayload move;
    move.target.inode = from.attributes.inode;
    move.from_key = from.key;
    move.to_key = to_key;
    move.mode = mode;
    move.keep_orphan = replaced != nullptr;
    move.mover = mover;
    done = co_await move_across(std::move(move), std::move(links));
  } else {
    done = co_await rename_in_set(from, to_key, mode, replaced != nullptr, std::move(links), mover);
  }
  if (done) {
    if (replaced && mode != RenameMode::kExchange)
      lose_name(*replaced, to_key, *done, std::move(links_there));
    follow_rename(from.key, to_key, mode, moving, replaced);
    if (moving) moving->set = to_set;
    if (replaced && mode != RenameMode::kExchange) replaced->set = to_set;
    if (auto row = objects::decode_version(done->row); moving && row && mode != RenameMode::kExchange) {
      const auto whole = co_await objects::StoreParts{store_}.inflate(*bucket, to_key, *row);
      if (whole) moving->committed(std::move(*row), moving->grows());
    }
  }
  if (!done && moving) moving->maybe = to_key;
  if (!done && replaced && mode == RenameMode::kExchange) replaced->maybe = from.key;
  for (const OpenInodeRef& each : turns.held) each->publish_turn.release();
  if (!done) co_return std::unexpected(done.error());
  co_return {};
}

Task<Result<FileOutcome>> Volume::rename_in_set(const Found& from, std::string to_key, RenameMode mode,
                                                bool keep_orphan, std::vector<std::string> links,
                                                Uuid mover) {
  Change change{.kind = FileCommand::kRename};
  change.target.key = from.key;
  change.target.inode = from.attributes.inode;
  change.locked_keys = std::move(links);
  change.locked_keys.push_back(to_key);
  change.locked_prefixes.push_back(to_key + "/");
  const bool forward = store_.cluster().spans_nodes();
  change.encode = [to_key, mode, keep_orphan, mover, forward](const FileTarget& to) {
    RenamePayload payload;
    payload.target = to;
    payload.to_key = to_key;
    payload.mode = mode;
    payload.keep_orphan = keep_orphan;
    payload.mover = mover;
    payload.forward = forward;
    return encode(payload);
  };
  co_return co_await run(std::move(change));
}

// The open files know their new names.
void Volume::follow_rename(const std::string& from_key, const std::string& to_key, RenameMode mode,
                           const OpenInodeRef& moving, const OpenInodeRef& replaced) {
  open_keys_.erase(from_key);
  if (replaced && mode == RenameMode::kExchange) rekey(*replaced, from_key);
  if (moving) rekey(*moving, to_key);
}

Task<Result<Attributes>> Volume::link(FileRef file, std::string to_directory, std::string to_name) {
  const PathKey to_parent = co_await or_return(key_of(to_directory));
  const std::string to_key = co_await or_return(new_key(to_parent, to_name));
  co_await or_return(own_row(directory_prefix(to_parent.key)));
  Found found = co_await or_return(resolve(file));
  if (found.directory) co_return fail(ErrorCode::kNotPermitted);
  const OpenInodeRef open = open_inode(found.attributes.inode);
  if (open && (open->orphan || open->gone)) co_return fail(ErrorCode::kNoSuchKey);
  if (open) co_await or_return(publish(open));
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  cluster::ClusterApi& sets = store_.cluster();
  const std::uint32_t set = sets.set_for(bucket->id, found.key).info().index;
  if (set != sets.set_for(bucket->id, to_key).info().index)
    co_return fail(ErrorCode::kCrossDevice, "over several sets");
  for (int tries = 0;; ++tries) {
    auto links = co_await or_return(names_of(set, found.attributes.inode));
    if (links.empty()) links.push_back(found.key);
    Change change{.kind = FileCommand::kLink};
    change.target.key = found.key;
    change.target.inode = found.attributes.inode;
    change.locked_keys = links;
    change.locked_keys.push_back(to_key);
    change.locked_prefixes.push_back(to_key + "/");
    const std::int64_t now_ns = base::to_nanoseconds(runtime_.wall_now());
    change.encode = [to_key, links, now_ns](const FileTarget& to) {
      LinkPayload payload;
      payload.target = to;
      payload.to_key = to_key;
      payload.links = links;
      payload.now_ns = now_ns;
      return encode(payload);
    };
    auto done = co_await run(std::move(change));
    if (!done && done.error().code() == ErrorCode::kStale && tries < kMaxStaleRetries) continue;
    if (!done) co_return std::unexpected(done.error());
    touch(directory_prefix(to_parent.key));
    objects::VersionRow row = co_await or_return(objects::decode_version(done->row));
    if (open) {  // the row of the name that is open has the new count of links
      open->row.attributes.posix = row.attributes.posix;
      co_return open->attributes(defaults_);
    }
    co_return attributes_of(row, false, defaults_);
  }
}

}  // namespace flashstor::files
