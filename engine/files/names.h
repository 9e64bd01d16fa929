#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

/// File names for keys. Every S3 key has a place in the mount; what POSIX cannot hold as it is gets a name
/// that turns back into the key. Source: docs/posix.md, Names.
namespace flashstor::files {

inline constexpr std::size_t kMaxNameBytes = 255;
/// Behind the name of a file whose key is also a prefix of other keys (`a` beside `a/b`): the plain name is
/// the directory's.
inline constexpr std::string_view kShadowedSuffix = "%file";

/// The file name of one component of a key (what lies between slashes; may be empty). A plain component is
/// its own name; `` (from `a//b`),
/// `.`, `..`, one with NUL, one that begins with `%` or ends with `%file` is a `%` followed by its bytes,
/// with `%`, `.` and NUL as %XX. Names over 255 bytes come out as they are: the caller hides or hashes them
/// (long_name).
[[nodiscard]] std::string name_of_component(std::string_view component, bool shadowed_file);
/// A name for a component whose name would be too long: its first bytes and a hash.
[[nodiscard]] std::string long_name(std::string_view component);
[[nodiscard]] bool is_long_name(std::string_view name);
/// Whether a component of the path is such a name: only a listing tells what it stands for.
[[nodiscard]] bool has_long_name(std::string_view path);

struct Component {
  std::string bytes;
  bool shadowed_file = false;
};
/// The component behind a name. Errors: kNotFound for a name that no component has; kNameTooLong over 255
/// bytes.
[[nodiscard]] Result<Component> component_of_name(std::string_view name);

/// A path of names as a key.
struct PathKey {
  std::string key;             ///< Without trailing slash; "" for the root.
  bool shadowed_file = false;  ///< The last name asks for the file, not for the directory of that name.
};
/// Errors: kNotFound, kNameTooLong (also for keys over 1,024 bytes).
[[nodiscard]] Result<PathKey> key_of_path(std::string_view path);
/// The directory's prefix: "" for the root, else its key and a slash.
[[nodiscard]] std::string directory_prefix(std::string_view key);
/// Whether one of the directories `keys` is, lies below, or holds `from` or `to`. All end in a slash.
[[nodiscard]] bool meets(const std::vector<std::string>& keys, std::string_view from, std::string_view to);

}  // namespace flashstor::files
