#include <algorithm>
#include <map>

#include "engine/files/plan_support.h"
#include "engine/files/volume.h"

// What lies in a directory: every set has a part of it.
namespace flashstor::files {

Task<Result<Volume::MergedPage>> Volume::merged_page(std::string prefix, std::string after,
                                                     std::uint32_t limit) {
  const objects::BucketRef bucket = co_await or_return(this->bucket());
  const std::string question =
      encode(DirectoryPayload{bucket->id, std::move(prefix), std::move(after), limit});
  MergedPage page;
  std::map<std::string, std::string> rows;
  for (std::uint32_t index = 0; index < store_.cluster().set_count(); ++index) {
    const std::string bytes = co_await or_return(store_.cluster().set_at(index).query(
        static_cast<cluster::CommandKind>(FileCommand::kReadDirectory), question));
    auto part = co_await or_return(decode<DirectoryAnswer>(bytes));
    if (!part.end && !part.entries.empty() && (page.bound.empty() || part.entries.back().name < page.bound))
      page.bound = part.entries.back().name;
    for (auto& entry : part.entries)
      if (std::string& row = rows[std::move(entry.name)]; row.empty()) row = std::move(entry.row);
  }
  for (auto& [name, row] : rows) {
    if (!page.bound.empty() && name > page.bound) break;
    page.entries.push_back({name, std::move(row)});
  }
  co_return page;
}

Task<Result<void>> Volume::walk(std::string prefix, Visit visit) {
  std::vector<std::string> prefixes{std::move(prefix)};
  while (!prefixes.empty()) {
    const std::string directory = std::move(prefixes.back());
    prefixes.pop_back();
    std::string after;
    do {
      if (moves_cancelled_) co_return fail(ErrorCode::kCancelled);
      auto entries = co_await or_return(page_of(directory, after, prefixes));
      std::ranges::partition(entries, [](const Found& entry) { return !entry.directory; });
      co_await or_return(visit(std::move(entries)));
    } while (!after.empty());
  }
  co_return {};
}

// The rows of one directory after `after`, which moves on, empty at the end. Directories below go into
// `below`; one without a row has nothing to move but what it holds.
Task<Result<std::vector<Volume::Found>>> Volume::page_of(const std::string& prefix, std::string& after,
                                                         std::vector<std::string>& below) {
  MergedPage page = co_await or_return(merged_page(prefix, after, kLongNamePage));
  std::vector<Found> entries;
  for (const auto& [name, row] : page.entries) {
    Found found;
    found.directory = name.ends_with('/');
    found.key = prefix + name;
    if (found.directory) below.push_back(found.key);
    if (row.empty()) continue;
    found.row = co_await or_return(objects::decode_version(row));
    found.attributes = attributes_of(found.row, found.directory, defaults_);
    entries.push_back(std::move(found));
  }
  after = std::move(page.bound);
  co_return entries;
}

// The set of a directory's row sees only the entries that lie there; with several sets all are asked.
Task<Result<bool>> Volume::has_entries_elsewhere(std::string prefix) {
  if (store_.cluster().set_count() == 1) co_return false;
  co_return !(co_await or_return(merged_page(std::move(prefix), {}, 1))).entries.empty();
}

}  // namespace flashstor::files
