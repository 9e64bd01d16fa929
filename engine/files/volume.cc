#include "engine/files/volume.h"

#include "engine/files/names.h"
#include "engine/files/plan_support.h"
#include "engine/objects/store_parts.h"

namespace flashstor::files {

using cluster::lock_name;
using objects::key_prefix;
using objects::StoreParts;

namespace {
constexpr std::size_t kUuidBytes = 16;
}  // namespace

Volume::Volume(objects::ObjectStore& store, std::string bucket, FileDefaults defaults, Runtime& runtime)
    : store_(store),
      bucket_name_(std::move(bucket)),
      defaults_(defaults),
      runtime_(runtime),
      stripes_(store.cluster()),
      shared_locks_(store.cluster(), runtime) {}

Volume::~Volume() = default;

Task<Result<std::unique_ptr<Volume>>> Volume::open(objects::ObjectStore& store, std::string bucket,
                                                   FileDefaults defaults, Runtime& runtime) {
  auto volume = std::make_unique<Volume>(store, std::move(bucket), defaults, runtime);
  const auto found = co_await or_return(volume->bucket());
  volume->root_ = implied_inode(found->id, "");
  if (store.cluster().spans_nodes()) {
    volume->gate_.spawn(volume->shared_locks_.keep_refreshing());
    volume->gate_.spawn(volume->keep_following());
  }
  if (const auto finished = co_await volume->finish_leftovers(); !finished) {
    volume->stop_moving();
    volume->closing_.set();
    volume->shared_locks_.stop();
    co_await volume->gate_.close();
    co_return std::unexpected(finished.error());
  }
  co_return std::move(volume);
}

InodeId Volume::root_inode() const { return root_; }

Task<Result<void>> Volume::close() {
  const Result<void> published = co_await sync_all();
  stop_moving();
  closing_.set();
  shared_locks_.stop();
  co_await gate_.close();
  co_await stripes_.close();
  co_return published;
}

Task<Result<FileOutcome>> Volume::run(Change change) {
  std::vector<std::vector<Slice>> taken;
  for (int tries = 0;; ++tries) {
    const objects::BucketRef bucket = co_await or_return(this->bucket());
    FileTarget target = change.target;
    cluster::SetApi& set =
        change.set ? store_.cluster().set_at(*change.set) : store_.cluster().set_for(bucket->id, target.key);
    target.bucket = change.orphan ? orphans_of(bucket->id) : bucket->id;
    target.epoch = bucket->epoch;
    target.set = set.info().index;
    target.versioning = change.orphan ? objects::Versioning::kUnversioned : bucket->versioning;
    if (change.takes_first && tries == 0) {
      const auto took = co_await take_foreign(*bucket, target, change, taken);
      if (!took && took.error().code() != ErrorCode::kConflict) co_return std::unexpected(took.error());
      target.taken = change.target.taken;
    }
    cluster::Command command;
    command.kind = static_cast<cluster::CommandKind>(change.kind);
    command.request_id = Uuid::make(runtime_.random());
    command.locks = objects::write_locks(target.bucket, target.key);
    for (const std::string& key : change.locked_keys)
      command.locks.push_back({lock_name(Family::kVersions, key_prefix(target.bucket, key)), true});
    for (const std::string& prefix : change.locked_prefixes)
      command.locks.push_back(
          {lock_name(Family::kVersions, objects::listing_start(target.bucket, prefix)), true});
    for (const TakenReferences& one : target.taken)
      command.locks.push_back(objects::referrer_lock(one.referrer));
    if (!change.referrer.is_nil()) command.locks.push_back(objects::referrer_lock(change.referrer));
    const Uuid parked = change.data.place == DataPlace::kFile ? change.data.id : change.parked;
    if (!parked.is_nil())
      for (auto& lock : objects::write_locks(orphans_of(bucket->id), parked.to_text()))
        command.locks.push_back(std::move(lock));
    command.payload = change.encode(target);
    command.data = change.data;
    command.bytes = change.bytes;
    auto done = co_await set.execute(std::move(command));
    if (!done && done.error().code() == ErrorCode::kConflict && done.error().message() == kMoving &&
        change.kind != FileCommand::kMoveBegin && change.kind != FileCommand::kPublish &&
        tries < kMaxStaleRetries) {
      co_await or_return(await_move(target.key));
      continue;
    }
    if (!done && done.error().code() == ErrorCode::kStale && tries < kMaxStaleRetries) {
      store_.invalidate_buckets();
      if (done.error().message() == kLinksChanged || change.data.place == DataPlace::kFile)
        co_return std::unexpected(done.error());
      continue;
    }
    if (!done && done.error().code() == ErrorCode::kNotSupported && done.error().message() == kForeignData &&
        tries < kMaxStaleRetries) {
      const auto took = co_await take_foreign(*bucket, target, change, taken);
      if (!took && took.error().code() != ErrorCode::kConflict) co_return std::unexpected(took.error());
      if (took && !*took) co_return std::unexpected(done.error());
      continue;  // also when a version went meanwhile
    }
    if (!done) co_return std::unexpected(done.error());
    auto outcome = co_await or_return(decode<FileOutcome>(done->response));
    const StoreParts parts{store_};
    if (!outcome.drops.empty()) co_await parts.drop_references(set.info().index, std::move(outcome.drops));
    for (const std::vector<Slice>& slices : taken) {
      const bool used = std::ranges::find(outcome.used, slices.front().referrer) != outcome.used.end();
      if (used)
        co_await parts.settle_references(set.info().index, slices);
      else
        co_await parts.give_back(set, slices);
    }
    co_return outcome;
  }
}

// Takes references to what the versions at the names of a change have in other sets. Where the change is not
// made for another reason, or nobody hears whether it was, a sweep gives them back (StoreParts::sweep_taken).
// False: there is nothing to take.
Task<Result<bool>> Volume::take_foreign(const objects::Bucket& bucket, const FileTarget& target,
                                        Change& change, std::vector<std::vector<Slice>>& taken) {
  const StoreParts parts{store_};
  std::set<std::string> keys(change.locked_keys.begin(), change.locked_keys.end());
  keys.insert(target.key);
  change.target.taken.clear();
  for (const std::string& key : keys) {
    auto found = co_await parts.read_row(bucket, key, {});
    if (!found && is_lost(found.error().code())) continue;
    if (!found) co_return std::unexpected(found.error());
    co_await or_return(parts.inflate(bucket, key, found->row));
    std::vector<Slice>& slices = found->row.slices;
    std::erase_if(slices, [&](const Slice& slice) {
      return slice.data.place == DataPlace::kNone || slice.data.set == target.set;
    });
    if (slices.empty()) continue;
    slices =
        co_await or_return(parts.add_references(bucket, key, found->row.id, std::move(slices), target.set));
    TakenReferences one{.key = key, .referrer = slices.front().referrer, .data = {}};
    for (const Slice& slice : slices) one.data.push_back(slice.data.id);
    change.target.taken.push_back(std::move(one));
    taken.push_back(std::move(slices));
  }
  co_return !change.target.taken.empty();
}

Task<Result<Volume::Found>> Volume::find(std::string path) {
  const PathKey place = co_await or_return(key_of(std::move(path)));
  co_return co_await find_key(place.key, place.shadowed_file);
}

Task<Result<Volume::Found>> Volume::find_key(std::string key, bool shadowed_file) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  Found found;
  if (key.empty()) {
    found.directory = found.implied = true;
    found.attributes = implied_attributes(*bucket, "", defaults_);
    if (const auto kept = bucket->configs.find(kRootConfig); kept != bucket->configs.end()) {
      objects::VersionRow row = co_await or_return(objects::decode_version(kept->second));
      found.attributes = attributes_of(row, true, defaults_);
      found.attributes.inode = root_;
    }
    overlay(found.attributes, "", found.row);
    co_return found;
  }
  LookupAnswer answer;
  const std::string question = encode(LookupPayload{bucket->id, key});
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kLookup);
  // Every set may hold a part of a directory; the rows of the name itself are in the sets of its two keys.
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    const std::string bytes = co_await or_return(store_.cluster().set_at(index).query(kind, question));
    LookupAnswer part = co_await or_return(decode<LookupAnswer>(bytes));
    if (!part.file.empty()) answer.file = std::move(part.file);
    if (!part.directory.empty()) answer.directory = std::move(part.directory);
    answer.has_children = answer.has_children || part.has_children;
  }
  const bool is_directory = !answer.directory.empty() || answer.has_children;
  if (is_directory && !shadowed_file) {
    found.directory = true;
    found.key = key + "/";
    found.implied = answer.directory.empty();
    if (found.implied) {
      found.attributes = implied_attributes(*bucket, found.key, defaults_);
    } else {
      found.row = co_await or_return(objects::decode_version(answer.directory));
      found.attributes = attributes_of(found.row, true, defaults_);
    }
    overlay(found.attributes, found.key, found.row);
    co_return found;
  }
  if (answer.file.empty() || (shadowed_file && !is_directory)) co_return fail(ErrorCode::kNoSuchKey);
  found.key = std::move(key);
  found.row = co_await or_return(objects::decode_version(answer.file));
  found.attributes = attributes_of(found.row, false, defaults_);
  overlay(found.attributes, found.key, found.row);
  co_return found;
}

Task<Result<Volume::Found>> Volume::resolve(FileRef file) {
  if (const OpenInodeRef inode = open_inode(file.inode)) {
    Found found;
    found.key = inode->key;
    found.row = inode->row;
    found.attributes = inode->attributes(defaults_);
    co_return found;
  }
  auto found = co_await find(file.path);
  // Who was told of the inode is told that it is stale, also where its name is gone: a kernel then asks for
  // the name again, and makes a file where it was about to open one.
  const bool gone = !found && found.error().code() == ErrorCode::kNoSuchKey;
  if (!file.inode.is_nil() && (gone || (found && found->attributes.inode != file.inode)))
    co_return fail(ErrorCode::kStaleHandle);
  co_return found;
}

OpenInodeRef Volume::open_at(const std::string& key) const {
  const auto inode = open_keys_.find(key);
  return inode == open_keys_.end() ? nullptr : open_inode(inode->second);
}

OpenInodeRef Volume::open_inode(const InodeId& inode) const {
  const auto found = open_.find(inode);
  return found == open_.end() ? nullptr : found->second;
}

// What this volume knows and the set does not yet.
void Volume::overlay(Attributes& attributes, const std::string& key, const objects::VersionRow& row) const {
  const OpenInodeRef inode = open_inode(attributes.inode);
  const bool others = inode && store_.cluster().spans_nodes() && !inode->is_dirty() && !inode->in_flight;
  if (others && inode->is_behind(row, key))
    inode->is_told(attributes.size);  // another node has published since
  else if (inode)
    attributes = inode->attributes(defaults_);
  const auto touched = touched_.find(key);
  if (attributes.kind == Kind::kDirectory && touched != touched_.end() &&
      touched->second > attributes.modified)
    attributes.modified = attributes.changed = touched->second;
}

Task<Result<std::vector<std::string>>> Volume::names_of(std::uint32_t set, InodeId inode) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  FileTarget target;
  target.bucket = bucket->id;
  target.inode = inode;
  const std::string bytes = co_await or_return(store_.cluster().set_at(set).query(
      static_cast<cluster::CommandKind>(FileCommand::kLinks), encode(target)));
  co_return decode<std::vector<std::string>>(bytes);
}

Task<Result<std::string>> Volume::ask(FileCommand kind, std::string key, InodeId inode) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  FileTarget target;
  target.bucket = bucket->id;
  target.key = std::move(key);
  target.inode = inode;
  cluster::SetApi& set = store_.cluster().set_for(bucket->id, target.key);
  co_return co_await set.query(static_cast<cluster::CommandKind>(kind), encode(target));
}

Task<Result<std::vector<std::string>>> Volume::leftovers_of(std::uint32_t set, std::string kinds) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  FileTarget target;
  target.bucket = bucket->id;
  target.key = std::move(kinds);
  const std::string bytes = co_await or_return(store_.cluster().set_at(set).query(
      static_cast<cluster::CommandKind>(FileCommand::kLeftovers), encode(target)));
  co_return decode<std::vector<std::string>>(bytes);
}

Task<Result<void>> Volume::finish_leftovers() {
  std::vector<std::string> decisions;
  std::vector<RenamePayload> directories;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    for (const std::string& each : co_await or_return(leftovers_of(index, {}))) {
      const std::string rest = each.substr(1);
      if (each.front() == 'o') {
        if (co_await or_return(is_claimed(rest))) continue;  // open on another node
        Change change{.kind = FileCommand::kRemove};
        change.target.key = rest;
        change.set = index;
        change.orphan = true;
        change.encode = [](const FileTarget& to) { return encode(RemovePayload{.target = to}); };
        co_await or_return(run(std::move(change)));
        continue;
      }
      if (each.front() == 'v') {
        co_await or_return(finish_move(co_await or_return(decode<MovePayload>(rest))));
        continue;
      }
      if (each.front() == 'm') {
        decisions.push_back(rest);
        continue;
      }
      auto rename = co_await or_return(decode<RenamePayload>(rest));
      if (each.front() == 'd') {
        directories.push_back(rename);
        continue;
      }
      rename.further = true;
      co_await or_return(rename_in_steps(std::move(rename)));
    }
  }
  co_await or_return(forget_decisions(std::move(decisions)));
  // Their files' own moves are ended by now. There may be many: the mount does not wait.
  if (store_.cluster().spans_nodes()) {
    if (store_.cluster().set_count() > 1) gate_.spawn(watch_directory_moves());
    co_return {};
  }
  std::vector<std::pair<RenamePayload, MovingPlace>> moves;
  for (RenamePayload& move : directories) {
    const MovingPlace place = begin_moving(move);
    moves.emplace_back(std::move(move), place);
  }
  if (!moves.empty()) gate_.spawn(finish_directory_moves(std::move(moves)));
  co_return {};
}

// What was decided need not be remembered once the old name is done with. A rename of another node that began
// since may be between the two: its intent is there still, for it was there before its decision.
Task<Result<void>> Volume::forget_decisions(std::vector<std::string> decisions) {
  if (decisions.empty()) co_return {};
  std::set<Uuid> under_way;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index)
    for (const std::string& each : co_await or_return(leftovers_of(index, "v")))
      under_way.insert((co_await or_return(decode<MovePayload>(each.substr(1)))).move);
  for (const std::string& decision : decisions) {
    MovePayload move;
    move.move = Uuid::from_bytes(std::string_view(decision).substr(0, kUuidBytes));
    move.to_key = decision.substr(kUuidBytes);
    if (under_way.contains(move.move)) continue;
    co_await or_return(move_step(FileCommand::kMoveForget, move, move.to_key, {}));
  }
  co_return {};
}

Task<Result<Attributes>> Volume::lookup(std::string directory, std::string name) {
  if (name.size() > kMaxNameBytes) co_return fail(ErrorCode::kNameTooLong);
  std::string path = directory.empty() ? std::move(name) : directory + "/" + name;
  const Found found = co_await or_return(find(std::move(path)));
  co_return found.attributes;
}

Task<Result<Attributes>> Volume::attributes(FileRef file) {
  // Where the set cannot be asked, what is known is told.
  if (const OpenInodeRef inode = open_inode(file.inode)) static_cast<void>(co_await look_again(inode));
  const Found found = co_await or_return(resolve(std::move(file)));
  co_return found.attributes;
}

Task<Result<VolumeUsage>> Volume::usage() {
  VolumeUsage usage;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    const cluster::SetStatus status = store_.cluster().set_at(index).status();
    std::uint64_t total = 0;
    std::uint64_t free = ~std::uint64_t{0};
    for (const auto& drive : status.drives) {
      total += drive.total_bytes;
      free = std::min(free, drive.free_bytes);
    }
    // A set is full when its fullest drive is; parity takes its share.
    const std::uint64_t drives = status.info.drives;
    const std::uint64_t data = drives - status.info.default_parity;
    usage.total_bytes += total / drives * data;
    usage.free_bytes += free == ~std::uint64_t{0} ? 0 : free * data;
  }
  co_return usage;
}

}  // namespace flashstor::files
