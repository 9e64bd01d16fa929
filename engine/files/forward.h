#pragma once

#include <string>

#include "engine/files/plan_support.h"

/// Where renames have brought files and directories, for nodes that have a file open under its old name.
/// Beside the entry that takes an old name away lies a row of Family::kResults in the same set, under a hash
/// of the bucket and the inode (or the directory's old name), for kResultKeep: nobody who has a file open
/// needs to be known to whoever renames it, and no death loses the way. What it says is a place to look at:
/// only a row with the inode is the file.  Source: docs/decisions/0011-open-files-elsewhere.md.
namespace flashstor::files {

/// Adds that the file `inode` has gone to `to_key`, instead of where it was said to have gone before.
Task<Result<void>> forward_file(cluster::RowView& rows, const Uuid& bucket, const InodeId& inode,
                                const std::string& to_key, cluster::Plan& plan);
/// Adds that what lay below the directory `from_key` has gone below `to_key`, beside where others that had
/// this name have gone before.
Task<Result<void>> forward_directory(cluster::RowView& rows, const Uuid& bucket, const std::string& from_key,
                                     const std::string& to_key, cluster::Plan& plan);

/// Where the file `inode`, which had the name `key`, is in this set by now; empty: nowhere.
Task<Result<std::string>> chase(cluster::RowView& rows, const Uuid& bucket, const InodeId& inode,
                                std::string key);

}  // namespace flashstor::files
