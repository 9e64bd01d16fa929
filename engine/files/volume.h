#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "engine/async/sync.h"
#include "engine/files/file_rows.h"
#include "engine/files/file_store.h"
#include "engine/files/lock_space.h"
#include "engine/files/names.h"
#include "engine/files/open_inode.h"
#include "engine/files/rename_watch.h"
#include "engine/files/shared_locks.h"
#include "engine/files/stripe_cache.h"
#include "engine/objects/object_store.h"

namespace flashstor::files {

/// A bucket of this node as files; one for all mounts of the bucket, so that they see each other's writes.
/// Lives on the runtime that it was opened on, with that runtime's ObjectStore.
class Volume final : public VolumeApi {
 public:
  /// Opens the bucket and finishes what a crash left (renames of directories, files without names). Errors:
  /// kNoSuchBucket.
  static Task<Result<std::unique_ptr<Volume>>> open(objects::ObjectStore& store, std::string bucket,
                                                    FileDefaults defaults, Runtime& runtime);
  Volume(objects::ObjectStore& store, std::string bucket, FileDefaults defaults, Runtime& runtime);
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;
  ~Volume() override;
  /// Publishes everything and waits for background work; nothing may be called afterwards.
  Task<Result<void>> close();
  /// Before the mounts go: renames of directories over sets, and what waits for them, end with kCancelled;
  /// what is half made others go on with, or the next mount.
  void stop_moving();
  /// The inode of the root directory, for the mount's first node.
  [[nodiscard]] InodeId root_inode() const;

  [[nodiscard]] bool spans_nodes() const override { return store_.cluster().spans_nodes(); }
  Task<Result<Attributes>> lookup(std::string directory, std::string name) override;
  Task<Result<Attributes>> attributes(FileRef file) override;
  Task<Result<Attributes>> change_attributes(FileRef file, AttributeChange change) override;
  Task<Result<DirectoryPage>> read_directory(std::string directory, std::string cursor,
                                             std::size_t limit) override;
  Task<Result<Attributes>> make(std::string directory, std::string name, NewFile file) override;
  Task<Result<Created>> create(std::string directory, std::string name, NewFile file, OpenMode mode,
                               bool exclusive) override;
  Task<Result<std::unique_ptr<OpenFileApi>>> open(FileRef file, OpenMode mode) override;
  Task<Result<std::string>> read_link(FileRef file) override;
  Task<Result<void>> remove(std::string directory, std::string name) override;
  Task<Result<void>> remove_directory(std::string directory, std::string name) override;
  Task<Result<void>> rename(std::string directory, std::string name, std::string to_directory,
                            std::string to_name, RenameMode mode) override;
  Task<Result<Attributes>> link(FileRef file, std::string to_directory, std::string to_name) override;
  Task<Result<void>> sync_directory(FileRef directory) override;
  Task<Result<std::string>> get_attribute(FileRef file, std::string name) override;
  Task<Result<std::vector<std::string>>> list_attributes(FileRef file) override;
  Task<Result<void>> set_attribute(FileRef file, std::string name, std::string value,
                                   AttributeSetMode mode) override;
  Task<Result<void>> remove_attribute(FileRef file, std::string name) override;
  Task<Result<VolumeUsage>> usage() override;
  Task<Result<void>> lock(FileRef file, LockRange range, bool wait, const bool* cancelled) override;
  void wake_lock_waiters(FileRef file) override;
  Task<Result<LockRange>> test_lock(FileRef file, LockRange range) override;
  Task<Result<void>> sync_all() override;

 private:
  friend class OpenFile;  // one open of one of these inodes

  /// What lies at a path.
  struct Found {
    std::string key;  ///< With a slash behind it for a directory.
    bool directory = false;
    bool implied = false;
    objects::VersionRow row;  ///< Unless implied.
    Attributes attributes;
  };
  struct Locks {
    LockSpace space;
    async::Signal changed;
    std::uint32_t waiting = 0;
  };
  struct DirectoryFacts {
    std::uint32_t mode = 0755;
    std::uint32_t gid = 0;
    MonotonicTime until;  ///< Where other nodes change the bucket too: when to look again.
  };

  // volume.cc
  Task<Result<objects::BucketRef>> bucket() { return store_.head_bucket(bucket_name_); }
  /// One command to the set of `key` (or to `set`), again while the bucket or the names of the inode changed
  /// meanwhile.
  struct Change {
    FileCommand kind{};
    FileTarget target;  ///< Bucket, epoch and versioning are filled in.
    std::function<std::string(const FileTarget&)> encode;
    std::vector<std::string> locked_keys;  ///< Besides the target's.
    std::vector<std::string> locked_prefixes;
    std::optional<std::uint32_t> set;
    bool orphan = false;
    DataRef data{};
    BufferChain bytes{};
    Uuid parked{};             ///< Data that is taken over from where it was parked.
    Uuid referrer{};           ///< Of references that the caller took himself, not by target.taken.
    bool takes_first = false;  ///< References across sets, before the set has asked for them.
  };
  Task<Result<FileOutcome>> run(Change change);
  Task<Result<bool>> take_foreign(const objects::Bucket& bucket, const FileTarget& target, Change& change,
                                  std::vector<std::vector<Slice>>& taken);
  Task<Result<Found>> find(std::string path);
  /// key_of_path, which also knows names that stand for ones over 255 bytes.
  Task<Result<PathKey>> key_of(std::string path);
  Task<Result<std::string>> find_long(std::string prefix, std::string name);
  Task<Result<Found>> find_key(std::string key, bool shadowed_file);
  /// The same, and it must be who the caller thinks it is.
  Task<Result<Found>> resolve(FileRef file);
  [[nodiscard]] OpenInodeRef open_at(const std::string& key) const;
  [[nodiscard]] OpenInodeRef open_inode(const InodeId& inode) const;
  void overlay(Attributes& attributes, const std::string& key, const objects::VersionRow& row) const;
  Task<Result<std::vector<std::string>>> names_of(std::uint32_t set, InodeId inode);
  Task<Result<void>> finish_leftovers();
  Task<Result<void>> forget_decisions(std::vector<std::string> decisions);
  /// Asks the set of `key` about it.
  Task<Result<std::string>> ask(FileCommand kind, std::string key, InodeId inode = {});
  /// What was begun and not ended, as one set knows it: see query_leftovers, also for `kinds`.
  Task<Result<std::vector<std::string>>> leftovers_of(std::uint32_t set, std::string kinds);

  // volume_names.cc
  /// The open files whose names a rename or an unlink changes; it has their turns to publish.
  struct Turns {
    OpenInodeRef moving;
    OpenInodeRef replaced;  ///< Or removed.
    std::vector<OpenInodeRef> held;
  };
  Task<Result<Turns>> take_turns(RenameWatch::Change& change, InodeId moving, InodeId replaced, bool across);
  /// `mover`: as in RenamePayload.
  Task<Result<void>> rename_file(Found from, std::string to_key, RenameMode mode, Uuid mover = {});
  Task<Result<FileOutcome>> rename_in_set(const Found& from, std::string to_key, RenameMode mode,
                                          bool keep_orphan, std::vector<std::string> links, Uuid mover);
  void lose_name(OpenInode& inode, const std::string& key, const FileOutcome& done,
                 std::vector<std::string> links);
  void follow_rename(const std::string& from_key, const std::string& to_key, RenameMode mode,
                     const OpenInodeRef& moving, const OpenInodeRef& replaced);

  // volume_move.cc
  Task<Result<FileOutcome>> move_across(MovePayload move, std::vector<std::string> links);
  Task<Result<FileOutcome>> move_now(MovePayload move, std::vector<std::string> links);
  Task<Result<FileOutcome>> place_moved(const objects::Bucket& bucket, MovePayload& move, std::string row,
                                        std::vector<std::string> links, std::vector<Slice>& shared);
  Task<Result<FileOutcome>> move_step(FileCommand kind, const MovePayload& move, std::string key,
                                      std::vector<std::string> links, Uuid referrer = {});
  Task<Result<void>> settle_move(std::string key);
  Task<Result<void>> await_move(std::string key);
  Task<Result<void>> await_foreign_move(std::string key);
  Task<Result<FileOutcome>> end_move(const MovePayload& move);
  Task<void> end_move_later(std::string from_key);
  Task<Result<MovePayload>> standing_file_move(std::string key);
  Task<Result<void>> settle_foreign_move(std::string key);
  Task<Result<void>> finish_move(MovePayload move);

  // volume_move_turn.cc
  Task<Result<void>> take_moving_turn(bool wait);
  Task<Result<void>> lock_moving(bool wait);
  Task<void> give_up_moving_turn();
  [[nodiscard]] bool may_move() const;
  Task<Result<void>> become_mover(std::string from_key);
  Task<void> wait_for_moves_at(std::vector<std::string> keys);
  Task<Result<void>> wait_for_moves_elsewhere(std::string key);
  /// Renames of directories that have begun and not ended: over sets ('d'), or in steps within one ('r').
  Task<Result<std::vector<RenamePayload>>> standing_moves(char kind);
  Task<Result<void>> end_moves_at(std::vector<std::string> keys);
  Task<void> watch_directory_moves();
  using DirectoryPair = std::pair<std::string, std::string>;  ///< From where to where.
  using MovingPlace = std::list<DirectoryPair>::iterator;
  /// From here on who touches its names waits, until finish_directory_move is through with it.
  MovingPlace begin_moving(const RenamePayload& move);
  Task<void> finish_directory_move(RenamePayload move, MovingPlace place);
  Task<void> finish_directory_moves(std::vector<std::pair<RenamePayload, MovingPlace>> moves);

  // volume_move_directory.cc
  Task<Result<void>> rename_directory_across(Found from, std::string to_key, RenameMode mode);
  struct DirectoryRename {
    std::string from_key;
    std::string to_key;
    RenameMode mode = RenameMode::kReplace;
    Uuid move;          ///< Once it is begun.
    bool made = false;  ///< The directory's row is at the new name: the names follow, whoever moves them.
  };
  Task<Result<void>> rename_directory_held(DirectoryRename& rename);
  Task<Result<void>> resume_directory_rename(DirectoryRename& rename);
  Task<Result<bool>> check_movable(const std::string& from_key, const std::string& to_key, RenameMode mode);
  Task<Result<void>> move_directory(RenamePayload move);
  Task<Result<RenamePayload>> standing_move(std::string from_key);
  Task<Result<bool>> still_moves(const RenamePayload& move);
  Task<Result<bool>> is_directory_at(std::string key, InodeId inode);
  struct Tally {
    std::vector<std::pair<std::string, InodeId>>
        kept;              ///< Directories whose row stays: the new name has one.
    Result<void> failure;  ///< Of one name, which stays too.
  };
  Task<Result<void>> move_entries(const RenamePayload& move, std::vector<Found> entries, Tally& tally);
  Task<Result<void>> move_entry(Found entry, std::string to_key, RenameMode mode);
  Task<Result<FileOutcome>> directory_move_step(FileCommand kind, const RenamePayload& move);

  // volume_pages.cc
  /// The entries of a directory from all sets, by name.
  struct MergedPage {
    std::vector<DirectoryAnswer::Entry> entries;
    std::string bound;  ///< Up to where every set has told all; empty: there is no more.
  };
  /// Asks every set for `limit` entries after `after`; gives up to `limit` times as many as there are sets.
  Task<Result<MergedPage>> merged_page(std::string prefix, std::string after, std::uint32_t limit);
  /// Gives rows below a directory page by page, files before directories, to `visit`.
  using Visit = std::function<Task<Result<void>>(std::vector<Found>)>;
  Task<Result<void>> walk(std::string prefix, Visit visit);
  Task<Result<std::vector<Found>>> page_of(const std::string& prefix, std::string& after,
                                           std::vector<std::string>& below);
  Task<Result<bool>> has_entries_elsewhere(std::string prefix);

  // volume_directories.cc
  Task<Result<DirectoryFacts>> own_row(std::string key);  ///< Gives an implied directory its row.
  void touch(const std::string& key);                     ///< The directory's times are now.
  Task<void> publish_times();
  Task<Result<void>> publish_all_times();
  Task<Result<void>> publish_times_of(std::string key, WallTime time);
  /// Of an empty directory, if it is `inode`. Errors: kDirectoryNotEmpty, kStaleHandle.
  Task<Result<void>> drop_directory_row(std::string key, InodeId inode, Uuid mover);
  void forget_directories(const std::string& prefix);
  Task<Result<void>> rename_directory(Found from, std::string to_key, RenameMode mode);
  Task<Result<void>> rename_rows_below(std::string from_key, std::string to_key, RenameMode mode);
  void follow_directory(const std::string& from_key, const std::string& to_key, RenameMode mode, bool made);
  Task<Result<void>> rename_in_steps(RenamePayload rename);

  // volume_publish.cc
  Task<Result<void>> publish(OpenInodeRef inode);
  Task<Result<void>> publish_held(OpenInodeRef inode);
  Task<Result<void>> publish_step(OpenInodeRef inode);
  Task<Result<void>> publish_parked(OpenInodeRef inode);
  Task<Result<void>> publish_staged(OpenInodeRef inode, std::uint64_t at, DataRef data);
  Task<Result<DataRef>> copy_parked(const OpenInode& inode, DataRef data);
  Task<void> drop_parked(DataRef data);
  Task<Result<bool>> find_again(OpenInodeRef inode, std::string tried, bool lost);
  /// Of a publish: after the last one nothing is left of it. A fold is made of what is published already.
  enum class Step : std::uint8_t { kMore, kLast, kFold };
  Task<Result<void>> commit(OpenInodeRef inode, std::vector<Placed> pieces, DataRef data, BufferChain bytes,
                            Step step);
  Task<Result<void>> fold(OpenInodeRef inode);
  [[nodiscard]] DataRef new_data(const OpenInode& inode, DataPlace place, std::uint64_t length);

  // volume_look.cc
  Task<Result<void>> look_again(OpenInodeRef inode);
  Task<Result<void>> look_held(OpenInodeRef inode);

  // volume_bytes.cc
  Task<Result<BufferChain>> read(OpenInodeRef inode, std::uint64_t offset, std::uint64_t size);
  Task<Result<void>> stream(OpenInode& inode, BufferChain bytes);
  Task<Result<void>> set_size(OpenInodeRef inode, std::uint64_t size, bool cuts);
  Task<Result<void>> publish_open(bool lost);

  // volume_open.cc
  /// Opens what was found once, or again. `look` began before it was found.
  Task<Result<OpenInodeRef>> take_open(Found found, RenameWatch::Look& look);
  Task<void> comes_again(std::string key, RenameWatch::Look& look);
  Task<Result<Found>> find_moved(std::vector<std::string> names, InodeId inode);
  Task<Result<void>> let_go(OpenInodeRef inode);
  /// After a commit found that the file is not at `tried`: whether a rename brought it elsewhere, which the
  /// inode knows then.
  Task<Result<bool>> follow(OpenInodeRef inode, std::string tried);
  Task<Result<bool>> follow_forwards(OpenInodeRef inode);
  Task<Result<bool>> follow_once(OpenInodeRef inode, std::map<std::string, std::uint64_t>& seen, bool& cut);
  Task<Result<ForwardAnswer>> ask_forward(std::string key, InodeId inode);
  Task<Result<bool>> follow_in_turn(OpenInodeRef inode);
  Task<void> keep_following();
  void rekey(OpenInode& inode, const std::string& key);

  // volume_attributes.cc
  /// Before a file that is open loses its last name: what other nodes open of the bucket lets its row be.
  Task<Result<void>> lock_shared(FileRef file, LockRange range, bool wait, const bool* cancelled);
  Task<void> put_locks_back(InodeId inode, LockRange taken, std::vector<LockRange> before);
  Task<void> claim(OpenInodeRef inode);
  Task<void> give_up_claim(InodeId inode);
  Task<Result<bool>> is_claimed(std::string orphan);
  Task<Result<Attributes>> change_row(Found found, AttributesPayload payload);
  Task<Result<Attributes>> change_root(AttributeChange change);

  objects::ObjectStore& store_;
  std::string bucket_name_;
  FileDefaults defaults_;
  Runtime& runtime_;
  StripeCache stripes_;
  std::unordered_map<InodeId, OpenInodeRef> open_;
  std::unordered_map<std::string, InodeId> open_keys_;
  std::unordered_map<InodeId, Locks> locks_;                     ///< Where one process has all mounts.
  SharedLocks shared_locks_;                                     ///< Where other nodes mount the bucket too.
  std::unordered_map<std::string, DirectoryFacts> directories_;  ///< That have a row; bounded.
  std::map<std::string, WallTime> touched_;  ///< Directories whose times are to be committed.
  bool publishing_times_ = false;
  RenameWatch renames_;
  std::set<std::string> moving_keys_;  ///< Old names of files that are on their way to another set.
  std::list<DirectoryPair> moving_directories_;
  async::Semaphore moving_turn_{1};  ///< Where several nodes may mount the bucket.
  InodeId moving_lock_;              ///< The same.
  Uuid mover_;                       ///< What the sets know this volume by when it moves directories.
  async::Signal moved_;
  async::Event closing_;
  bool moves_cancelled_ = false;  ///< Renames of directories over sets, and what waits for them, end.
  async::Gate gate_;
  InodeId root_;
};

}  // namespace flashstor::files
