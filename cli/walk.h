#pragma once

#include <functional>
#include <string>

#include "cli/s3_client.h"
#include "cli/session.h"

namespace flashstor::cli {

/// One file or object met on a walk.
struct Entry {
  std::string name;  ///< Below the root that was walked; the last component when the root is the file itself.
  std::string path;  ///< Local only.
  ObjectInfo object;  ///< Size and time of local files too.
};
/// False ends the walk.
using EntryFunction = std::function<Result<bool>(const Entry& entry)>;

/// Every object whose key begins with `prefix`, in key order. Names lack the prefix up to its last `/`-ended
/// part that is `root_bytes` long.
[[nodiscard]] Result<void> walk_objects(S3Client& client, const std::string& bucket,
                                        const std::string& prefix, std::size_t root_bytes,
                                        const EntryFunction& each);
/// Every regular file below `root` (or `root` itself), sorted within each folder; links to files are
/// followed, links to folders are not. What cannot be read is said on `output`, and the walk goes on.
[[nodiscard]] Result<void> walk_files(Output& output, const std::string& root, const EntryFunction& each);
/// Either, for whole trees: ALIAS/BUCKET/PREFIX means PREFIX as a folder (`PREFIX/…`), or all of the bucket.
[[nodiscard]] Result<void> walk_tree(Session& session, const Target& root, const EntryFunction& each);
/// The prefix that a target means as a folder: empty, or ending in `/`.
[[nodiscard]] std::string folder_prefix(const std::string& key);

}  // namespace flashstor::cli
