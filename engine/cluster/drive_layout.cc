#include "engine/cluster/drive_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "engine/async/own_thread.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/topology.h"

namespace flashstor::cluster {
namespace {

using storage::DriveCondition;
using storage::DriveInfo;
using storage::DriveInspection;

DriveInfo::State state_of(DriveCondition condition) {
  switch (condition) {
    case DriveCondition::kFormatted:
      return DriveInfo::State::kOnline;
    case DriveCondition::kReadOnly:
      return DriveInfo::State::kReadOnly;
    case DriveCondition::kForeign:
      return DriveInfo::State::kForeign;
    case DriveCondition::kUnreadable:
      return DriveInfo::State::kFailed;
    case DriveCondition::kEmpty:
    case DriveCondition::kMissing:
      break;
  }
  return DriveInfo::State::kMissing;
}

// The deployment that most formatted drives belong to.
Uuid deployment_of(const std::vector<DriveInspection>& found) {
  std::map<Uuid, std::size_t> votes;
  Uuid best;
  for (const DriveInspection& drive : found) {
    if (!drive.format) continue;
    const std::size_t count = ++votes[drive.format->deployment_id];
    if (best.is_nil() || count > votes[best]) best = drive.format->deployment_id;
  }
  return best;
}

// The drive ids of each set, as its own drives tell: the newest revision, of that the most told.
std::vector<std::vector<Uuid>> known_ids(const std::vector<DriveInspection>& found, const Uuid& deployment,
                                         std::size_t sets) {
  using Told = std::pair<std::uint32_t, std::vector<Uuid>>;
  std::vector<std::map<Told, std::size_t>> votes(sets);
  for (const DriveInspection& drive : found)
    if (drive.format && drive.format->deployment_id == deployment && drive.format->set < sets)
      ++votes[drive.format->set][{drive.format->revision, drive.format->set_drives}];
  std::vector<std::vector<Uuid>> out(sets);
  for (std::size_t set = 0; set < sets; ++set) {
    std::pair<std::uint32_t, std::size_t> best;
    for (const auto& [told, count] : votes[set]) {
      if (std::pair(told.first, count) <= best) continue;
      best = {told.first, count};
      out[set] = told.second;
    }
  }
  return out;
}

// No drive has ever been opened: a format that was cut off, or none yet.
Result<bool> untouched(storage::FileIo& io, const std::vector<std::string>& paths,
                       const std::vector<DriveInspection>& found) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (found[i].condition == DriveCondition::kEmpty) continue;
    if (found[i].condition != DriveCondition::kFormatted) return false;
    const auto log = io.list(paths[i] + "/log");
    if (!log) return std::unexpected(log.error());
    if (!log->empty()) return false;
  }
  return true;
}

Result<void> format_all(storage::FileIo& io, DriveLayout& layout, const std::vector<DriveInspection>& found) {
  for (std::size_t i = 0; i < layout.drives.size(); ++i) {
    if (found[i].condition == DriveCondition::kFormatted) continue;
    const auto done = storage::format_drive(io, layout.drives[i].path, layout.drives[i].format);
    if (!done)
      return std::unexpected(done.error().wrap(
          done.error().code(),
          fmt::format("cannot format {}: {}", layout.drives[i].path, done.error().message())));
  }
  return {};
}

void check_found(storage::FileIo& io, PlacedDrive& drive, const DriveInspection& found) {
  drive.state = state_of(found.condition);
  drive.words = found.words;
  if (found.condition == DriveCondition::kEmpty)
    drive.words = drive.path + " is empty: it is to be filled as a new drive of its set";
  if (!found.format) return;
  if (auto same = storage::check_identity(drive.path, *found.format, drive.format); !same) {
    drive.state = DriveInfo::State::kForeign;
    drive.words = same.error().message();
    return;
  }
  drive.format = *found.format;
  if (found.condition != DriveCondition::kFormatted) return;
  const auto filling = storage::is_filling(io, drive.path);
  if (filling && !*filling) {
    drive.usable = true;
    return;
  }
  drive.state = filling ? DriveInfo::State::kFilling : DriveInfo::State::kFailed;
  drive.words = filling ? drive.path + " is being filled" : std::string(filling.error().message());
}

// Each on a thread of its own: one that hangs is left behind, and its drive is out.
std::vector<DriveInspection> inspect_all(storage::FileIo& io, const std::vector<std::string>& paths) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable done;
    std::vector<std::optional<DriveInspection>> found;
    std::size_t left = 0;
  };
  const auto shared = std::make_shared<Shared>();
  shared->found.resize(paths.size());
  shared->left = paths.size();
  for (std::size_t i = 0; i < paths.size(); ++i)
    async::run_on_own_thread([shared, &io, i, path = paths[i]] {
      DriveInspection found = storage::inspect_drive(io, path);
      const std::lock_guard lock(shared->mutex);
      shared->found[i] = std::move(found);
      --shared->left;
      shared->done.notify_all();
    });
  std::unique_lock lock(shared->mutex);
  shared->done.wait_for(lock, limits::kInspectDeadline, [&] { return shared->left == 0; });
  std::vector<DriveInspection> out;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    out.push_back(shared->found[i].value_or(
        DriveInspection{.condition = DriveCondition::kUnreadable, .words = paths[i] + " does not answer"}));
  }
  return out;
}

}  // namespace

Result<DriveLayout> lay_out_drives(storage::FileIo& io, const std::vector<std::string>& paths,
                                   Random& random) {
  const auto size = set_size(paths.size());
  if (!size) return std::unexpected(size.error());
  const std::vector<DriveInspection> found = inspect_all(io, paths);
  std::vector<std::pair<std::string, storage::DriveFormat>> formats;
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (found[i].format) formats.emplace_back(paths[i], *found[i].format);
  if (auto unique = storage::check_no_duplicates(formats); !unique)
    return std::unexpected(std::move(unique).error());
  const auto fresh = untouched(io, paths, found);
  if (!fresh) return std::unexpected(fresh.error());

  DriveLayout layout;
  layout.set_drives = *size;
  layout.first_start = *fresh;
  layout.deployment_id = formats.empty() ? Uuid::make(random) : deployment_of(found);
  if (formats.empty() && !*fresh) {
    const auto odd = std::ranges::find_if(
        found, [](const DriveInspection& drive) { return drive.condition != DriveCondition::kEmpty; });
    const bool foreign = odd->condition == DriveCondition::kForeign;
    const bool missing = odd->condition == DriveCondition::kMissing;
    return fail(foreign ? ErrorCode::kDriveForeign : ErrorCode::kIo,
                odd->words + (missing ? ": mount the drive or, for a new store, make the directory first"
                                      : "; a new store needs every drive empty"));
  }
  const std::size_t sets = paths.size() / *size;
  auto ids = known_ids(found, layout.deployment_id, sets);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto& of_set = ids[i / *size];
    if (of_set.empty() && !*fresh)
      return fail(ErrorCode::kReadQuorum, fmt::format("no drive of set {} can be read", i / *size + 1));
    while (of_set.size() < *size && *fresh) of_set.push_back(Uuid::make(random));
    if (of_set.size() != *size)
      return fail(ErrorCode::kDriveForeign,
                  fmt::format("the drives know sets of {} drives, but {} drives given make sets of {}: give "
                              "the same drives as before",
                              of_set.size(), paths.size(), *size));
    PlacedDrive drive;
    drive.path = paths[i];
    drive.set = static_cast<std::uint32_t>(i / *size);
    drive.slot = static_cast<std::uint32_t>(i % *size);
    drive.format = {.deployment_id = layout.deployment_id,
                    .pool = 0,
                    .set = drive.set,
                    .slot = drive.slot,
                    .drive_id = of_set[drive.slot],
                    .set_drives = of_set};
    layout.drives.push_back(std::move(drive));
  }
  if (*fresh) {
    if (auto done = format_all(io, layout, found); !done) return std::unexpected(std::move(done).error());
    for (PlacedDrive& drive : layout.drives) drive.usable = true;
    return layout;
  }
  for (std::size_t i = 0; i < paths.size(); ++i) check_found(io, layout.drives[i], found[i]);
  return layout;
}

}  // namespace flashstor::cluster
