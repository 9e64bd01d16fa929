#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/walk.h"

namespace flashstor::cli {

/// One name that two trees do not agree about.
struct Difference {
  enum class Kind {
    kOnlyFirst,
    kOnlySecond,
    kSize,   ///< In both, of different sizes.
    kNewer,  ///< In both, of one size; the first was changed later than the second.
  };
  std::string name;
  Kind kind = Kind::kOnlyFirst;
  std::shared_ptr<const Entry> first;
  std::shared_ptr<const Entry> second;
};

/// "only-first", "only-second", "size", "newer".
[[nodiscard]] std::string_view name_of(Difference::Kind kind);
/// Differences by name; a local folder that does not exist counts as empty on the second side.
[[nodiscard]] Result<std::vector<Difference>> compare_trees(Session& session, const Target& first,
                                                            const Target& second);
/// The same of two lists, in any order.
[[nodiscard]] std::vector<Difference> compare_entries(std::vector<Entry> first, std::vector<Entry> second);

}  // namespace flashstor::cli
