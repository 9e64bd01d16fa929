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
/// Family::kRefs: the data then lives as long as either. Errors: kNotSupported for data of another set.
Result<void> share_slices(Random& random, std::vector<Slice>& slices, std::vector<RowChange>& changes);

/// Adds to the plan what makes the name of a live file vanish: its row, or a delete marker before it in a
/// versioned bucket. `keep_data` leaves its data to somebody else.
Task<Result<void>> plan_vanish(cluster::RowView& rows, const FileTarget& target, const LiveFile& live,
                               bool keep_data, cluster::Plan& plan, FileOutcome& outcome);
/// Adds the row of a file that lives on without a name.
void plan_orphan(const Uuid& bucket, const objects::VersionRow& row, cluster::Plan& plan,
                 FileOutcome& outcome);
/// The names of an inode with several, from its row.
Task<Result<std::vector<std::string>>> links_of(cluster::RowView& rows, const Uuid& bucket,
                                                const InodeId& inode);
/// Puts or removes the row of names; one name needs none.
void set_links(const Uuid& bucket, const InodeId& inode, const std::vector<std::string>& names,
               cluster::Plan& plan);

[[nodiscard]] cluster::Plan answered(cluster::Plan plan, const FileOutcome& outcome);
/// Puts a row at its place as it is.
void put_row(const Uuid& bucket, std::string_view key, const objects::VersionRow& row, cluster::Plan& plan);

}  // namespace flashstor::files
