#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cluster/set_api.h"
#include "engine/files/file_store.h"
#include "engine/files/slice_edit.h"
#include "engine/objects/rows.h"
#include "engine/objects/types.h"

/// What a volume sends to the leaders of sets: commands and queries 100-199, and their encoding. Decoders
/// give kMalformed.
namespace flashstor::files {

/// On the wire: never reuse a number.
enum class FileCommand : cluster::CommandKind {
  kMake = 100,
  kPublish = 101,
  kChangeAttributes = 102,
  kRemove = 103,
  kRemoveDirectory = 104,
  kRename = 105,
  kRenameDirectory = 106,
  kLink = 107,
  kMoveBegin = 108,
  kMovePlace = 109,
  kMoveSettle = 110,
  kMoveEnd = 111,
  kMoveForget = 112,
  kDirectoryMoveBegin = 113,
  kDirectoryMoveEnd = 114,
  kMoverChange = 115,
  kLookup = 150,
  kReadDirectory = 151,
  kLinks = 152,
  kLeftovers = 153,
  kMove = 154,
  kLock = 155,
  kDirectoryMove = 156,
  kForward = 160,
};

/// Adds the planners and queries of files. Once, by main, before the first set starts.
void register_file_commands(cluster::CommandRegistry& registry);

/// References to data of other sets that a caller has taken (StoreParts::add_references), for what comes to
/// share the data of the newest version of `key`.
struct TakenReferences {
  std::string key;
  Uuid referrer;
  std::vector<Uuid> data;  ///< Ids of data.
};
/// The bucket and the key that a command is about; directories end in a slash.
struct FileTarget {
  Uuid bucket;
  std::uint64_t epoch = 0;
  objects::Versioning versioning = objects::Versioning::kUnversioned;
  std::string key;
  InodeId inode;                         ///< What must be there; nil: anything.
  std::uint32_t set = 0;                 ///< Where the command runs.
  std::vector<TakenReferences> taken{};  ///< Travels with the payloads that may share data.
};

/// POSIX attributes to set; what is empty stays.
struct PosixChange {
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::int64_t> mtime_ns;
  std::optional<std::int64_t> atime_ns;
  std::optional<std::int64_t> ctime_ns;
  [[nodiscard]] bool empty() const { return !mode && !uid && !gid && !mtime_ns && !atime_ns && !ctime_ns; }
};

struct MakePayload {
  FileTarget target;
  objects::PosixAttributes posix;
  std::string owner;
};
struct PublishPayload {
  FileTarget target;
  std::optional<std::uint64_t> shrink_to;  ///< Applied before the pieces.
  std::vector<Placed> pieces;
  std::uint64_t size = 0;  ///< What the file has at least afterwards.
  PosixChange posix;
  objects::VersionId revises;  ///< The version that this open made already.
  bool has_data = false;
  std::vector<std::string> links;  ///< The other names of the inode, whose locks are held.
  bool may_move = false;           ///< Somebody may be moving the file to another set.
  bool chase = false;              ///< Whatever name in this set the file has by now: all of them are locked.
  bool adopt = false;              ///< The data of the piece is parked: it is taken over.
  Uuid park;  ///< Bucket in which staged data gets a row of its own where the file is not (plan_park).
  objects::VersionId knows;  ///< What is over the caller's row is another node's; unset: there are no others.
  bool only_known = false;   ///< Nothing is done unless the file is as the caller knows it.
  bool folds = false;        ///< The bytes stay what they are.
};
struct AttributesPayload {
  FileTarget target;
  PosixChange posix;
  std::string attribute;             ///< Name of the extended attribute to change, or empty.
  std::optional<std::string> value;  ///< None: remove it.
  AttributeSetMode mode = AttributeSetMode::kAny;
  std::optional<objects::PosixAttributes> implied;  ///< For a directory without a row: what it gets.
  std::vector<std::string> links;
};
struct RemovePayload {
  FileTarget target;
  bool keep_orphan = false;  ///< It is open: keep its row under the inode until the last release.
  std::vector<std::string> links;
  std::int64_t now_ns = 0;
};
struct RenamePayload {
  FileTarget target;
  std::string to_key;
  RenameMode mode = RenameMode::kReplace;
  bool keep_orphan = false;  ///< What is replaced is open.
  std::int64_t now_ns = 0;
  Uuid move;   ///< Names the rename of a directory.
  Uuid mover;  ///< Who moves directories (kMoverChange), where this is a step of that; nil: it is not.
  bool further = false;  ///< kRenameDirectory: not the first step of it.
  bool forward = false;  ///< Other nodes may have the file open: forward.h.
};
/// Rename of a file to a name in another set, a step of it.
struct MovePayload {
  FileTarget target;  ///< The old name or the new one, whichever the step is about.
  Uuid move;          ///< Names the rename.
  std::string from_key;
  std::string to_key;
  RenameMode mode = RenameMode::kReplace;
  bool keep_orphan = false;    ///< What is replaced is open.
  objects::VersionId version;  ///< Of the old name, as it was when the rename began.
  bool placed = false;         ///< kMoveEnd: what was decided.
  std::string row;             ///< kMovePlace: the new name's row, and its list of slices or nothing.
  std::string slices_row;
  Uuid mover;            ///< As in RenamePayload.
  bool forward = false;  ///< As in RenamePayload.
};
/// Where what had a name has gone (forward.h): the newest first.
struct Forward {
  std::int64_t at_ns = 0;
  std::vector<std::string> to;
  std::vector<std::int64_t> since;  ///< For each of them.
  bool cut = false;                 ///< There were more.
};
struct ForwardAnswer {
  bool found = false;           ///< The inode has the name that was asked about.
  std::uint64_t seen = 0;       ///< Another number once anything has gone since.
  std::vector<std::string> to;  ///< Otherwise: names that it may have.
  bool cut = false;             ///< There are more.
};
struct LinkPayload {
  FileTarget target;
  std::string to_key;
  std::vector<std::string> links;
  std::int64_t now_ns = 0;
};
struct LookupPayload {
  Uuid bucket;
  std::string key;  ///< Without trailing slash.
};
struct DirectoryPayload {
  Uuid bucket;
  std::string prefix;  ///< "" or ends in a slash.
  std::string after;   ///< Entry (with its slash if a directory) after which to begin, or empty.
  std::uint32_t limit = 0;
};

/// A lock that a session holds, by the inode that it is of.
struct HeldLock {
  InodeId inode;
  LockRange range;
};
/// What a session (a volume on one of several nodes) asks of the locks that a set's leader keeps. Owners are
/// told apart across sessions by the asker.
struct LockPayload {
  enum class What : std::uint8_t { kSet, kTest, kRefresh } what = What::kRefresh;
  std::uint32_t set = 0;
  Uuid session;
  std::uint64_t number = 0;    ///< Grows from call to call of a session: what arrives late is not obeyed.
  HeldLock wanted;             ///< kSet (drops too), kTest.
  std::vector<HeldLock> held;  ///< kRefresh: everything that the session holds in this set.
};

/// What a command gives back.
struct FileOutcome {
  std::string row;     ///< The version row now there (encode_version), or empty.
  std::string orphan;  ///< The row of what was orphaned, or empty.
  std::string key;     ///< kPublish that chased: where the file was.
  bool more = false;   ///< kRenameDirectory: rows are left; repeat. kPublish: the data was parked instead.
  std::vector<objects::DroppedReference> drops;
  std::vector<Uuid> used;  ///< The referrers of TakenReferences by which the rows share data.
  bool merged = false;     ///< kPublish: over what the caller did not know.
};
/// What lies at a name in one set.
struct LookupAnswer {
  std::string file;       ///< Row of the object with this key, or empty.
  std::string directory;  ///< Row of the directory object, or empty.
  bool has_children = false;
};
struct LockAnswer {
  bool granted = false;
  bool early = false;              ///< The leader is new and must first hear who holds what: ask again.
  std::optional<LockRange> other;  ///< What stands in the way.
  std::vector<HeldLock> lost;      ///< kRefresh: what others have taken meanwhile.
};
struct DirectoryAnswer {
  struct Entry {
    std::string name;  ///< Component; with a slash for a directory.
    std::string row;   ///< Empty for an implied directory.
  };
  std::vector<Entry> entries;
  bool end = false;
};

template <class Payload>
[[nodiscard]] std::string encode(const Payload& payload);
template <class Payload>
[[nodiscard]] Result<Payload> decode(std::string_view bytes);

/// Rows of files whose last name is gone while they are open lie under this bucket id, keyed by inode.
[[nodiscard]] Uuid orphans_of(const Uuid& bucket);
/// Whoever moves directories over sets holds the lock of this inode, which nobody can name.
[[nodiscard]] InodeId moving_lock_of(const Uuid& bucket);
/// Family::kInodes: the names of an inode that has several.
[[nodiscard]] std::string links_key(const Uuid& bucket, const InodeId& inode);

using PlanTask = Task<Result<cluster::Plan>>;
PlanTask plan_make(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_publish(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_change_attributes(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_remove(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_remove_directory(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_rename(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_rename_directory(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_link(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_move_begin(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_move_place(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_move_settle(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_move_end(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_move_forget(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_directory_move_begin(cluster::RowView& rows, const cluster::Command& command);
PlanTask plan_directory_move_end(cluster::RowView& rows, const cluster::Command& command);
/// From here on steps of any other mover are refused in this set.
PlanTask plan_mover_change(cluster::RowView& rows, const cluster::Command& command);
Task<Result<std::string>> query_lookup(cluster::RowView& rows, std::string_view payload);
Task<Result<std::string>> query_directory(cluster::RowView& rows, std::string_view payload);
Task<Result<std::string>> query_links(cluster::RowView& rows, std::string_view payload);
Task<Result<std::string>> query_leftovers(cluster::RowView& rows, std::string_view payload);
/// The payload of the rename that moves a key away (`kind` kMoveIntents: MovePayload; kDirectoryMoves:
/// RenamePayload), or nothing.
Task<Result<std::string>> query_intent(std::string_view kind, cluster::RowView& rows,
                                       std::string_view payload);
/// Whether an inode is at a key, or where it may have gone from there (ForwardAnswer of a FileTarget).
Task<Result<std::string>> query_forward(cluster::RowView& rows, std::string_view payload);
/// Errors: kReadOnly while nobody leads.
// That of files, not the sets' own.  NOLINTNEXTLINE(bugprone-forward-declaration-namespace)
Task<Result<std::string>> query_lock(class LockTable& table, cluster::RowView& rows,
                                     std::string_view payload);

}  // namespace flashstor::files
