#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/file_commands.h"
#include "engine/files/file_rows.h"
#include "engine/files/limits.h"
#include "engine/objects/keys.h"
#include "engine/objects/rows.h"

/// What the planners of files share. References must outlive the await.
namespace flashstor::files {

/// The live version at a key.
struct LiveFile {
  objects::FoundVersion found;
  objects::VersionRow row;
};
/// Nothing for no row and for a delete marker.
Task<Result<std::optional<LiveFile>>> find_live(cluster::RowView& rows, const Uuid& bucket,
                                                std::string_view key);
/// The same, which must be there and be `inode` (nil: any). Errors: kNoSuchKey, kStaleHandle, kNotPermitted
/// under retention.
Task<Result<LiveFile>> require_live(cluster::RowView& rows, const Uuid& bucket, std::string_view key,
                                    const InodeId& inode);
/// Whether any live key begins with `prefix`, other than `prefix` itself.
Task<Result<bool>> has_children(cluster::RowView& rows, const Uuid& bucket, std::string_view prefix);
/// Whether the name is taken: a file, a directory or keys below.
Task<Result<bool>> name_taken(cluster::RowView& rows, const Uuid& bucket, std::string_view key);
/// The slices of a row, whichever way it keeps them.
Task<Result<std::vector<Slice>>> slices_of(cluster::RowView& rows, const objects::VersionRow& row);
/// Puts `slices` into the row: size, layout, a new ETag; what only held for the old bytes goes.
void set_slices(objects::VersionRow& row, std::vector<Slice> slices);

/// Gives each slice of data that stays in use elsewhere a referrer of its own, with its rows in
/// Family::kRefs: the data then lives as long as either. Data of another set than the target's needs a
/// reference that was taken for the version at `key` (FileTarget::taken). Errors: kNotSupported with
/// kForeignData where there is none.
Task<Result<void>> share_slices(cluster::RowView& rows, const FileTarget& target, std::string_view key,
                                std::vector<Slice>& slices, std::vector<RowChange>& changes);
/// The same for all data of the row at `key`, which becomes another version too; what S3 shows of its bytes
/// stays.
Task<Result<void>> share_row(cluster::RowView& rows, const FileTarget& target, std::string_view key,
                             objects::VersionRow& row, std::vector<RowChange>& changes);

/// Adds to the plan what makes the name of a live file vanish: its row, or a delete marker before it in a
/// versioned bucket. `keep_data` leaves its data to somebody else.
Task<Result<void>> plan_vanish(cluster::RowView& rows, const FileTarget& target, const LiveFile& live,
                               bool keep_data, cluster::Plan& plan, FileOutcome& outcome);
/// Adds the row of the file at `key`, which lives on without a name. True when it takes the data over from
/// the name, false when it has references of its own (the name's version stays in a bucket with versions).
Task<Result<bool>> plan_orphan(cluster::RowView& rows, const FileTarget& target, std::string_view key,
                               const objects::VersionRow& row, cluster::Plan& plan, FileOutcome& outcome);
/// The names of an inode with several, from its row.
Task<Result<std::vector<std::string>>> links_of(cluster::RowView& rows, const Uuid& bucket,
                                                const InodeId& inode);
/// Puts or removes the row of names; one name needs none.
void set_links(const Uuid& bucket, const InodeId& inode, const std::vector<std::string>& names,
               cluster::Plan& plan);

/// Renames `from` to `to` (or drops it) in the list of names of an inode that has several.
Task<Result<void>> rename_in_links(cluster::RowView& rows, const Uuid& bucket, const objects::VersionRow& row,
                                   const std::string& from, const std::optional<std::string>& to,
                                   cluster::Plan& plan);

/// What a rename asks of the name that it makes.
struct RoomWanted {
  const std::string& to_key;
  RenameMode mode;
  bool keep_orphan;
};
struct Room {
  std::optional<objects::FoundVersion> there;  ///< For `place`.
  bool keep_data = false;                      ///< What is replaced lives on as an orphan.
};
/// Checks that a file may be renamed to a name, and adds what happens to the file that it replaces. Errors:
/// kExists, kIsDirectory, kNotPermitted.
Task<Result<Room>> make_room(cluster::RowView& rows, const FileTarget& target, const RoomWanted& wanted,
                             cluster::Plan& plan, FileOutcome& outcome);
/// Adds the row of `live` as the newest of `key`, replacing `there` (whose data goes, unless it is kept).
Task<Result<void>> place(cluster::RowView& rows, const FileTarget& target, const std::string& key,
                         const LiveFile& live, const std::optional<objects::FoundVersion>& there,
                         bool keep_replaced_data, std::vector<RowChange> beside, cluster::Plan& plan,
                         FileOutcome& outcome);
/// Errors: kConflict with kMoving while a rename to another set moves `key` away.
Task<Result<void>> check_not_moving(cluster::RowView& rows, const Uuid& bucket, const std::string& key);
/// Errors: kConflict with kOvertaken when `mover` is neither nil nor who moves directories in this set.
Task<Result<void>> check_mover(cluster::RowView& rows, const Uuid& bucket, const Uuid& mover);

/// The plan with its answer, which also tells which taken references it uses.
[[nodiscard]] cluster::Plan answered(cluster::Plan plan, FileOutcome outcome);
/// Puts a row at its place as it is.
void put_row(const Uuid& bucket, std::string_view key, const objects::VersionRow& row, cluster::Plan& plan);

}  // namespace flashstor::files
