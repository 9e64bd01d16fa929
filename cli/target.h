#pragma once

#include <string>
#include <string_view>

#include "cli/alias.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// What a user names on the command line: `ALIAS[/BUCKET[/KEY]]`, or a local path.
struct Target {
  std::string text;  ///< As typed.
  bool remote = false;
  std::string alias;
  std::string bucket;
  std::string key;
  std::string path;  ///< Local only.

  /// `name` below it, as a user would type it.
  [[nodiscard]] std::string child(std::string_view name) const;
};

/// Text whose first component is an alias is remote; text beginning with `/`, `.` or `~` never is.
[[nodiscard]] Target parse_target(std::string_view text, const AliasBook& book);
/// The same where only ALIAS/… will do. Errors: kInvalidArgument, naming the nearest alias.
[[nodiscard]] Result<Target> parse_remote(std::string_view text, const AliasBook& book);
/// And where a bucket is needed. Errors: kInvalidArgument.
[[nodiscard]] Result<Target> parse_bucket(std::string_view text, const AliasBook& book);
/// And where a bucket and a key are needed. Errors: kInvalidArgument.
[[nodiscard]] Result<Target> parse_object(std::string_view text, const AliasBook& book);

/// The local path of object `name` below `folder`. Errors: kInvalidArgument when the name would lead out of
/// the folder or cannot be a path (`..`, `.`, an empty component, a zero byte).
[[nodiscard]] Result<std::string> path_below(const std::string& folder, std::string_view name);

/// The last component of a path or key, without a trailing slash.
[[nodiscard]] std::string base_name(std::string_view text);

}  // namespace flashstor::cli
