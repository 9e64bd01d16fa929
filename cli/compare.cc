#include "cli/compare.h"

#include <algorithm>
#include <filesystem>

#include "cli/interrupt.h"

namespace flashstor::cli {
namespace {

Result<std::vector<Entry>> entries_of(Session& session, const Target& root) {
  std::vector<Entry> entries;
  auto walked = walk_tree(session, root, [&](const Entry& entry) -> Result<bool> {
    if (!entry.name.empty()) entries.push_back(entry);
    return !interrupted();
  });
  if (!walked) return std::unexpected(walked.error());
  if (interrupted()) return fail(ErrorCode::kCancelled, "interrupted");
  return entries;
}

}  // namespace

std::string_view name_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kOnlyFirst:
      return "only-first";
    case Difference::Kind::kOnlySecond:
      return "only-second";
    case Difference::Kind::kSize:
      return "size";
    case Difference::Kind::kNewer:
      return "newer";
  }
  return "unknown";
}

std::vector<Difference> compare_entries(std::vector<Entry> first, std::vector<Entry> second) {
  std::ranges::sort(first, {}, &Entry::name);
  std::ranges::sort(second, {}, &Entry::name);
  std::vector<Difference> differences;
  auto left = first.begin();
  auto right = second.begin();
  const auto keep = [](Entry& entry) { return std::make_shared<const Entry>(std::move(entry)); };
  while (left != first.end() || right != second.end()) {
    if (right == second.end() || (left != first.end() && left->name < right->name)) {
      differences.push_back({left->name, Difference::Kind::kOnlyFirst, {}, {}});
      differences.back().first = keep(*left++);
    } else if (left == first.end() || right->name < left->name) {
      differences.push_back({right->name, Difference::Kind::kOnlySecond, {}, {}});
      differences.back().second = keep(*right++);
    } else {
      const bool size_differs = left->object.size != right->object.size;
      // S3 tells whole seconds only in some places: less than one is no difference.
      const bool newer = left->object.modified - right->object.modified >= std::chrono::seconds(1);
      if (size_differs || newer) {
        const auto kind = size_differs ? Difference::Kind::kSize : Difference::Kind::kNewer;
        differences.push_back({left->name, kind, {}, {}});
        differences.back().first = keep(*left);
        differences.back().second = keep(*right);
      }
      ++left;
      ++right;
    }
  }
  return differences;
}

Result<std::vector<Difference>> compare_trees(Session& session, const Target& first, const Target& second) {
  auto left = entries_of(session, first);
  if (!left) return std::unexpected(left.error());
  std::error_code ignored;
  const bool absent = !second.remote && !std::filesystem::exists(second.path, ignored);
  auto right = absent ? Result<std::vector<Entry>>(std::vector<Entry>()) : entries_of(session, second);
  if (!right) return std::unexpected(right.error());
  return compare_entries(std::move(*left), std::move(*right));
}

}  // namespace flashstor::cli
